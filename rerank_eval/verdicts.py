"""Differences between two results, query by query -> what may be said of each."""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rerank_eval.statistics import (
    ALPHA,
    Interval,
    Outcomes,
    count_outcomes,
    has_difference,
    holm_where_different,
    mean_intervals,
    minimum_detectable_effect,
    paired_p_values,
)


class Verdict(StrEnum):
    """What is said of one comparison, the worst first."""

    REGRESSION = "regression"
    SLOWER = "slower"
    TOO_NOISY = "too noisy to say"
    IMPROVED = "improved"
    NO_CHANGE = "no change"


class Judgement(NamedTuple):
    """A verdict and what it rests on: the mean difference with its interval, p adjusted by Holm (see `judge`), and the detectable effect.

    `detectable` is None where so few queries can show no difference at all.
    """

    verdict: Verdict
    difference: Interval
    p: float
    outcomes: Outcomes
    detectable: float | None


def judge(differences: NDArray[np.float64], min_effect: float, seed: int) -> list[Judgement]:
    """Return the judgement of each column of (num_queries, num_columns), all that differ at all being one family.

    A difference is candidate less baseline, NaN where one of them lacks the query; each column has at least one that is not.

    - regression: the mean drop exceeds `min_effect`, its Holm-adjusted p is at most 0.05 and its 95% interval excludes 0
    - improved: the same upwards
    - no change: neither, and a change of `min_effect` would have been seen with 80% probability
    - too noisy to say: neither, and it would not
    """
    is_different = [has_difference(column[~np.isnan(column)]) for column in differences.T]
    family = sum(is_different)
    intervals: dict[int, Interval] = {}
    p_values: dict[int, float] = {}
    for indices, present in _columns_of_same_queries(differences):
        intervals.update(zip(indices, mean_intervals(present, seed), strict=True))
        p_values.update(zip(indices, paired_p_values(present, seed, family), strict=True))
    adjusted = holm_where_different([p_values[index] for index in range(differences.shape[1])], is_different)
    judgements = []
    for index, p in enumerate(adjusted):
        column = differences[:, index]
        column = column[~np.isnan(column)]
        detectable = minimum_detectable_effect(column, family)
        verdict = _verdict(intervals[index], p, detectable, min_effect)
        judgements.append(Judgement(verdict, intervals[index], p, count_outcomes(column), detectable))
    return judgements


def _columns_of_same_queries(differences: NDArray[np.float64]) -> Iterator[tuple[list[int], NDArray[np.float64]]]:
    """Yield the indices of columns that have the same queries, and these columns without the other queries."""
    present = ~np.isnan(differences)
    groups: dict[bytes, list[int]] = {}
    for index in range(differences.shape[1]):
        groups.setdefault(present[:, index].tobytes(), []).append(index)
    for indices in groups.values():
        yield indices, differences[present[:, indices[0]]][:, indices]


def _verdict(difference: Interval, p: float, detectable: float | None, min_effect: float) -> Verdict:
    low, high = difference.low, difference.high
    if low is not None and high is not None and p <= ALPHA:
        if high < 0 and -difference.mean > min_effect:
            return Verdict.REGRESSION
        if low > 0 and difference.mean > min_effect:
            return Verdict.IMPROVED
    return Verdict.NO_CHANGE if detectable is not None and detectable <= min_effect else Verdict.TOO_NOISY
