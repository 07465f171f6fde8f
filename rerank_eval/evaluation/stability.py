"""How far answers to the same queries are apart: with the candidates in another order, and asked once more."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rerank_eval.calls.prices import Prices
from rerank_eval.calls.types import SAMPLES_APART, Answer, Body, Calls, Endpoint
from rerank_eval.candidates import rerank
from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.measure_results import mean_or_none
from rerank_eval.evaluation.provider_calls import distinct_usd
from rerank_eval.evaluation.quality import Answers, answer_queries
from rerank_eval.evaluation.systems import System
from rerank_eval.latency import sample_queries
from rerank_eval.paired import Column, find_intervals
from rerank_eval.protocols import Progress
from rerank_eval.results.depth_results import Spread, Stability
from rerank_eval.results.experiment import SystemResult
from rerank_eval.statistics import Interval
from rerank_eval.store import Store
from rerank_eval.types import Query, Request, Run

Kind = Literal["shuffles", "repeats"]
_PARTS = 10
_IS_DOWN = 0.5
"""The share of failed queries of a further pass from which a provider counts as down; fewer only leave the pass with fewer queries."""


class Again(NamedTuple):
    """One more pass over the queries: the `number`-th (from 1) with the candidates shuffled, or asked anew."""

    kind: Kind
    number: int
    system: System
    make_request: Callable[[Query, int], Request]


class Further(NamedTuple):
    """What one more pass of a system answered; scores are in the order in which candidates were shown."""

    system: str
    kind: Kind
    number: int
    answers: Answers


def plan_again(evaluation: Evaluation, system: System, calls: Calls) -> Iterator[Again]:
    """Yield the further passes that `settings.stability` asks for."""
    settings = evaluation.settings

    def shuffled(number: int) -> Callable[[Query, int], Request]:
        def make(query: Query, depth: int) -> Request:
            request = evaluation.request(query, depth)
            order = draw_order(settings.seed, number, query.query_id, len(request.documents))
            documents, scores = request.documents, request.first_stage_scores
            return Request(query, tuple(documents[i] for i in order), tuple(scores[i] for i in order))

        return make

    for number in range(1, settings.stability.shuffles + 1):
        yield Again("shuffles", number, system, shuffled(number))
    for number in range(1, settings.stability.repeats + 1):
        yield Again("repeats", number, system.asking(_Anew(calls, number)), evaluation.request)


def sampled_queries(evaluation: Evaluation) -> Sequence[Query]:
    """Return the queries that are asked again: all, or the sample that `settings.stability.queries` asks for."""
    settings, queries = evaluation.settings, evaluation.dataset.queries
    if settings.stability.queries is None:
        return queries
    num_candidates = {query: len(evaluation.first_stage[query.query_id]) for query in queries}
    return sample_queries(num_candidates, settings.stability.queries, settings.depths[-1], settings.seed)


def ask_again(
    evaluation: Evaluation,
    systems: Sequence[System],
    calls: Calls,
    store: Store | None,
    progress: Progress,
    found: list[Further],
) -> None:
    """Ask every system again at the largest depth and add each finished pass to `found`.

    Shuffled candidates are another question, whose answer is kept like any; what is to vary from run to run is asked anew, by
    another `sample` of a provider, whose answers are kept as well.

    Raises:
        StoreError, RunStoppingError: as `quality.answer_queries`.
    """
    queries = sampled_queries(evaluation)
    limit = max(evaluation.settings.max_error_rate, _IS_DOWN)
    for system in systems:
        for again in plan_again(evaluation, system, calls):
            answers = Answers((evaluation.settings.depths[-1],))
            kept_in = store if again.kind == "shuffles" else None
            answer_queries(again.system, queries, again.make_request, kept_in, progress, answers, limit)
            found.append(Further(system.name, again.kind, again.number, answers))


def add_stability(
    evaluation: Evaluation,
    result: SystemResult,
    answers: Answers,
    further: Sequence[Further],
    prices: Prices,
) -> SystemResult:
    """Return the result with what its further answers say of its largest depth."""
    own = [one for one in further if one.system == result.name]
    kinds: tuple[Kind, ...] = ("shuffles", "repeats")
    stability: dict[str, Stability] = {
        kind: _compare(evaluation, answers, passes, prices if result.asks_provider else None)
        for kind in kinds
        if (passes := [one for one in own if one.kind == kind])
    }
    if not stability:
        return result
    return replace(result, depths=[*result.depths[:-1], replace(result.depths[-1], stability=stability)])


def draw_order(seed: int, number: int, query_id: str, count: int) -> list[int]:
    """Return the candidates' places in the order in which the `number`-th shuffle shows them."""
    return random.Random(f"{seed} {number} {query_id}").sample(range(count), count)


class _Anew:
    """Calls of which the answers of other passes are no answers."""

    def __init__(self, calls: Calls, number: int) -> None:
        self._calls = calls
        self._number = number

    def ask(self, endpoint: Endpoint, body: Body, check: Callable[[Any], object], sample: int = 0) -> Answer:
        return self._calls.ask(endpoint, body, check, sample + self._number * SAMPLES_APART)

    def stop(self) -> None:
        self._calls.stop()


