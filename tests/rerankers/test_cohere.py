"""Cohere's real SDK against a server on the loopback that speaks its documented wire format."""

from typing import Any

import pytest

from rerank_eval.components import make_component
from rerank_eval.errors import ConfigError
from rerank_eval.evaluation.systems import make_systems
from rerank_eval.rerankers.cohere import Cohere
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from tests.conftest import Compose
from tests.fakes import FixedRetriever, make_dataset, make_request
from tests.fault_server import Behaviour, FaultServer, relevance, rerank_answer


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHERE_API_KEY", "co-planted-4f1c9d2e7a")


def documents(count: int) -> list[tuple[str, str]]:
    return [(f"d{i}", f"text {i}") for i in range(count)]


def test_it_asks_once_per_query_in_the_documented_form() -> None:
    with FaultServer() as server:
        scores = Cohere("rerank-v3.5", base_url=f"{server.url}/", max_tokens_per_doc=512).score(make_request())
    (asked,) = server.asked
    assert asked.path == "/v2/rerank"
    assert asked.headers["authorization"] == "Bearer co-planted-4f1c9d2e7a"
    assert asked.body == {
        "model": "rerank-v3.5",
        "query": "how",
        "documents": ["one", "two", "three"],
        "max_tokens_per_doc": 512,
    }
    assert scores.values == [relevance("how", text) for text in ("one", "two", "three")]
    assert (scores.usage.calls, scores.usage.search_units, scores.usage.input_tokens) == (1, 1, None)
    assert scores.truncated is None
    assert len(scores.calls) == 1


def test_more_documents_than_a_call_takes_are_split_merged_and_counted() -> None:
    with FaultServer() as server:
        scores = Cohere("rerank-v3.5", base_url=server.url, documents_per_call=4).score(
            make_request(documents=documents(10))
        )
    assert [len(asked.body["documents"]) for asked in server.asked] == [4, 4, 2]
    assert scores.values == [relevance("how", f"text {i}") for i in range(10)]
    assert (scores.usage.calls, scores.usage.search_units) == (3, 3)
    assert len(scores.calls) == 3


def test_tokens_are_read_where_a_model_is_billed_by_them() -> None:
    def answer(body: Any) -> Any:
        billed = {"billed_units": {"input_tokens": 41.0, "output_tokens": 0.0}, "cached_tokens": 3}
        return {**rerank_answer(body), "meta": billed}

    with FaultServer(answer=answer) as server:
        usage = Cohere("rerank-v5.0-pro", base_url=server.url).score(make_request()).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.search_units) == (41, 0, 3, None)


def test_it_asks_nothing_for_no_documents() -> None:
    with FaultServer() as server:
        cohere = Cohere("rerank-v3.5", base_url=server.url)
        assert cohere.score(make_request()._replace(documents=())).values == []
    assert server.asked == []


def test_unusual_texts_arrive_as_they_are() -> None:
    texts = ["", "  \n", "nul \0 here, שלום, e\u0301, 😀", '"quotes" \\ </script>', "\u2028\ufffd"]
    with FaultServer() as server:
        scores = Cohere("rerank-v3.5", base_url=server.url).score(
            make_request(documents=[(f"d{i}", text) for i, text in enumerate(texts)])
        )
    assert server.asked[0].body["documents"] == texts
    assert scores.values == [relevance("how", text) for text in texts]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_tokens_per_doc": 0}, "max_tokens_per_doc is 0"),
        ({"max_tokens_per_doc": "512"}, "max_tokens_per_doc is '512'; it must be an integer of at least 1"),
        ({"documents_per_call": 0}, "documents_per_call is 0"),
        ({"documents_per_call": 2.5}, r"documents_per_call is 2\.5; it must be an integer of at least 1"),
        ({"documents_per_call": 10_001}, "documents_per_call is 10001"),
        ({"base_url": "api.cohere.com"}, "base_url is 'api.cohere.com'"),
        ({"api_key_env": "UNSET_KEY_OF_NOBODY"}, "UNSET_KEY_OF_NOBODY is not set"),
        ({"calls": {"timeout": 1}}, "calls has no setting 'timeout': did you mean timeout_s"),
        ({"calls": {"timeout_s": 0}}, r"calls\.timeout_s is 0"),
        ({"calls": {"attempts": 2.5}}, r"calls\.attempts is 2\.5; it must be an integer"),
        ({"calls": {"concurrency": True}}, r"calls\.concurrency is True"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_sent(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Cohere("rerank-v3.5", **settings)


def test_it_is_a_reranker_whose_identity_has_no_key() -> None:
    cohere = Cohere("rerank-v3.5", calls={"concurrency": 7})
    (system,) = make_systems([cohere])
    assert (system.reranker.concurrency, system.reranker.pointwise) == (7, True)
    assert system.fingerprint is not None
    assert system.fingerprint != make_systems([Cohere("rerank-v4.0-pro")])[0].fingerprint
    assert "planted" not in str(cohere.identity())


def test_a_model_that_may_read_the_candidates_together_is_asked_at_each_depth() -> None:
    settings = Settings(depths=(2, 5), latency=LatencySettings(queries=0))
    for pointwise, asked in ((True, [5]), (False, [2, 5])):
        with FaultServer() as server:
            cohere = Cohere("rerank-v5.0-pro", base_url=server.url, pointwise=pointwise)
            evaluate(make_dataset(1), FixedRetriever(), [cohere], settings)
        assert [len(request.body["documents"]) for request in server.asked] == asked


@pytest.mark.parametrize(
    ("choice", "pointwise"), [("cohere_english_v3", True), ("cohere_v4_pro", True), ("cohere_v5_fast", False)]
)
def test_a_choice_is_pointwise_where_cohere_says_so(choice: str, pointwise: bool, compose: Compose) -> None:
    reranker = make_component(compose(f"reranker=[{choice}]")["rerankers"][choice], choice)
    assert reranker.pointwise is pointwise


def test_the_sdk_does_not_retry_by_itself() -> None:
    with FaultServer(lambda asked: Behaviour(503, {})) as server:
        cohere = Cohere("rerank-v3.5", base_url=server.url, calls={"attempts": 1})
        with pytest.raises(Exception, match="1 attempts"):
            cohere.score(make_request())
    assert len(server.asked) == 1
