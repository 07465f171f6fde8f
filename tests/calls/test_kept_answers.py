"""An answer that was kept: its usage as the endpoint reads it now, and asked for once in a run without a store."""

from pathlib import Path
from typing import Any

import pytest

from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.dry_calls import DryCalls
from rerank_eval.calls.estimates import Estimates
from rerank_eval.calls.kept_answers import AnswersInMemory, encode_batch
from rerank_eval.calls.prices import Prices
from rerank_eval.calls.types import Reply, call_key
from rerank_eval.errors import RerankerError
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.runner import evaluate
from rerank_eval.store import Store
from tests.calls.test_client import OK, Sender, accept, make_endpoint
from tests.evaluation.api_runs import settings_for
from tests.fakes import FixedRetriever, make_dataset, make_request
from tests.fault_server import Asked, Behaviour, FaultServer, rerank_answer


def counting(asked: Asked) -> Behaviour:
    return Behaviour(content=rerank_answer(asked.body) | {"usage": {"chars": 900, "tokens": 100}})


def test_usage_is_read_again_where_the_setting_says_now(tmp_path: Path) -> None:
    with FaultServer(counting) as server, Store(tmp_path / "s.sqlite") as store:

        def scored(path: str) -> tuple[int | None, float | None]:
            reranker = HttpRerank(server.url, "m", response={"input_tokens": path}).with_calls(ApiClient(store))
            tokens = reranker.score(make_request()).usage.input_tokens
            return tokens, Estimates(store).factor(reranker.endpoint)

        (wrong, wrong_factor), (right, right_factor) = scored("usage.chars"), scored("usage.tokens")
    assert (wrong, right) == (900, 100)
    assert wrong_factor is not None
    assert right_factor == pytest.approx(wrong_factor / 9)
    assert len(server.asked) == 1


def test_the_retries_of_a_kept_answer_stay_known(tmp_path: Path) -> None:
    sender = Sender(Reply(500, {}, b"", 1), OK)
    with Store(tmp_path / "s.sqlite") as store:
        for _ in range(2):
            assert ApiClient(store).ask(make_endpoint(sender), {"q": "x"}, accept).usage.retries == 1


def test_without_a_store_a_run_asks_a_question_once(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, depths=(40, 50, 60), store_path=None)
    with FaultServer() as server:
        for num_runs in (1, 2):
            evaluate(make_dataset(), FixedRetriever(), [HttpRerank(server.url, "m", pointwise=False)], settings)
            assert len(server.asked) == 6 * num_runs


def test_what_is_kept_in_memory_can_be_dropped() -> None:
    kept = AnswersInMemory()
    kept.put_calls("p", "m", {"a": "1", "b": "2"})
    kept.put_call("c", "p", "m", "3")
    kept.drop_calls(["a", "unknown"])
    assert [kept.get_call(key) for key in "abc"] == [None, "2", "3"]


def test_a_dry_run_counts_a_kept_answer_that_cannot_be_used_as_asked_anew(tmp_path: Path) -> None:
    """A batch's answers are kept as they come, also those that fail their query."""
    endpoint = make_endpoint(Sender(OK))

    def refuse(decoded: Any) -> None:
        if decoded:
            raise RerankerError("of no use")

    with Store(tmp_path / "s.sqlite") as store:
        for q in "ab":
            ApiClient(store).ask(endpoint, {"q": q}, accept)
        store.put_call(call_key(endpoint, {"q": "b"}, 0), "p", "m", encode_batch("batch_1"))
        calls = DryCalls(store, Prices())
        for q in "ab":
            with pytest.raises(RerankerError):  # nothing is imagined
                calls.ask(endpoint, {"q": q}, refuse)
        asked = calls.take()
    assert (asked.num_kept, asked.usage.calls) == (1, 1)
