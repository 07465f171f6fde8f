"""The clock, which a change of the time of day does not move, and what is inside it."""

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

import rerank_eval
from rerank_eval.latency import (
    LatencyFailure,
    LatencySample,
    measure_rerankers,
    measure_retriever,
    sample_queries,
    timed,
)
from rerank_eval.protocols import Progress, Reranker
from rerank_eval.types import Dataset, Query, Request, Run, Scores
from tests.fakes import Broken, FixedRetriever, Hashed, Recorder, make_dataset, make_request

K = TypeVar("K")
T = TypeVar("T")
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


class SlowList(Sequence[T]):
    """A sequence that takes 1000 ns whenever it is read."""

    def __init__(self, items: Iterable[T], clock: Ticking) -> None:
        self.items = list(items)
        self.clock = clock

    def __len__(self) -> int:
        self.clock.spend(1000)
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        self.clock.spend(1000)
        return self.items[index]


class SlowMap(dict[K, T]):
    """A mapping that takes 1000 ns whenever it is read."""

    clock = Ticking()

    def __getitem__(self, key: K) -> T:
        self.clock.spend(1000)
        return super().__getitem__(key)


class SlowProgress(Recorder):
    """A progress that takes 1000 ns for every report."""

    def __init__(self, clock: Ticking) -> None:
        super().__init__()
        self.clock = clock

    def advance(self, steps: int = 1) -> None:
        self.clock.spend(1000)
        super().advance(steps)


class Spending(Hashed):
    """Takes 10 ns a document; its answer takes long to read."""

    def __init__(self, clock: Ticking, name: str = "spending") -> None:
        super().__init__(name)
        self.clock = clock

    def score(self, request: Request) -> Scores:
        values = super().score(request).values
        self.clock.spend(10 * len(request.documents))
        return Scores(values, truncated=SlowList([False] * len(values), self.clock))


class Lazy(Spending):
    """Computes its values only when they are read, like a tensor on an accelerator."""

    def score(self, request: Request) -> Scores:
        return Scores(SlowList(super().score(request).values, self.clock))


class SlowDataset(Dataset):
    """A dataset that takes long to be cut down to one query."""

    clock = Ticking()

    def only(self, query: Query) -> Dataset:
        self.clock.spend(1000)
        return super().only(query)


def measured(
    rerankers: dict[str, Reranker],
    warmup: int = 0,
    repetitions: int = 1,
    seed: int = 13,
    progress: Progress | None = None,
) -> tuple[list[LatencySample], list[LatencyFailure]]:
    """Time the rerankers on REQUESTS."""
    found = list(
        measure_rerankers(
            rerankers,
            REQUESTS,
            warmup=warmup,
            repetitions=repetitions,
            seed=seed,
            progress=progress or Recorder(),
        )
    )
    samples = [outcome for outcome in found if isinstance(outcome, LatencySample)]
    return samples, [outcome for outcome in found if isinstance(outcome, LatencyFailure)]