def _compare(evaluation: Evaluation, answers: Answers, passes: Sequence[Further], prices: Prices | None) -> Stability:
    """Return how far the first answer and those of the passes are apart, over the queries that were answered every time; `prices` is None where nobody is paid."""
    depth = evaluation.settings.depths[-1]
    by_pass = [_values(evaluation, one) for one in passes]
    first = {
        query.query_id: scores.values
        for query in sampled_queries(evaluation)
        if (scores := answers.at(depth, query.query_id)) is not None
    }
    everywhere = [query_id for query_id in first if all(query_id in values for values in by_pass)]
    runs = [
        {query_id: rerank(evaluation.first_stage[query_id], values[query_id]) for query_id in everywhere}
        for values in (first, *by_pass)
    ]
    ranks = {query_id: _ranks(evaluation, runs, query_id, len(first[query_id])) for query_id in everywhere}
    bias = _position_bias(evaluation, passes, ranks) if passes[0].kind == "shuffles" else []
    asked = [call for one in passes for scores in one.answers.scores.values() for call in scores.calls]
    return Stability(
        count=len(passes),
        num_queries=len(everywhere),
        failures=sum(len(one.answers.failures) for one in passes),
        measures=_spreads(evaluation, runs) if everywhere else {},
        tau=mean_or_none([tau for found in ranks.values() if (tau := _mean_tau(found)) is not None]),
        position_bias=[None if found is None else found.mean for found in bias],
        position_bias_low=[None if found is None else found.low for found in bias],
        position_bias_high=[None if found is None else found.high for found in bias],
        usd=0.0 if prices is None else distinct_usd(prices, asked),
    )


def _values(evaluation: Evaluation, one: Further) -> dict[str, Sequence[float]]:
    """Return query_id -> scores in candidate order."""
    values: dict[str, Sequence[float]] = {}
    for (_, query_id), scores in one.answers.scores.items():
        values[query_id] = scores.values
        if one.kind == "shuffles":
            order = draw_order(evaluation.settings.seed, one.number, query_id, len(scores.values))
            by_place = dict(zip(order, scores.values, strict=True))
            values[query_id] = [by_place[place] for place in range(len(order))]
    return values


def _ranks(evaluation: Evaluation, runs: Sequence[Run], query_id: str, count: int) -> NDArray[np.int64]:
    """Return an array of (answers, candidates) with the rank, from 0, that each answer gives a candidate."""
    doc_ids = evaluation.first_stage[query_id].doc_ids[:count]
    places = [{doc_id: place for place, doc_id in enumerate(run[query_id].doc_ids[:count])} for run in runs]
    return np.array([[found[doc_id] for doc_id in doc_ids] for found in places], dtype=np.int64)


def _mean_tau(ranks: NDArray[np.int64]) -> float | None:
    """Return the mean of Kendall's tau over all pairs of answers; None for fewer than two candidates."""
    first, second = np.triu_indices(ranks.shape[1], 1)
    if not len(first):
        return None
    signs = np.sign(ranks[:, first] - ranks[:, second]).astype(np.float64)
    pairs = combinations(range(len(signs)), 2)
    return float(np.mean([signs[one] @ signs[other] / len(first) for one, other in pairs]))


def _spreads(evaluation: Evaluation, runs: Sequence[Run]) -> dict[str, Spread]:
    values = [evaluation.score(run, evaluation.measures) for run in runs]
    spreads = {}
    for name in evaluation.measures:
        table = np.array([[by_measure[name][query_id] for query_id in runs[0]] for by_measure in values])
        means = table.mean(axis=1)
        spreads[name] = Spread(
            means=[float(mean) for mean in means],
            # from the first on, since what is equal must not differ by a rounding
            standard_deviation=float((means - means[0]).std(ddof=1)),
            per_query=float((table - table[0]).std(axis=0, ddof=1).mean()),
        )
    return spreads


def _position_bias(
    evaluation: Evaluation, passes: Sequence[Further], ranks: Mapping[str, NDArray[np.int64]]
) -> list[Interval | None]:
    """Return for each tenth of the list shown the mean place, 0 the first and 1 the last, of what was shown there.

    The interval is over queries, each of which counts the same: its shuffles are no news of other queries.
    """
    by_tenth: list[dict[str, float]] = [{} for _ in range(_PARTS)]
    for query_id, found in ranks.items():
        size = found.shape[1]
        if size < 2:
            continue
        parts = np.arange(size) * _PARTS // size
        orders = [draw_order(evaluation.settings.seed, one.number, query_id, size) for one in passes]
        places = np.array([row[order] for row, order in zip(found[1:], orders, strict=True)]) / (size - 1)
        for part in np.unique(parts):
            by_tenth[part][query_id] = float(places[:, parts == part].mean())
    return find_intervals([Column.of(means) for means in by_tenth], evaluation.settings.seed)
