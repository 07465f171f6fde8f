"""Times single requests, and turns samples into percentiles; calls to a provider are timed where they are sent, in `calls.sending`.

Only `score()` is inside the clock; the requests, their texts included, are made before. The clock that times is monotonic.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from rerank_eval.candidates import check_scores, explain_failure, list_values, shown_to
from rerank_eval.protocols import Progress, Reranker, Retriever
from rerank_eval.statistics import percentile_interval
from rerank_eval.types import Dataset, Query, Request, Scores

T = TypeVar("T")
ReadClock = Callable[[], int]

FEWEST_FOR_P50, FEWEST_FOR_P95 = 2, 20
"""How many queries must be timed before a percentile is told."""


class LatencySample(NamedTuple):
    """One timed call; `position` counts the timed calls of the pass from 0, `repetition` those of the same request."""

    query_id: str
    system: str
    depth: int
    nanoseconds: int
    position: int
    repetition: int = 0


class LatencyFailure(NamedTuple):
    """A call of the latency pass that gave no usable answer, and so no sample."""

    system: str
    message: str


class Percentile(NamedTuple):
    """A percentile in milliseconds with its 95% interval; a bound is None where the samples are too few for one."""

    value_ms: float
    low_ms: float | None
    high_ms: float | None


@dataclass(frozen=True)
class LatencySummary:
    """What `count` samples support; None where they are too few for a percentile."""

    count: int
    mean_ms: float
    p50: Percentile | None
    p95: Percentile | None


def timed(work: Callable[[], T], clock: ReadClock = time.perf_counter_ns) -> tuple[T, int]:
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
    *,
    warmup: int,
    repetitions: int,
    clock: ReadClock = time.perf_counter_ns,
) -> Iterator[LatencySample]:
    """Yield the time of the first stage per query and repetition, one query at a time, the index already loaded."""
    singles = [dataset.only(query) for query in queries]
    for single in singles[:warmup]:
        retriever.retrieve(single, depth)
    position = itertools.count()
    for repetition in range(repetitions):
        for single in singles:
            _, nanoseconds = timed(partial(retriever.retrieve, single, depth), clock)
            query_id = single.queries[0].query_id
            yield LatencySample(query_id, retriever.name, 0, nanoseconds, next(position), repetition)


def measure_rerankers(
    rerankers: Mapping[str, Reranker],
    requests: Mapping[int, Sequence[Request]],
    *,
    warmup: int,
    repetitions: int,
    seed: int,
    progress: Progress,
    clock: ReadClock = time.perf_counter_ns,
) -> Iterator[LatencySample | LatencyFailure]:
    """Yield a sample, or a failure, of every reranker on every request of every depth.

    One request at a time. The rerankers take turns in an order drawn anew for each request, so that drift of the machine hits all of
    them alike. `warmup` requests of the largest depth per reranker go before, and are not among the samples. A call that raises, or
    whose answer is no list of finite scores, gives no sample.
    """
    order = random.Random(seed)
    names = list(rerankers)
    progress.start("latency: calls", len(names) * repetitions * sum(map(len, requests.values())))
    for name in names:
        for request in requests[max(requests)][:warmup]:
            outcome = _time_score(name, rerankers[name], request, clock)
            if isinstance(outcome, str):
                yield LatencyFailure(name, outcome)
    position = itertools.count()
    for repetition in range(repetitions):
        turns = [(depth, request) for depth in requests for request in requests[depth]]
        order.shuffle(turns)
        for depth, request in turns:
            order.shuffle(names)
            for name in names:
                outcome = _time_score(name, rerankers[name], request, clock)
                if isinstance(outcome, str):
                    yield LatencyFailure(name, outcome)
                else:
                    yield LatencySample(request.query.query_id, name, depth, outcome, next(position), repetition)
                progress.advance()


def _time_score(name: str, reranker: Reranker, request: Request, clock: ReadClock) -> int | str:
    """Return the nanoseconds of `score`, or the message of what was wrong with the call or its answer."""
    request = shown_to(reranker, request)
    try:
        scores, nanoseconds = timed(partial(_finish_score, reranker, request), clock)
        check_scores(name, request, scores)
    except BaseException as error:  # any adapter may raise anything, SystemExit too; the caller counts it
        if isinstance(error, KeyboardInterrupt):
            raise
        return explain_failure(name, request, error)
    return nanoseconds


def _finish_score(reranker: Reranker, request: Request) -> object:
    """Return the answer with its values computed: those of a tensor may still be under way on an accelerator."""
    scores = reranker.score(request)
    if isinstance(scores, Scores) and not isinstance(scores.values, list | tuple):
        list_values(scores)
    return scores


def summarise(samples: Sequence[LatencySample]) -> LatencySummary | None:
    """Return the summary, or None without samples; p50 needs samples of 2 queries and p95 of 20.

    Repetitions of a query add to the percentiles, but not to the certainty about other queries.
    """
    if not samples:
        return None
    milliseconds = np.array([sample.nanoseconds for sample in samples]) / 1e6
    num_queries = len({sample.query_id for sample in samples})

    def percentile(percent: float, least: int) -> Percentile | None:
        if num_queries < least:
            return None
        low, high = percentile_interval(milliseconds, percent, num_queries)
        return Percentile(float(np.percentile(milliseconds, percent)), low, high)

    return LatencySummary(
        len(samples), float(milliseconds.mean()), percentile(50, FEWEST_FOR_P50), percentile(95, FEWEST_FOR_P95)
    )
