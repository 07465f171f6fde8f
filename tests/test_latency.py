"""The clock, and what is inside it (faults.md, row 31)."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import rerank_eval
from rerank_eval.latency import measure_rerankers, measure_retriever, sample_queries, summarise, timed, utc_now
from rerank_eval.types import Query, Request, Scores
from tests.fakes import Broken, FixedRetriever, Hashed, Recorder, make_dataset, make_request

PACKAGE = Path(rerank_eval.__file__).parent
REQUESTS = {depth: [make_request(f"q{i}", documents=[("d", "x")] * depth) for i in range(4)] for depth in (1, 3)}


class Ticking:
    """A clock that only `spend` moves."""

    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now

    def spend(self, nanoseconds: int) -> None:
        self.now += nanoseconds


class Spending(Hashed):
    """Takes 10 ns a document."""

    def __init__(self, clock: Ticking, name: str = "spending") -> None:
        super().__init__(name)
        self.clock = clock

    def score(self, request: Request) -> Scores:
        self.clock.spend(10 * len(request.documents))
        return super().score(request)


@pytest.mark.parametrize("module", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_latency_has_a_clock(module: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported.add(node.module.split(".")[0])
    clocks = imported & {"time", "datetime", "timeit"}
    assert clocks == ({"time", "datetime"} if module.name == "latency.py" else set())


def test_only_the_monotonic_clock_is_ever_read() -> None:
    tree = ast.parse((PACKAGE / "latency.py").read_text(encoding="utf-8"))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    used = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "time"}
    assert used == {"perf_counter_ns"}


def test_timed_returns_the_value_and_what_passed_on_the_clock() -> None:
    clock = Ticking()
    assert timed(lambda: clock.spend(42) or "done", clock) == ("done", 42)  # type: ignore[func-returns-value]
    _, real = timed(lambda: None)
    assert real >= 0


def test_only_score_is_inside_the_clock_and_each_depth_is_measured() -> None:
    clock = Ticking()
    samples, failures = measure_rerankers({"x": Spending(clock)}, REQUESTS, 2, 3, 13, Recorder(), clock)
    assert failures == {"x": 0}
    assert sorted((s.depth, s.nanoseconds) for s in samples) == [(1, 10)] * 12 + [(3, 30)] * 12
    assert [sample.position for sample in samples] == list(range(24))


def test_warm_up_comes_first_at_the_largest_depth_and_is_not_among_the_samples() -> None:
    reranker = Hashed()
    samples, _ = measure_rerankers({"x": reranker}, REQUESTS, 2, 1, 13, Recorder())
    assert reranker.asked[:2] == [("q0", 3), ("q1", 3)]
    assert len(samples) == len(reranker.asked) - 2 == 8


def test_systems_take_turns_on_every_request() -> None:
    names = {"a": Hashed("a"), "b": Hashed("b"), "c": Hashed("c")}
    samples, _ = measure_rerankers(names, REQUESTS, 0, 2, 13, Recorder())
    turns = [samples[start : start + 3] for start in range(0, len(samples), 3)]
    assert all(len({(s.query_id, s.depth) for s in turn}) == 1 for turn in turns)
    assert all({s.system for s in turn} == set(names) for turn in turns)
    assert len({turn[0].system for turn in turns}) == 3


def test_depths_are_mixed_so_that_drift_hits_all_alike() -> None:
    samples, _ = measure_rerankers({"x": Hashed()}, REQUESTS, 0, 1, 13, Recorder())
    depths = [sample.depth for sample in samples]
    assert depths not in (sorted(depths), sorted(depths, reverse=True))


def test_equal_seeds_give_equal_sequences() -> None:
    def sequence(seed: int) -> list[tuple[str, str, int]]:
        samples, _ = measure_rerankers({"a": Hashed(), "b": Hashed()}, REQUESTS, 0, 1, seed, Recorder())
        return [(sample.query_id, sample.system, sample.depth) for sample in samples]

    assert sequence(1) == sequence(1) != sequence(2)


def test_a_failed_call_gives_no_sample_and_is_counted() -> None:
    def fail(_: list[float]) -> Scores:
        raise OSError("gone")

    progress = Recorder()
    samples, failures = measure_rerankers({"x": Broken(fail, ["q1"])}, REQUESTS, 4, 2, 13, progress)
    assert failures == {"x": 4}
    assert {sample.query_id for sample in samples} == {"q0", "q2", "q3"}
    assert [total for _, total in progress.totals] == [progress.steps] == [16]


def test_the_first_stage_is_timed_one_query_at_a_time() -> None:
    dataset = make_dataset()
    asked = []

    class Watching(FixedRetriever):
        def retrieve(self, dataset, depth):  # type: ignore[no-untyped-def]
            asked.append([query.query_id for query in dataset.queries])
            return super().retrieve(dataset, depth)

    samples = measure_retriever(Watching(), dataset, dataset.queries[:2], 10, 2)
    assert asked == [["q000"], ["q001"]] * 2
    assert [(s.query_id, s.system, s.depth) for s in samples] == [("q000", "fixed", 0), ("q001", "fixed", 0)] * 2


def test_a_sample_of_queries_is_seeded_and_has_no_query_twice() -> None:
    queries = {Query(str(i), ""): 10 for i in range(50)}
    drawn = sample_queries(queries, 20, 10, 13)
    assert drawn == sample_queries(queries, 20, 10, 13) != sample_queries(queries, 20, 10, 14)
    assert len(set(drawn)) == 20
    assert sorted(sample_queries(queries, 99, 10, 13)) == sorted(queries)


def test_queries_with_too_few_candidates_are_timed_last_and_those_without_any_never() -> None:
    counts = [0, 3, 100, 50, 50, 7]
    queries = {Query(str(i), ""): count for i, count in enumerate(counts)}
    drawn = [queries[query] for query in sample_queries(queries, 99, 50, 13)]
    assert sorted(drawn[:3]) == [50, 50, 100]
    assert drawn[3:] == [7, 3]


@pytest.mark.parametrize(
    ("count", "p50", "p95"), [(1, False, False), (2, True, False), (19, True, False), (20, True, True)]
)
def test_no_percentile_that_the_samples_cannot_support(count: int, p50: bool, p95: bool) -> None:
    summary = summarise([1_000_000 * (i + 1) for i in range(count)])
    assert summary is not None
    assert (summary.count, summary.p50 is not None, summary.p95 is not None) == (count, p50, p95)
    assert summary.mean_ms == pytest.approx((count + 1) / 2)


def test_percentiles_lie_inside_their_intervals() -> None:
    nanoseconds = [int(n) for n in np.random.default_rng(1).lognormal(15, 1, 200)]
    summary = summarise(nanoseconds)
    assert summary is not None
    for percentile, percent in ((summary.p50, 50), (summary.p95, 95)):
        assert percentile is not None
        assert percentile.value_ms == pytest.approx(np.percentile(nanoseconds, percent) / 1e6)
        assert percentile.low_ms < percentile.value_ms < percentile.high_ms


def test_no_samples_give_no_summary() -> None:
    assert summarise([]) is None


def test_the_time_of_day_is_utc_to_the_second() -> None:
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", utc_now())