@pytest.mark.parametrize("module", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_latency_and_clock_read_the_time(module: Path) -> None:
    """Elsewhere a `datetime` may be read from text, but never the time from a clock."""
    imported, called = set(), set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported.add(node.module.split(".")[0])
        elif isinstance(node, ast.Attribute):
            called.add(node.attr)
    clocks = (imported & {"time", "timeit"}) | (called & {"now", "utcnow", "today"})
    assert clocks == {"latency.py": {"time"}, "clock.py": {"time", "now"}}.get(str(module.relative_to(PACKAGE)), set())


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
    rerankers: SlowMap[str, Reranker] = SlowMap(x=Spending(clock))
    requests = {depth: SlowList(asked, clock) for depth, asked in REQUESTS.items()}
    rerankers.clock = clock
    samples = []
    for outcome in measure_rerankers(
        rerankers, requests, warmup=2, repetitions=3, seed=13, progress=SlowProgress(clock), clock=clock
    ):
        clock.spend(1000)  # what the caller does with a sample
        assert isinstance(outcome, LatencySample)
        samples.append(outcome)
    assert sorted((s.depth, s.nanoseconds) for s in samples) == [(1, 10)] * 12 + [(3, 30)] * 12
    assert [sample.position for sample in samples] == list(range(24))
    assert [sample.repetition for sample in samples] == [0] * 8 + [1] * 8 + [2] * 8
    assert clock.now > 24 * 1000  # or nothing but score took any time, and this showed nothing


def test_values_that_are_computed_when_they_are_read_are_inside_the_clock() -> None:
    clock = Ticking()
    outcomes = measure_rerankers(
        {"x": Lazy(clock)}, {3: REQUESTS[3]}, warmup=0, repetitions=1, seed=13, progress=Recorder(), clock=clock
    )
    assert all(isinstance(outcome, LatencySample) and outcome.nanoseconds > 3000 for outcome in outcomes)


def test_only_retrieve_is_inside_the_clock() -> None:
    clock, tiny = Ticking(), make_dataset()
    dataset = SlowDataset(tiny.name, tiny.split, tiny.corpus, tiny.queries, tiny.qrels)
    SlowDataset.clock = clock

    class Slow(FixedRetriever):
        def retrieve(self, dataset: Dataset, depth: int) -> Run:
            clock.spend(7)
            return SlowMap(super().retrieve(dataset, depth))

    samples = []
    for sample in measure_retriever(Slow(), dataset, tiny.queries, 10, warmup=2, repetitions=2, clock=clock):
        clock.spend(1000)
        samples.append(sample)
    assert [sample.nanoseconds for sample in samples] == [7] * 2 * len(tiny.queries)


def test_warm_up_comes_first_at_the_largest_depth_and_is_not_among_the_samples() -> None:
    reranker = Hashed()
    samples, _ = measured({"x": reranker}, warmup=2)
    assert reranker.asked[:2] == [("q0", 3), ("q1", 3)]
    assert len(samples) == len(reranker.asked) - 2 == 8


def test_systems_take_turns_on_every_request() -> None:
    names: dict[str, Reranker] = {"a": Hashed("a"), "b": Hashed("b"), "c": Hashed("c")}
    samples, _ = measured(names, repetitions=2)
    turns = [samples[start : start + 3] for start in range(0, len(samples), 3)]
    assert all(len({(s.query_id, s.depth, s.repetition) for s in turn}) == 1 for turn in turns)
    assert all({s.system for s in turn} == set(names) for turn in turns)
    assert len({turn[0].system for turn in turns}) == 3


def test_depths_are_mixed_so_that_drift_hits_all_alike() -> None:
    samples, _ = measured({"x": Hashed()})
    depths = [sample.depth for sample in samples]
    assert depths not in (sorted(depths), sorted(depths, reverse=True))


def test_equal_seeds_give_equal_sequences() -> None:
    def sequence(seed: int) -> list[tuple[str, str, int]]:
        samples, _ = measured({"a": Hashed(), "b": Hashed()}, seed=seed)
        return [(sample.query_id, sample.system, sample.depth) for sample in samples]

    assert sequence(1) == sequence(1) != sequence(2)


def raised(_: list[float]) -> Scores:
    raise OSError("gone")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (raised, r"x failed on query q1: OSError: gone \(test_latency\.py:\d+\)"),
        (lambda values: Scores([float("nan"), *values[1:]]), "x returned NaN for query q1, document d"),
        (lambda values: Scores([*values, 1.0]), r"x returned \d scores for the \d documents of query q1"),
        (lambda values: values, "x returned list for query q1 instead of Scores"),
    ],
)
def test_a_call_without_a_right_answer_gives_no_sample_and_its_message(
    answer: Callable[[list[float]], Scores], message: str
) -> None:
    progress = Recorder()
    samples, failures = measured({"x": Broken(answer, ["q1"])}, warmup=4, repetitions=2, progress=progress)
    assert len(failures) == 1 + 4  # one of the warm-up
    assert all(failure.system == "x" and re.fullmatch(message, failure.message) for failure in failures)
    assert {sample.query_id for sample in samples} == {"q0", "q2", "q3"}
    assert [sample.position for sample in samples] == list(range(12))
    assert [total for _, total in progress.totals] == [progress.steps] == [16]


@pytest.mark.parametrize("warmup", [0, 1, 99])
def test_the_first_stage_is_timed_one_query_at_a_time_after_a_warm_up(warmup: int) -> None:
    dataset = make_dataset()
    asked = []

    class Watching(FixedRetriever):
        def retrieve(self, dataset: Dataset, depth: int) -> Run:
            asked.append([query.query_id for query in dataset.queries])
            return super().retrieve(dataset, depth)

    samples = list(measure_retriever(Watching(), dataset, dataset.queries[:2], 10, warmup=warmup, repetitions=2))
    turns = ["q000", "q001"]
    assert asked == [[query_id] for query_id in turns[:warmup] + turns * 2]
    assert [(s.query_id, s.system, s.depth, s.repetition) for s in samples] == [
        (query_id, "fixed", 0, repetition) for repetition in (0, 1) for query_id in turns
    ]
    assert [sample.position for sample in samples] == [0, 1, 2, 3]


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
