"""The quality pass: what is asked how often, and what a wrong answer (NaN, no number, too few scores) does."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rerank_eval.candidates import make_request
from rerank_eval.evaluation.quality import CHUNK, Answers, answer_queries
from rerank_eval.evaluation.systems import System
from rerank_eval.protocols import Reranker
from rerank_eval.store import Store
from rerank_eval.types import Dataset, Query, Request, Scores, Usage
from tests.fakes import Batched, Broken, FixedRetriever, Hashed, Recorder, make_dataset

DATASET = make_dataset(num_queries=CHUNK + 4)


def answered(
    reranker: Reranker, depths: tuple[int, ...] = (5,), store: Store | None = None, dataset: Dataset = DATASET
) -> Answers:
    run = FixedRetriever().retrieve(dataset, 100)

    def request(query: Query, depth: int) -> Request:
        return make_request(query, run[query.query_id], depth, dataset.corpus)

    answers = Answers(depths)
    answer_queries(System(reranker.name, reranker), dataset.queries, request, store, Recorder(), answers, 1.0)
    return answers


def beginning_with(value: Any) -> Callable[[list[Any]], Scores]:
    return lambda values: Scores([value, *values[1:]])


def raised(_: list[Any]) -> Scores:
    raise ZeroDivisionError("no luck")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (beginning_with(float("nan")), "broken returned NaN for query q001, document d005"),
        (lambda v: Scores(np.array([np.nan, *v[1:]])), "broken returned NaN for query q001, document d005"),  # type: ignore[arg-type]
        (lambda v: Scores([*v[:-1], float("inf")]), "broken returned inf for query q001, document d009"),
        (lambda v: Scores([v[0], float("-inf"), *v[2:]]), "broken returned -inf for query q001, document d006"),
        (beginning_with(None), "broken returned None for query q001, document d005"),
        (beginning_with("0.5"), "broken returned '0.5' for query q001, document d005"),
        (beginning_with(True), "broken returned True for query q001, document d005"),
        (lambda v: Scores(v[:-1]), "broken returned 4 scores for the 5 documents of query q001"),
        (lambda v: Scores([*v, 1.0]), "broken returned 6 scores for the 5 documents of query q001"),
        (lambda _: Scores([]), "broken returned 0 scores for the 5 documents of query q001"),
        (lambda v: Scores(v, Usage(), [True]), "broken returned 1 truncation marks for query q001"),
        (lambda v: v, "broken returned list for query q001 instead of Scores"),
        (lambda _: None, "broken returned NoneType for query q001 instead of Scores"),
        (
            raised,
            f"broken failed on query q001: ZeroDivisionError: no luck (test_quality.py:{raised.__code__.co_firstlineno + 1})",
        ),
    ],
)
def test_a_wrong_answer_fails_that_query_and_is_named(answer: Callable[[list[Any]], Any], message: str) -> None:
    answers = answered(Broken(answer))
    assert [failure.message for failure in answers.failures] == [message]
    assert [(failure.query_id, failure.depth) for failure in answers.failures] == [("q001", 5)]
    assert answers.at(5, "q001") is None
    assert len(answers.scores) == len(DATASET.queries) - 1


def test_a_failed_query_is_not_kept_and_is_asked_again(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        answered(Broken(raised, name="x"), store=store)
        again = Broken(lambda values: Scores(values), name="x")
        answers = answered(again, store=store)
    assert [query_id for query_id, _ in again.asked] == ["q001"]
    assert answers.failures == []


def test_a_finished_answer_is_never_asked_twice(tmp_path: Path) -> None:
    first, second = Hashed(), Hashed()
    with Store(tmp_path / "s.sqlite") as store:
        fresh = answered(first, store=store)
        kept = answered(second, store=store)
    assert len(first.asked) == len(DATASET.queries)
    assert second.asked == []
    assert kept.scores == fresh.scores
    assert (fresh.num_resumed, kept.num_resumed) == (0, len(DATASET.queries))


@pytest.mark.parametrize("changed", [Hashed(revision="r2"), Hashed(bias=1.0), Hashed(pointwise=False)])
def test_a_changed_reranker_is_asked_anew(tmp_path: Path, changed: Hashed) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        answered(Hashed(), store=store)
        answered(changed, store=store)
    assert len(changed.asked) == len(DATASET.queries)


def test_a_changed_text_is_asked_anew(tmp_path: Path) -> None:
    edited = replace(DATASET, queries=(Query("q000", "another question"), *DATASET.queries[1:]))
    reranker = Hashed()
    with Store(tmp_path / "s.sqlite") as store:
        answered(Hashed(), store=store)
        answered(reranker, store=store, dataset=edited)
    assert [query_id for query_id, _ in reranker.asked] == ["q000"]


def test_a_reranker_of_unknown_identity_is_never_reused(tmp_path: Path) -> None:
    class Unknown:
        name, pointwise, concurrency = "unknown", True, 1

        def score(self, request: Request) -> Scores:
            return Scores([0.0] * len(request.documents))

    with Store(tmp_path / "s.sqlite") as store:
        answered(Unknown(), store=store)
        assert answered(Unknown(), store=store).num_resumed == 0


def test_a_listwise_reranker_is_asked_at_each_depth() -> None:
    reranker = Hashed(pointwise=False)
    answers = answered(reranker, depths=(2, 5))
    assert sorted(reranker.asked) == sorted((query.query_id, depth) for query in DATASET.queries for depth in (2, 5))
    assert [len(scores.values) for depth in (2, 5) if (scores := answers.at(depth, "q003"))] == [2, 5]


def test_the_head_of_a_deep_answer_serves_smaller_depths() -> None:
    answers = answered(Hashed(), depths=(5,))
    deep = answers.at(5, "q003")
    shallow = answers.at(2, "q003")
    assert deep is not None
    assert shallow is not None
    assert shallow.values == deep.values[:2]
    assert shallow.truncated == [False, False]
    assert answers.at(100, "q003") == deep


def test_several_requests_in_flight_give_the_same_answers() -> None:
    assert answered(Hashed(concurrency=4)).scores == answered(Hashed()).scores


def test_batches_give_the_same_answers_in_fixed_chunks() -> None:
    reranker = Batched()
    assert answered(reranker).scores == answered(Hashed()).scores
    assert reranker.batches == [CHUNK, 4]
    assert reranker.asked == []


@pytest.mark.parametrize(
    "spoil",
    [lambda scores: scores[:-1], lambda scores: [Scores([float("nan")] * 5), *scores[1:]]],
    ids=["one missing", "one wrong"],
)
def test_after_a_wrong_batch_each_query_is_asked_alone(spoil: Callable[[list[Scores]], list[Scores]]) -> None:
    reranker = Batched(spoil=spoil)
    answers = answered(reranker)
    assert answers.failures == []
    assert answers.scores == answered(Hashed()).scores
    assert len(answers.batch_failures) == len(reranker.batches) == 2


def test_a_query_without_candidates_is_answered_without_asking() -> None:
    reranker, answers = Hashed(), Answers((5,))
    query = Query("q000", "how")
    answer_queries(System("x", reranker), [query], lambda query, _: Request(query, ()), None, Recorder(), answers, 1.0)
    assert reranker.asked == []
    assert answers.at(5, "q000") == Scores([])


def test_an_interrupt_keeps_what_was_finished(tmp_path: Path) -> None:
    def interrupt(_: list[Any]) -> Scores:
        raise KeyboardInterrupt

    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(KeyboardInterrupt):
            answered(Broken(interrupt, bad=["q007"], name="x"), store=store)
        resumed = Broken(lambda values: Scores(values), bad=["q007"], name="x")
        answers = answered(resumed, store=store)
    assert answers.num_resumed == 7
    assert [query_id for query_id, _ in resumed.asked] == [query.query_id for query in DATASET.queries[7:]]


class InterruptedAt(Hashed):
    """Ctrl-C inside its eleventh request, once ten are stored; later requests are in flight until then."""

    def __init__(self, stored: threading.Event) -> None:
        super().__init__("x", concurrency=4)
        self.stored = stored
        self.interrupted = threading.Event()
        self.turn = threading.Lock()
        self.first: list[str] = []

    def score(self, request: Request) -> Scores:
        with self.turn:
            self.first.append(request.query.query_id)
            number = len(self.first)
        if number == 11:
            assert self.stored.wait(30)
            self.interrupted.set()
            raise KeyboardInterrupt
        if number > 11:
            assert self.interrupted.wait(30)
        return super().score(request)


class Announcing(Recorder):
    """Sets an event after ten answers; raises where Ctrl-C is to come in the main thread."""

    def __init__(self, stored: threading.Event, interrupt_after: int = 0) -> None:
        super().__init__()
        self.stored = stored
        self.interrupt_after = interrupt_after

    def advance(self, steps: int = 1) -> None:
        super().advance(steps)
        if self.steps >= 10:
            self.stored.set()
        if self.steps == self.interrupt_after:
            raise KeyboardInterrupt


def make_request_of(query: Query, depth: int) -> Request:
    ranking = FixedRetriever().retrieve(DATASET.only(query), 100)[query.query_id]
    return make_request(query, ranking, depth, DATASET.corpus)


def test_an_interrupt_with_several_in_flight_keeps_what_was_finished(tmp_path: Path) -> None:
    stored = threading.Event()
    reranker, answers = InterruptedAt(stored), Answers((5,))
    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(KeyboardInterrupt):
            answer_queries(
                System("x", reranker), DATASET.queries, make_request_of, store, Announcing(stored), answers, 1.0
            )
        finished = {query_id for _, query_id in answers.scores}
        assert set(reranker.first[:10]) <= finished
        assert reranker.first[10] not in finished
        again = InterruptedAt(stored)  # of the same class, which is part of the key
        again.first = [""] * 11  # past its interrupt
        again.interrupted.set()
        found = Answers((5,))
        answer_queries(System("x", again), DATASET.queries, make_request_of, store, Recorder(), found, 1.0)
    assert {query_id for _, query_id in found.reused} == finished
    assert sorted(again.first[11:]) == sorted({query.query_id for query in DATASET.queries} - finished)
    assert found.scores == answered(Hashed()).scores


def test_an_interrupt_of_the_main_thread_keeps_what_was_counted(tmp_path: Path) -> None:
    progress, answers = Announcing(threading.Event(), interrupt_after=11), Answers((5,))
    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(KeyboardInterrupt):
            answer_queries(
                System("x", Hashed("x", concurrency=4)), DATASET.queries, make_request_of, store, progress, answers, 1.0
            )
        resumed = Hashed("x")
        found = answered(resumed, store=store)
    assert len(answers.scores) == found.num_resumed == 11
    assert len(resumed.asked) == len(DATASET.queries) - 11
