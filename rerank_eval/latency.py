"""The only module with a clock: times single requests, and turns samples into percentiles.

Only `score()` is inside the clock; the requests, their texts included, are made before. The clock is monotonic.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import numpy as np

from rerank_eval.protocols import Progress, Reranker, Retriever
from rerank_eval.statistics import percentile_interval
from rerank_eval.types import Dataset, Query, Request

T = TypeVar("T")
Clock = Callable[[], int]


class LatencySample(NamedTuple):
    """One timed call; `position` counts the timed calls of the pass from 0."""

    query_id: str
    system: str
    depth: int
    nanoseconds: int
    position: int


class Percentile(NamedTuple):
    """A percentile in milliseconds with its 95% bootstrap interval."""

    value_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True)
class LatencySummary:
    """What `count` samples support; None where they are too few for a percentile."""

    count: int
    mean_ms: float
    p50: Percentile | None
    p95: Percentile | None


def utc_now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def timed(work: Callable[[], T], clock: Clock = time.perf_counter_ns) -> tuple[T, int]:
    """Return what `work` returns, and the nanoseconds it took."""
    start = clock()
    value = work()
    return value, clock() - start


def sample_queries(num_candidates: Mapping[Query, int], count: int, depth: int, seed: int) -> list[Query]:
    """Return `count` queries, or all that have a candidate, drawn without replacement.

    Those with `depth` candidates come first, then those with the most: shorter lists would flatter the latency at that depth.
    """
    queries = [query for query, candidates in num_candidates.items() if candidates]
    drawn = random.Random(seed).sample(queries, len(queries))
    return sorted(drawn, key=lambda query: -min(num_candidates[query], depth))[:count]


def measure_retriever(
    retriever: Retriever,
    dataset: Dataset,
    queries: Sequence[Query],
    depth: int,
    repetitions: int,
    clock: Clock = time.perf_counter_ns,
) -> list[LatencySample]:
    """Return the time of the first stage per query, one query at a time, the index already loaded."""
    samples: list[LatencySample] = []
    for _ in range(repetitions):
        for query in queries:
            single = dataset.only(query)
            _, nanoseconds = timed(lambda single=single: retriever.retrieve(single, depth), clock)  # type: ignore[misc]
            samples.append(LatencySample(query.query_id, retriever.name, 0, nanoseconds, len(samples)))
    return samples


def measure_rerankers(
    rerankers: Mapping[str, Reranker],
    requests: Mapping[int, Sequence[Request]],
    warmup: int,
    repetitions: int,
    seed: int,
    progress: Progress,
    clock: Clock = time.perf_counter_ns,
) -> tuple[list[LatencySample], dict[str, int]]:
    """Return the samples of every reranker on every request of every depth, and the failures per reranker.

    One request at a time. The rerankers take turns in an order drawn anew for each request, so that drift of the machine hits all of
    them alike. `warmup` requests of the largest depth per reranker go before, and are not among the samples. A failed call gives no sample.
    """
    order = random.Random(seed)
    names = list(rerankers)
    failures = dict.fromkeys(names, 0)
    progress.start("latency", len(names) * repetitions * sum(map(len, requests.values())))
    for name in names:
        for request in requests[max(requests)][:warmup]:
            _time_score(rerankers[name], request, clock)
    samples: list[LatencySample] = []
    for _ in range(repetitions):
        turns = [(depth, request) for depth in requests for request in requests[depth]]
        order.shuffle(turns)
        for depth, request in turns:
            order.shuffle(names)
            for name in names:
                nanoseconds = _time_score(rerankers[name], request, clock)
                if nanoseconds is None:
                    failures[name] += 1
                else:
                    samples.append(LatencySample(request.query.query_id, name, depth, nanoseconds, len(samples)))
                progress.advance()
    return samples, failures


def _time_score(reranker: Reranker, request: Request, clock: Clock) -> int | None:
    try:
        return timed(lambda: reranker.score(request), clock)[1]
    except Exception:  # any adapter may raise anything; the caller counts it
        return None


def summarise(nanoseconds: Sequence[int]) -> LatencySummary | None:
    """Return the summary, or None without samples; p50 needs 2 samples and p95 needs 20."""
    if not nanoseconds:
        return None
    milliseconds = np.asarray(nanoseconds) / 1e6

    def percentile(percent: float, least: int) -> Percentile | None:
        if len(milliseconds) < least:
            return None
        return Percentile(float(np.percentile(milliseconds, percent)), *percentile_interval(milliseconds, percent))

    return LatencySummary(len(milliseconds), float(milliseconds.mean()), percentile(50, 2), percentile(95, 20))
