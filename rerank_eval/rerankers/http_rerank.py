"""Any server with a rerank endpoint shaped like Cohere's or Jina's: address, names of fields and authorisation by configuration."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rerank_eval.calls.asking import AsksThroughCalls
from rerank_eval.calls.json_paths import find, find_count
from rerank_eval.calls.keys import check_header, check_url, read_key
from rerank_eval.calls.rerank_answers import DOCUMENTS_PER_SEARCH, ask_for_scores, read_rows
from rerank_eval.calls.secret_settings import refuse_secrets
from rerank_eval.calls.sending import make_post
from rerank_eval.calls.settings import CallSettings
from rerank_eval.calls.token_estimate import estimate_tokens
from rerank_eval.calls.types import Body, Endpoint
from rerank_eval.errors import ConfigError, nearest
from rerank_eval.integers import check_integer
from rerank_eval.types import Request, Scores, Usage

_REQUEST: dict[str, Any] = {
    "query": "query",
    "documents": "documents",
    "model": "model",
    "document_text": None,
    "also": {},
}
_RESPONSE: dict[str, Any] = {
    "results": "results",
    "index": "index",
    "score": "relevance_score",
    "input_tokens": None,
    "search_units": None,
}
_MAY_BE_NONE = ("model", "document_text", "input_tokens", "search_units")
_MEANING = {"request": "the name of a field in the body", "response": "where that is in the answer"}
_COUNTED = {"input_token": "input_tokens", "search": "search_units"}
"""Units of the price list by the field of `response` that says where they are told."""


class HttpRerank(AsksThroughCalls):
    """Scores all candidates of a query by one POST, or by as few as the limit on documents allows.

    `request` names the fields of the body: `query`, `documents`, `model` (None: not sent), `document_text` (documents are objects with
    this field; None: they are strings), and `also`, what else is sent as it is. `response` has paths with dots into the answer: `results`
    (empty: the answer is the list), then per result `index` and `score`, and where usage is told, `input_tokens` and `search_units`.
    """

    def __init__(
        self,
        url: str,
        model: str,
        provider: str = "http",
        name: str = "http_rerank",
        api_key_env: str | None = None,
        auth_header: str = "Authorization",
        auth_prefix: str = "Bearer ",
        headers: Mapping[str, str] | None = None,
        request: Mapping[str, Any] | None = None,
        response: Mapping[str, Any] | None = None,
        documents_per_call: int = 1000,
        pointwise: bool = True,
        calls: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the client; nothing is sent. `provider` is the name in the price list.

        Raises:
            MissingExtraError: httpx is not installed.
            ConfigError: the key's environment variable is not set, or a setting is unknown, out of range or holds a key.
        """
        refuse_secrets({"url": url, "auth_prefix": auth_prefix, "headers": headers, "request": request})
        check_integer("documents_per_call", documents_per_call, 1)
        super().__init__()
        self.name = name
        self.pointwise = pointwise
        settings = CallSettings.read(calls)
        self.concurrency = settings.concurrency
        self._request = _merged("request", _REQUEST, request)
        _check_distinct(self._request)
        self._response = _merged("response", _RESPONSE, response)
        self._documents_per_call = documents_per_call
        key = read_key(api_key_env)
        self._headers = {check_header(name, value, "headers"): value for name, value in (headers or {}).items()}
        if len(self._headers) < len(headers or {}):
            raise ConfigError(
                "headers has a name twice, since capitals do not count in it; one would replace the other"
            )
        sent_headers = dict(self._headers)
        if key is not None:
            authorization = f"{auth_prefix}{key.reveal()}"
            sent_headers[check_header(auth_header, authorization, "auth_header, auth_prefix")] = authorization
        address = check_url(url)
        self.endpoint = Endpoint(
            provider=provider,
            model=model,
            url=address,
            send=make_post(address, sent_headers, key),
            read_usage=self._read_usage,
            estimate=self._estimate,
            key=key,
            settings=settings,
            imagine=self._imagine,
            uncounted=("output_token", *(unit for unit, field in _COUNTED.items() if self._response[field] is None)),
            sends_model=self._request["model"] is not None,
            headers=tuple(sorted(self._headers.items())),
        )

    def score(self, request: Request) -> Scores:
        """Return the server's scores."""
        documents = [document.text for document in request.documents]
        make_body = partial(self._make_body, request.query.text)
        return ask_for_scores(
            self._calls, self.endpoint, documents, self._documents_per_call, make_body, self._read_scores
        )

    def identity(self) -> Mapping[str, object]:
        """Return model, address, headers and the form of request and answer; a server does not tell a model's revision."""
        return {
            "model": self.endpoint.model,
            "url": self.endpoint.url,
            "headers": self._headers,
            "request": self._request,
            "response": self._response,
            "documents_per_call": self._documents_per_call,
        }

    def _make_body(self, query: str, documents: Sequence[str]) -> Body:
        field = self._request
        sent = list(documents) if field["document_text"] is None else [{field["document_text"]: t} for t in documents]
        model = {} if field["model"] is None else {field["model"]: self.endpoint.model}
        return {**field["also"], **model, field["query"]: query, field["documents"]: sent}

    def _read_scores(self, num_documents: int, decoded: Any) -> list[float]:
        field = self._response
        rows = find(decoded, field["results"])
        return read_rows(self.endpoint.provider, rows, num_documents, field["index"], field["score"])

    def _read_usage(self, decoded: Any) -> Usage:
        field = self._response
        return Usage(
            calls=1,
            input_tokens=find_count(decoded, field["input_tokens"]),
            search_units=find_count(decoded, field["search_units"]),
        )

    def _estimate(self, body: Body) -> Usage:
        documents, text = body[self._request["documents"]], self._request["document_text"]
        texts = documents if text is None else [document[text] for document in documents]
        query = estimate_tokens(body[self._request["query"]])
        tokens = sum(query + estimate_tokens(text) for text in texts)
        return Usage(calls=1, input_tokens=tokens, search_units=math.ceil(len(texts) / DOCUMENTS_PER_SEARCH))

    def _imagine(self, body: Body) -> Any:
        field = self._response
        count = len(body[self._request["documents"]])
        answer: Any = [{field["index"]: index, field["score"]: -float(index)} for index in range(count)]
        for name in reversed(field["results"].split(".") if field["results"] else ()):
            answer = {name: answer}
        return answer


