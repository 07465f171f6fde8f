"""Each provider's configuration against a server on the loopback that speaks the provider's documented wire format."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.calls.client import ApiClient
from rerank_eval.components import make_component
from rerank_eval.errors import ConfigError, RefusedError
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.store import Store
from tests.conftest import Compose
from tests.fakes import make_request
from tests.fault_server import Behaviour, FaultServer, relevance
from tests.provider_shapes import Body, jina_like, mixedbread, pinecone, tei, vllm, voyage

TEXTS = ["one", "two", "three"]
KEY = "planted-4f1c9d2e7a"


EXPECTED: Mapping[str, tuple[Callable[[Body], Any], str, Body, str | None, tuple[int | None, int | None]]] = {
    "jina": (
        jina_like,
        "https://api.jina.ai/v1/rerank",
        {"model": "jina-reranker-v3", "query": "how", "documents": TEXTS, "return_documents": False},
        "JINA_API_KEY",
        (9, None),
    ),
    "voyage": (
        voyage,
        "https://api.voyageai.com/v1/rerank",
        {"model": "rerank-2.5", "query": "how", "documents": TEXTS, "return_documents": False, "truncation": True},
        "VOYAGE_API_KEY",
        (9, None),
    ),
    "mixedbread": (
        mixedbread,
        "https://api.mixedbread.com/v1/reranking",
        {"model": "mixedbread-ai/mxbai-rerank-large-v2", "query": "how", "input": TEXTS, "return_input": False},
        "MXBAI_API_KEY",
        (9, None),
    ),
    "pinecone": (
        pinecone,
        "https://api.pinecone.io/rerank",
        {
            "model": "bge-reranker-v2-m3",
            "query": "how",
            "documents": [{"text": text} for text in TEXTS],
            "return_documents": False,
            "parameters": {"truncate": "END"},
        },
        "PINECONE_API_KEY",
        (None, 1),
    ),
    "tei": (
        tei,
        "http://localhost:8080/rerank",
        {"query": "how", "texts": TEXTS, "raw_scores": True, "return_text": False, "truncate": True},
        None,
        (None, None),
    ),
    "vllm": (
        vllm,
        "http://localhost:8000/v1/rerank",
        {"model": "some/model", "query": "how", "documents": TEXTS, "truncate_prompt_tokens": -1},
        None,
        (9, None),
    ),
    "infinity": (
        jina_like,
        "http://localhost:7997/rerank",
        {"model": "some/model", "query": "how", "documents": TEXTS, "raw_scores": True, "return_documents": False},
        None,
        (9, None),
    ),
}


@pytest.mark.parametrize("provider", EXPECTED)
def test_each_provider_is_asked_and_understood_in_its_documented_form(
    provider: str, compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, url, body, key_env, (tokens, units) = EXPECTED[provider]
    settings = compose(f"reranker=[{provider}]")["rerankers"][provider]
    assert settings["url"] == url
    assert settings["api_key_env"] == key_env
    if key_env is not None:
        monkeypatch.setenv(key_env, KEY)
    if settings["model"] == "???":
        settings["model"] = "some/model"
    with FaultServer(answer=answer) as server:
        reranker = make_component({**settings, "url": server.url + "/path"}, provider)
        scores = reranker.score(make_request())
    (asked,) = server.asked
    assert asked.path == "/path"
    assert asked.body == body
    assert scores.values == [relevance("how", text) for text in TEXTS]
    assert (scores.usage.calls, scores.usage.input_tokens, scores.usage.search_units) == (1, tokens, units)
    sent = {name: value for name, value in asked.headers.items() if KEY in value}
    header = "api-key" if provider == "pinecone" else "authorization"
    assert sent == ({} if key_env is None else {header: KEY if provider == "pinecone" else f"Bearer {KEY}"})
    assert asked.headers.get("x-pinecone-api-version") == ("2026-07" if provider == "pinecone" else None)


def test_a_server_that_can_be_asked_for_a_key_is_sent_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEI_KEY", KEY)
    with FaultServer() as server:
        HttpRerank(server.url, "m", api_key_env="TEI_KEY").score(make_request())
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_no_limit_of_documents_is_passed_and_the_parts_are_put_together() -> None:
    with FaultServer() as server:
        many = make_request(documents=[(f"d{i}", f"text {i}") for i in range(70)])
        scores = HttpRerank(server.url, "m", documents_per_call=32).score(many)
    assert [len(asked.body["documents"]) for asked in server.asked] == [32, 32, 6]
    assert scores.values == [relevance("how", f"text {i}") for i in range(70)]
    assert scores.usage.calls == 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"request": {"document": "x"}}, "request has no setting 'document': did you mean documents"),
        ({"response": {"rows": "x"}}, "response has no setting 'rows'"),
        ({"documents_per_call": 0}, "documents_per_call is 0"),
        ({"documents_per_call": True}, "documents_per_call is True; it must be an integer of at least 1"),
        ({"api_key_env": KEY}, "must be the name of an environment variable"),
        ({"headers": {"Authorization": f"Bearer {KEY}"}}, "headers.Authorization holds what looks like a key"),
        ({"request": {"also": {"api_key": KEY}}}, "request.also.api_key holds what looks like a key"),
        ({"auth_prefix": f"Bearer {KEY}"}, "auth_prefix holds what looks like a key"),
        ({"headers": {"x a": "b"}}, "headers: 'x a' is no name of an HTTP header"),
        ({"headers": {"x-a": "é"}}, "headers: the value of x-a has a character that no HTTP header can have"),
        ({"headers": {"x-a": "a\r\nx-evil: 1"}}, "headers: the value of x-a has a character"),
        ({"headers": {"x-a": " a"}}, "headers: the value of x-a has .* a blank around it"),
        ({"headers": {"Content-Length": "5"}}, "headers: Content-Length is sent as the body has it"),
        ({"api_key_env": "TEI_KEY", "auth_header": "a b"}, "auth_header.*: 'a b' is no name of an HTTP header"),
        ({"api_key_env": "TEI_KEY", "auth_prefix": "Bearer\n"}, "auth_prefix: the value of Authorization has a char"),
        ({"request": {"documents": "query"}}, "request.query and request.documents are both 'query'"),
        ({"request": {"model": "documents"}}, "request.documents and request.model are both 'documents'"),
        ({"request": {"also": "abc"}}, "request.also is 'abc'; it must be a mapping"),
        ({"request": {"query": None}}, "request.query is None; it must be a text: the name of a field in the body"),
        ({"request": {"document_text": 5}}, "request.document_text is 5; it must be a text or null"),
        ({"response": {"results": 5}}, "response.results is 5; it must be a text: where that is in the answer"),
        ({"response": {"index": None}}, "response.index is None; it must be a text"),
        ({"response": {"score": ""}}, "response.score is ''; it must be a text"),
        ({"response": {"input_tokens": ["usage"]}}, "response.input_tokens is .* must be a text or null"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEI_KEY", KEY)
    with pytest.raises(ConfigError, match=words) as caught:
        HttpRerank("http://localhost", "m", **settings)
    assert KEY not in str(caught.value)


def test_a_path_that_is_not_there_is_not_put_down_to_a_model_whose_name_is_not_sent() -> None:
    with FaultServer(lambda _: Behaviour(404, {"error": "no such path /"})) as server:
        named, unnamed = HttpRerank(server.url, "m"), HttpRerank(server.url, "m", request={"model": None})
        with pytest.raises(RefusedError, match="http has no model 'm' at"):
            named.score(make_request())
        with pytest.raises(RefusedError) as caught:
            unnamed.score(make_request())
    assert f"{caught.value}" == (
        f"http has nothing to ask at {server.url} (404: no such path /); is the path of the address right? Of most servers it ends in /rerank"
    )


def test_another_header_is_another_question(tmp_path: Path) -> None:
    with FaultServer() as server, Store(tmp_path / "s.sqlite") as store:
        for name in ("X-Model", "x-model"):
            for value in "ab":
                HttpRerank(server.url, "m", headers={name: value}).with_calls(ApiClient(store)).score(make_request())
    assert [asked.headers["x-model"] for asked in server.asked] == ["a", "b"]


def test_the_identity_covers_all_that_is_sent() -> None:
    identities = [
        HttpRerank(**{"url": "http://localhost", "model": "m", **change}).identity()  # type: ignore[arg-type]
        for change in (
            {},
            {"model": "n"},
            {"url": "http://localhost/v2"},
            {"request": {"also": {"raw_scores": True}}},
            {"response": {"score": "score"}},
            {"documents_per_call": 5},
            {"headers": {"X-Model": "a"}},
            {"headers": {"X-Model": "b"}},
        )
    ]
    assert len({str(identity) for identity in identities}) == len(identities)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"request": {"also": {"query": "x"}}}, r"request\.also\.query and request\.query are one field"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers has a name twice, since capitals do not count"),
    ],
)
def test_what_would_replace_another_part_of_the_request_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        HttpRerank("http://127.0.0.1:9", "m", **settings)
