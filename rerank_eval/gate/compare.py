"""Two results -> a verdict per system, depth and measure, and the exit code that they come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rerank_eval.errors import NotEvaluableError, shortened
from rerank_eval.gate.verdicts import Judgement, Verdict, judge
from rerank_eval.paired import Column, count_comparisons
from rerank_eval.results.comparability import (
    check_evaluable,
    choose_measures,
    name_place,
    note_changes,
    pair_values,
)
from rerank_eval.results.recorded import Cell, RecordedResult
from rerank_eval.statistics import Ratio, ratio_of_medians_interval


class QualityRow(NamedTuple):
    """A system at a depth by one measure, over the queries that both results have; depth 0 is the first stage alone."""

    cell: Cell
    baseline: float
    candidate: float
    judgement: Judgement

    @property
    def verdict(self) -> Verdict:
        """What is said of it."""
        return self.judgement.verdict


class LatencyRow(NamedTuple):
    """A system at a depth by the ratio of its median latencies, candidate to baseline, over the queries that both timed."""

    system: str
    depth: int
    baseline_ms: float
    candidate_ms: float
    ratio: Ratio
    verdict: Verdict


class Gate(NamedTuple):
    """What the comparison was asked: which measures, and what counts as a failure."""

    measures: Sequence[str]
    min_effect: float
    strict: bool
    max_latency_ratio: float | None
    seed: int

    def fails(self, verdict: Verdict) -> bool:
        """Return whether one such verdict fails the gate."""
        return verdict in (Verdict.REGRESSION, Verdict.SLOWER) or (self.strict and verdict is Verdict.TOO_NOISY)


@dataclass(frozen=True)
class Comparison:
    """The rows, the worst verdict first, and what qualifies them.

    `num_comparisons` counts what p is adjusted for: the rows of quality that differ at all, those of the same values once.
    """

    gate: Gate
    dataset: str
    compared: str
    quality: Sequence[QualityRow]
    num_comparisons: int
    latency: Sequence[LatencyRow]
    notes: Sequence[str]

    @property
    def verdicts(self) -> list[Verdict]:
        """One verdict per row, quality first."""
        return [*(row.verdict for row in self.quality), *(row.verdict for row in self.latency)]

    @property
    def exit_code(self) -> int:
        """1 if a verdict fails the gate, else 0."""
        return int(any(self.gate.fails(verdict) for verdict in self.verdicts))


def compare(
    baseline: RecordedResult,
    candidate: RecordedResult,
    *,
    measures: Sequence[str] = (),
    min_effect: float = 0.01,
    strict: bool = False,
    max_latency_ratio: float | None = None,
    seed: int = 13,
) -> Comparison:
    """Return the verdicts on `candidate`, for every system and depth of `baseline`; all of them are one family.

    Without `measures` the baseline's first one decides. Latency is judged only with `max_latency_ratio`, on equal hardware: slower
    when the whole 95% interval of the ratio of medians lies above it, too noisy to say when the interval contains it.

    Raises:
        ConfigError: one of `measures` is no measure.
        NotComparableError: the results differ in what must be equal (data, relevance level, first-stage depth), or the candidate
            lacks a measure, system or depth.
        NotEvaluableError: a result is not complete, or more of the baseline's queries than its `max_error_rate` allows are missing.
    """
    chosen = choose_measures(baseline, measures)
    pairs = pair_values(baseline, candidate, chosen)
    check_evaluable(baseline, candidate, pairs)
    latency, notes = _judge_latency(baseline, candidate, max_latency_ratio, seed)
    columns = [Column.difference(pair.candidate, pair.baseline) for pair in pairs]
    rows = [
        QualityRow(pair.cell, _mean(pair.baseline, pair.common), _mean(pair.candidate, pair.common), judgement)
        for pair, judgement in zip(pairs, judge(columns, min_effect, seed), strict=True)
    ]
    worst_first = list(Verdict).index
    return Comparison(
        gate=Gate(chosen, min_effect, strict, max_latency_ratio, seed),
        dataset=f"{baseline.dataset['name']} ({baseline.dataset['split']})",
        compared=f"{_describe(candidate)} with the baseline {_describe(baseline)}",
        quality=sorted(rows, key=lambda row: worst_first(row.verdict)),
        num_comparisons=count_comparisons(columns),
        latency=sorted(latency, key=lambda row: worst_first(row.verdict)),
        notes=[*note_changes(baseline, candidate, pairs), *notes],
    )


def _describe(result: RecordedResult) -> str:
    return f"{result.path} of {result.provenance['started']}"


def _mean(values: Mapping[str, float], query_ids: Sequence[str]) -> float:
    return float(np.mean([values[query_id] for query_id in query_ids]))


def _judge_latency(
    baseline: RecordedResult, candidate: RecordedResult, limit: float | None, seed: int
) -> tuple[list[LatencyRow], list[str]]:
    """Return the rows, and notes on what could not be compared.

    A place that has no latency in either result, as one at which a provider was not asked by itself, is only noted.
    """
    if limit is None:
        return [], []
    if baseline.hardware != candidate.hardware:
        machines = [shortened(str(result.provenance["hardware"].get("processor"))) for result in (baseline, candidate)]
        return [], [
            f"latency not compared: measured on other hardware (baseline {machines[0]}, candidate {machines[1]})"
        ]
    rows, without, in_neither = [], [], []
    for system in baseline.systems:
        for depth in (depth.depth for depth in system.depths if depth.depth):
            place = (system.name, depth)
            before, after = (_by_query(result.samples.get(place, {})) for result in (baseline, candidate))
            if not before and not after:
                in_neither.append(name_place(*place))
                continue
            common = sorted(before.keys() & after.keys())
            if len(common) < 2:
                without.append(name_place(*place))
                continue
            kept = [[samples[query_id] for query_id in common] for samples in (before, after)]
            ratio = ratio_of_medians_interval(kept[1], kept[0], seed)
            medians = (float(np.median(np.concatenate(samples))) for samples in kept)
            rows.append(LatencyRow(*place, next(medians), next(medians), ratio, _latency_verdict(ratio, limit)))
    if without:
        raise NotEvaluableError(
            f"latency cannot be compared, for want of two queries timed in both results: {'; '.join(without)}; set latency.queries=20, "
            "or leave out --max-latency-ratio"
        )
    if not rows:
        raise NotEvaluableError(
            "neither result has a latency to compare; set latency.queries=20, or leave out --max-latency-ratio"
        )
    return rows, [f"latency not compared, as neither result has one: {'; '.join(in_neither)}"] if in_neither else []


def _by_query(samples: Mapping[tuple[str, int], int]) -> dict[str, list[float]]:
    by_query: dict[str, list[float]] = {}
    for (query_id, _), nanoseconds in sorted(samples.items()):
        by_query.setdefault(query_id, []).append(max(nanoseconds, 1) / 1e6)  # a coarse clock may say 0
    return by_query


def _latency_verdict(ratio: Ratio, limit: float) -> Verdict:
    if ratio.low is not None and ratio.low > limit:
        return Verdict.SLOWER
    return Verdict.NO_CHANGE if ratio.high is not None and ratio.high <= limit else Verdict.TOO_NOISY
