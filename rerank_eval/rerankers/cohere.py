"""Cohere Rerank, through Cohere's own SDK: https://docs.cohere.com/reference/rerank (v2)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rerank_eval.calls.asking import AsksThroughCalls
from rerank_eval.calls.json_paths import find, find_count
from rerank_eval.calls.keys import ApiKey, check_url
from rerank_eval.calls.rerank_answers import DOCUMENTS_PER_SEARCH, ask_for_scores, read_rows
from rerank_eval.calls.sending import Wire
from rerank_eval.calls.settings import CallSettings
from rerank_eval.calls.token_estimate import estimate_tokens
from rerank_eval.calls.types import Body, Endpoint, Reply
from rerank_eval.errors import ConfigError, MissingExtraError
from rerank_eval.integers import check_integer
from rerank_eval.types import Request, Scores, Usage

_TOKENS_PER_DOCUMENT = 500
"""A document that is longer counts once per 500 tokens of it and the query; Pinecone says so of Cohere's models there, Cohere's own pages that
could be opened do not (https://docs.pinecone.io/models/cohere-rerank-4-fast, read on 2026-11-23)."""
_MOST_DOCUMENTS = 10_000


class Cohere(AsksThroughCalls):
    """Scores all candidates of a query by one call, or by as few as the limit on documents allows; scores are between 0 and 1.

    The SDK's own retries are off: `calls` says how often and how fast it is asked. What it answers is checked, which the SDK does not do.
    """

    def __init__(
        self,
        model: str,
        name: str = "cohere",
        base_url: str = "https://api.cohere.com",
        api_key_env: str = "COHERE_API_KEY",
        max_tokens_per_doc: int = 4096,
        documents_per_call: int = 1000,
        pointwise: bool = True,
        calls: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the client; nothing is sent. `pointwise` says of the model that a score does not depend on the other candidates.

        Raises:
            MissingExtraError: cohere is not installed.
            ConfigError: the key's environment variable is not set, or a setting is out of range.
        """
        check_integer("max_tokens_per_doc", max_tokens_per_doc, 1)
        check_integer("documents_per_call", documents_per_call, 1)
        if documents_per_call > _MOST_DOCUMENTS:
            raise ConfigError(f"documents_per_call is {documents_per_call}; it must be at most {_MOST_DOCUMENTS}")
        super().__init__()
        self.name = name
        self.pointwise = pointwise
        settings = CallSettings.read(calls)
        self.concurrency = settings.concurrency
        self._max_tokens_per_doc = max_tokens_per_doc
        self._documents_per_call = documents_per_call
        key = ApiKey(api_key_env)
        url = check_url(base_url, "base_url").rstrip("/")
        sender = _Sender(url, key)
        self.endpoint = Endpoint(
            provider="cohere",
            model=model,
            url=f"{url}/v2/rerank",
            send=sender.send,
            read_usage=_read_usage,
            estimate=_estimate,
            key=key,
            settings=settings,
            imagine=_imagine,
        )

    def score(self, request: Request) -> Scores:
        """Return Cohere's relevance scores."""

        def make_body(documents: Sequence[str]) -> Body:
            return {
                "model": self.endpoint.model,
                "query": request.query.text,
                "documents": list(documents),
                "max_tokens_per_doc": self._max_tokens_per_doc,
            }

        documents = [document.text for document in request.documents]
        return ask_for_scores(self._calls, self.endpoint, documents, self._documents_per_call, make_body, _read_scores)

    def identity(self) -> Mapping[str, object]:
        """Return model, address and what is sent with every call; the provider does not tell a model's revision."""
        return {
            "model": self.endpoint.model,
            "url": self.endpoint.url,
            "max_tokens_per_doc": self._max_tokens_per_doc,
            "documents_per_call": self._documents_per_call,
        }


class _Sender:
    """Sends a body through the SDK, once."""

    def __init__(self, base_url: str, key: ApiKey) -> None:
        try:
            import cohere
            import httpx
        except ImportError as error:
            raise MissingExtraError(error.name or "cohere", "cohere") from error
        self._wire = Wire(httpx, key)
        self._client = cohere.ClientV2(
            api_key=key.reveal(),
            base_url=base_url,
            max_retries=0,
            httpx_client=self._wire.client,
            log_warning_experimental_features=False,
        )

    def send(self, body: Body, timeout_s: float) -> Reply:
        return self._wire.exchange(
            lambda: self._client.rerank(**body, request_options={"timeout": timeout_s, "max_retries": 0}), timeout_s
        )


def _read_scores(num_documents: int, decoded: Any) -> list[float]:
    return read_rows("cohere", find(decoded, "results"), num_documents, "index", "relevance_score")


def _read_usage(decoded: Any) -> Usage:
    units = "meta.billed_units"
    return Usage(
        calls=1,
        input_tokens=find_count(decoded, f"{units}.input_tokens"),
        output_tokens=find_count(decoded, f"{units}.output_tokens"),
        search_units=find_count(decoded, f"{units}.search_units"),
        cached_tokens=find_count(decoded, "meta.cached_tokens"),
    )


def _estimate(body: Body) -> Usage:
    query = estimate_tokens(body["query"])
    lengths = [query + min(estimate_tokens(text), body["max_tokens_per_doc"]) for text in body["documents"]]
    chunks = sum(math.ceil(max(length, 1) / _TOKENS_PER_DOCUMENT) for length in lengths)
    return Usage(
        calls=1, input_tokens=sum(lengths), output_tokens=0, search_units=math.ceil(chunks / DOCUMENTS_PER_SEARCH)
    )


def _imagine(body: Body) -> Any:
    return {"results": [{"index": index, "relevance_score": -float(index)} for index in range(len(body["documents"]))]}
