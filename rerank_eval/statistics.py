"""Intervals of means over queries, by the paired bootstrap.

Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
_BLOCK = 500


class Interval(NamedTuple):
    """A mean with its 95% interval; `low` and `high` are None where fewer than two queries give none."""

    mean: float
    low: float | None
    high: float | None
    num_queries: int


def mean_intervals(columns: NDArray[np.float64], seed: int) -> list[Interval]:
    """Return the mean and 95% interval of each column of an array (num_queries, num_columns).

    All columns see the same resamples of queries, so a column of differences between two systems gives the paired interval.
    Equal inputs and seeds give equal intervals.
    """
    num_queries, num_columns = columns.shape
    if num_queries == 0:
        raise ValueError("there is no query to take the mean of")
    means = columns.mean(axis=0)
    if num_queries == 1:
        return [Interval(float(mean), None, None, 1) for mean in means]
    random = np.random.default_rng(seed)
    resampled = np.empty((RESAMPLES, num_columns))
    for start in range(0, RESAMPLES, _BLOCK):
        weights = random.multinomial(num_queries, np.full(num_queries, 1 / num_queries), size=_BLOCK)
        resampled[start : start + _BLOCK] = weights.astype(np.float64) @ columns / num_queries
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    return [
        Interval(float(mean), float(column_low), float(column_high), num_queries)
        for mean, column_low, column_high in zip(means, low, high, strict=True)
    ]


def percentile_interval(values: NDArray[np.float64], percent: float, seed: int = 0) -> tuple[float, float]:
    """Return the 95% bootstrap interval of a percentile of at least two values."""
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(values), size=(2000, len(values)))
    low, high = np.quantile(np.percentile(values[drawn], percent, axis=1), [0.025, 0.975])
    return float(low), float(high)
