"""Every paired comparison of a dataset's systems: with the first stage, with the best, and between depths."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rerank_eval.recorded import Cell, RecordedResult
from rerank_eval.report.model import Difference
from rerank_eval.statistics import (
    Interval,
    count_outcomes,
    has_difference,
    holm_where_different,
    mean_intervals,
    minimum_detectable_effect,
    paired_p_values,
)


@dataclass(frozen=True)
class Column:
    """Per-query values of one system at one depth on one measure; `key` is (series, depth, measure)."""

    key: tuple[int, int, str]
    values: Mapping[str, float]


@dataclass(frozen=True)
class Pair:
    """A comparison to make: the differences `column - reference`, paired by query."""

    column: Column
    reference: Column

    @cached_property
    def query_ids(self) -> tuple[str, ...]:
        """The queries that both have, sorted."""
        return tuple(sorted(self.column.values.keys() & self.reference.values.keys()))

    @cached_property
    def differences(self) -> NDArray[np.float64]:
        """One difference per query of `query_ids`."""
        return np.array([self.column.values[q] - self.reference.values[q] for q in self.query_ids])


def make_column(result: RecordedResult, system: str, series: int, depth: int, measure: str) -> Column:
    """Return the recorded values of one cell."""
    return Column((series, depth, measure), result.scores[Cell(system, depth, measure)])


def compare_pairs(pairs: Sequence[Pair], seed: int) -> list[tuple[Interval, float] | None]:
    """Return per pair the interval of the mean difference and the unadjusted p; None without a query.

    Pairs over the same queries share one set of resamples.
    """
    found: list[tuple[Interval, float] | None] = [None] * len(pairs)
    for query_ids, positions in _group_by_queries(pairs).items():
        if not query_ids:
            continue
        columns = np.stack([pairs[position].differences for position in positions], axis=1)
        intervals = mean_intervals(columns, seed)
        p_values = paired_p_values(columns, seed, len(pairs))
        for position, interval, p_value in zip(positions, intervals, p_values, strict=True):
            found[position] = interval, p_value
    return found


def find_intervals(pairs: Sequence[Pair], seed: int) -> list[Interval | None]:
    """Return per pair the interval of the mean difference; None without a query in common."""
    found: list[Interval | None] = [None] * len(pairs)
    for query_ids, positions in _group_by_queries(pairs).items():
        if query_ids:
            columns = np.stack([pairs[position].differences for position in positions], axis=1)
            for position, interval in zip(positions, mean_intervals(columns, seed), strict=True):
                found[position] = interval
    return found


def describe_differences(
    pairs: Sequence[Pair], compared: Sequence[tuple[Interval, float] | None]
) -> list[Difference | None]:
    """Return the differences with p adjusted by Holm: the family is everything that a report compares and that differs at all."""
    made = [(pair, found) for pair, found in zip(pairs, compared, strict=True) if found is not None]
    is_different = [has_difference(pair.differences) for pair, _ in made]
    adjusted = iter(holm_where_different([p_value for _, (_, p_value) in made], is_different))
    return [
        None if found is None else _describe(pair, found[0], next(adjusted), sum(is_different))
        for pair, found in zip(pairs, compared, strict=True)
    ]


def _describe(pair: Pair, interval: Interval, p_value: float, num_comparisons: int) -> Difference:
    differences = pair.differences
    wins, ties, losses = count_outcomes(differences)
    return Difference(
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        p=p_value,
        wins=wins,
        ties=ties,
        losses=losses,
        detectable=minimum_detectable_effect(differences, num_comparisons),
    )


def _group_by_queries(pairs: Iterable[Pair]) -> dict[tuple[str, ...], list[int]]:
    groups: dict[tuple[str, ...], list[int]] = {}
    for position, pair in enumerate(pairs):
        groups.setdefault(pair.query_ids, []).append(position)
    return groups
