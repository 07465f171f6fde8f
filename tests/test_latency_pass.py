"""The latency pass of a whole evaluation."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rerank_eval.protocols import Reranker
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.runner import EvaluationInterrupted, evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, Request, Run, Scores
from tests.fakes import FixedRetriever, Hashed, make_dataset

DATASET = make_dataset()
SETTINGS = Settings(depths=(2, 5, 12), measures=("nDCG@10", "R@5"))


def evaluated(
    *rerankers: Reranker,
    retriever: FixedRetriever | None = None,
    store_path: Path | None = None,
    queries: int = 3,
    repetitions: int = 1,
    warmup: int = 0,
) -> ExperimentResult:
    latency = LatencySettings(queries=queries, repetitions=repetitions, warmup=warmup)
    settings = replace(SETTINGS, latency=latency, store_path=store_path)
    return evaluate(DATASET, retriever or FixedRetriever(), rerankers, settings)


class Later(Hashed):
    """Answers the quality pass, and calls `act` before it answers the call after `calls` more."""

    def __init__(self, act: Callable[[Scores], Scores], calls: int = 0) -> None:
        super().__init__()
        self.act = act
        self.calls = calls

    def score(self, request: Request) -> Scores:
        scores = super().score(request)
        return self.act(scores) if len(self.asked) > len(DATASET.queries) + self.calls else scores


class InterruptedRetriever(FixedRetriever):
    """Answers four calls, the first of which is that of the quality pass; then Ctrl-C comes."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        self.calls += 1
        if self.calls > 4:
            raise KeyboardInterrupt
        return super().retrieve(dataset, depth)


def time_out(_: Scores) -> Scores:
    raise TimeoutError("too late")


def interrupt(_: Scores) -> Scores:
    raise KeyboardInterrupt


def test_latency_is_measured_at_each_depth_and_never_from_the_store(tmp_path: Path) -> None:
    store_path = tmp_path / "s.sqlite"
    evaluated(Hashed(), store_path=store_path)
    reranker = Hashed()
    result = evaluated(reranker, store_path=store_path, queries=3, repetitions=2, warmup=1)
    timed = sorted(reranker.asked)
    assert len(timed) == 1 + 3 * 2 * 3
    assert {depth for _, depth in timed} == {2, 5, 12}
    for depth in result.systems[0].depths[1:]:
        assert depth.latency is not None
        assert (depth.latency["count"], depth.latency["source"]) == (6, "measured")
    assert len([sample for sample in result.latency if sample.system == "hashed"]) == 18


@pytest.mark.parametrize("warmup", [0, 3])
@pytest.mark.parametrize("repetitions", [1, 3])
def test_the_first_stage_has_a_sample_for_every_one_of_the_reranker(warmup: int, repetitions: int) -> None:
    result = evaluated(Hashed(), queries=4, repetitions=repetitions, warmup=warmup)
    first_stage = [(sample.query_id, sample.repetition) for sample in result.latency if sample.depth == 0]
    assert len(first_stage) == len(set(first_stage)) == 4 * repetitions
    assert result.systems[0].depths[0].total_latency == result.retriever["latency"]
    for depth in result.systems[0].depths[1:]:
        own = [(sample.query_id, sample.repetition) for sample in result.latency if sample.depth == depth.depth]
        assert sorted(own) == sorted(first_stage)
        assert depth.latency is not None
        assert depth.total_latency is not None
        assert depth.total_latency["count"] == depth.latency["count"] == 4 * repetitions


def test_a_recorded_run_has_no_latency_and_so_no_sum_with_it() -> None:
    recorded = FixedRetriever()
    recorded.searches = False
    result = evaluated(Hashed(), retriever=recorded)
    assert result.retriever["latency"] is None
    assert [depth.total_latency for depth in result.systems[0].depths] == [None] * 4
    assert all(depth.latency is not None for depth in result.systems[0].depths[1:])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (time_out, r"hashed failed on query q00.: TimeoutError: too late \(test_latency_pass.py:[0-9]+\)$"),
        (
            lambda scores: replace(scores, values=[float("nan"), *scores.values[1:]]),
            "hashed returned NaN for query q00",
        ),
        (lambda scores: Scores(scores.values[1:]), "hashed returned . scores for the . documents of query q00"),
    ],
)
def test_a_failure_in_the_latency_pass_is_a_warning(act: Callable[[Scores], Scores], message: str) -> None:
    result = evaluated(Later(act), queries=2)
    assert result.status == "complete"
    assert result.failures == []
    (warning,) = [warning for warning in result.warnings if "latency pass" in warning]
    expected = "hashed: 6 calls of the latency pass failed and are not among its samples; first: "
    assert re.match(re.escape(expected) + message, warning)
    assert result.systems[0].depths[1].latency is None
    assert {sample.system for sample in result.latency} == {"fixed"}


def test_an_interrupt_while_rerankers_are_timed_keeps_the_samples_so_far() -> None:
    with pytest.raises(EvaluationInterrupted) as caught:
        evaluated(Later(interrupt, calls=5), queries=4)
    result = caught.value.result
    assert result.status == "incomplete"
    assert [sample.position for sample in result.latency if sample.system == "hashed"] == [0, 1, 2, 3, 4]
    assert len([sample for sample in result.latency if sample.system == "fixed"]) == 4
    assert sum(depth.latency is not None for depth in result.systems[0].depths) >= 1
    assert all(depth.measures["R@5"].num_queries == len(DATASET.queries) for depth in result.systems[0].depths)


def test_an_interrupt_while_the_first_stage_is_timed_keeps_the_samples_so_far() -> None:
    with pytest.raises(EvaluationInterrupted) as caught:
        evaluated(Hashed(), retriever=InterruptedRetriever(), queries=4)
    result = caught.value.result
    assert [(sample.system, sample.position) for sample in result.latency] == [("fixed", 0), ("fixed", 1), ("fixed", 2)]
    assert [depth.measures["R@5"].num_queries for depth in result.systems[0].depths] == [len(DATASET.queries)] * 4
