"""Differences between systems, query by query: the family of comparisons that a report or a gate makes."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rerank_eval.significance import PValue, family_p_values
from rerank_eval.statistics import (
    ALPHA,
    Interval,
    count_outcomes,
    has_difference,
    mean_intervals,
    minimum_detectable_effect,
)


@dataclass(frozen=True, eq=False)
class Column:
    """One number per query: a system's values of a measure, or the differences of two systems.

    `compared` has the two systems' own values, (2, num_queries); None where the numbers are of one system, or theirs are not known.
    """

    query_ids: tuple[str, ...]
    numbers: NDArray[np.float64]
    compared: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, values: Mapping[str, float]) -> "Column":
        """Return the values in the order of their queries' ids."""
        query_ids = tuple(sorted(values))
        return cls(query_ids, np.array([values[query_id] for query_id in query_ids]))

    @classmethod
    def difference(cls, values: Mapping[str, float], reference: Mapping[str, float]) -> "Column":
        """Return `values - reference` over the queries that both have."""
        query_ids = tuple(sorted(values.keys() & reference.keys()))
        compared = np.array([[side[query_id] for query_id in query_ids] for side in (values, reference)])
        return cls(query_ids, compared[0] - compared[1], compared)

    @property
    def identity(self) -> Hashable:
        """What is equal for two columns of the same two systems' values: however often it is asked, they are one comparison."""
        return id(self) if self.compared is None else (self.query_ids, self.compared.tobytes())


class Difference(NamedTuple):
    """A paired difference with its 95% interval, its Holm-adjusted p, and the queries won, tied and lost.

    `detectable` is the minimum detectable effect at 80% power; None where the queries can show none. `is_p_at_most`: p is not known
    but for being no larger, since no resample was as extreme.
    """

    mean: float
    low: float | None
    high: float | None
    p: float
    wins: int
    ties: int
    losses: int
    detectable: float | None
    is_p_at_most: bool = False

    @property
    def num_queries(self) -> int:
        """The number of queries that both systems answered."""
        return self.wins + self.ties + self.losses

    @property
    def is_significant(self) -> bool:
        """Whether the Holm-adjusted p is at most 0.05 and the interval excludes 0."""
        excludes_0 = self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)
        return self.p <= ALPHA and excludes_0


def format_signed(difference: float, decimals: int) -> str:
    """Return a difference with its sign; what rounds to zero has none."""
    written = f"{difference:+.{decimals}f}"
    return written[1:] if float(written) == 0 else written


def find_intervals(columns: Sequence[Column], seed: int) -> list[Interval | None]:
    """Return the interval of each column's mean, None without a query; columns over the same queries share their resamples."""
    found: list[Interval | None] = [None] * len(columns)
    for positions, numbers in _stack_by_queries(columns):
        for position, interval in zip(positions, mean_intervals(numbers, seed), strict=True):
            found[position] = interval
    return found


def count_comparisons(columns: Sequence[Column]) -> int:
    """Return how many comparisons the columns of differences are: each once, and only those in which any query differs."""
    return len({column.identity for column in columns if has_difference(column.numbers)})


def compare_family(columns: Sequence[Column], seed: int) -> list[Difference | None]:
    """Return each column of differences with p adjusted by Holm over `count_comparisons` of them; None without a query.

    Columns of the same values, as those of a reranker that leaves the first stage's order at several depths, are one hypothesis that
    is tested once.
    """
    distinct = {column.identity: column for column in columns}
    found = dict(zip(distinct, _compare_distinct(list(distinct.values()), seed), strict=True))
    return [found[column.identity] for column in columns]


def _compare_distinct(columns: Sequence[Column], seed: int) -> list[Difference | None]:
    intervals = find_intervals(columns, seed)
    num_comparisons = sum(has_difference(column.numbers) for column in columns)
    p_values = [PValue(1.0)] * len(columns)
    stacks = list(_stack_by_queries(columns))
    for (positions, _), found in zip(stacks, family_p_values([numbers for _, numbers in stacks], seed), strict=True):
        for position, p in zip(positions, found, strict=True):
            p_values[position] = p
    return [
        None
        if interval is None
        else Difference(
            interval.mean,
            interval.low,
            interval.high,
            p.value,
            *count_outcomes(column.numbers),
            minimum_detectable_effect(column.numbers, num_comparisons),
            p.is_at_most,
        )
        for column, interval, p in zip(columns, intervals, p_values, strict=True)
    ]


def _stack_by_queries(columns: Sequence[Column]) -> Iterator[tuple[list[int], NDArray[np.float64]]]:
    """Yield the positions of columns over the same queries, and these as one array (num_queries, num_columns)."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for position, column in enumerate(columns):
        if column.query_ids:
            groups.setdefault(column.query_ids, []).append(position)
    for positions in groups.values():
        yield positions, np.stack([columns[position].numbers for position in positions], axis=1)