def _merged(where: str, defaults: Mapping[str, Any], settings: Mapping[str, Any] | None) -> dict[str, Any]:
    for name in settings or {}:
        if name not in defaults:
            raise ConfigError(f"{where} has no setting {name!r}: {nearest(str(name), defaults)}")
    merged = {**defaults, **(settings or {})}
    for name, value in merged.items():
        if name == "also":
            if not isinstance(value, Mapping):
                raise ConfigError(f"{where}.also is {value!r}; it must be a mapping, of what else is sent")
            continue
        may_be_none = name in _MAY_BE_NONE
        if value is None and may_be_none:
            continue
        if not isinstance(value, str) or (not value and name != "results"):
            kind = "a text or null" if may_be_none else "a text"
            raise ConfigError(f"{where}.{name} is {value!r}; it must be {kind}: {_MEANING[where]}")
    return merged


def _check_distinct(request: Mapping[str, Any]) -> None:
    names: dict[str, str] = {}
    for name in ("query", "documents", "model"):
        field = request[name]
        if field in names:
            raise ConfigError(
                f"request.{names[field]} and request.{name} are both {field!r}; one would replace the other"
            )
        if field is not None:
            names[field] = name
    for field in request["also"]:
        if field in names:
            raise ConfigError(
                f"request.also.{field} and request.{names[field]} are one field; one would replace the other"
            )
