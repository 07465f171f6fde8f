"""Intervals of means over queries, by the paired bootstrap, and of percentiles, by order statistics.

Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).
"""

import math
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


def percentile_interval(
    values: NDArray[np.float64], percent: float, num_independent: int
) -> tuple[float | None, float | None]:
    """Return the 95% interval of a percentile by order statistics; a bound is None where the sample is too small for one.

    The number of values below the percentile is binomial whatever their distribution (Conover, Practical Nonparametric
    Statistics, 1999, section 3.2): with 20 values the upper bound of p95 is unknown, since in 36% of samples all 20 lie below it.
    `num_independent` counts values that are repetitions of each other once.
    """
    below = _binomial_distribution(num_independent, percent / 100)
    low = int(np.searchsorted(below, 0.025, side="right"))  # the largest rank with P(fewer than rank below) <= 2.5%
    high = int(np.searchsorted(below, 0.975, side="left")) + 1  # the smallest with P(at least rank below) <= 2.5%
    ordered = np.sort(values)

    def value_at(rank: int) -> float:
        return float(ordered[-(-rank * len(ordered) // num_independent) - 1])  # rounded up in integers, so exactly

    return (value_at(low) if low >= 1 else None, value_at(high) if high <= num_independent else None)


def _binomial_distribution(trials: int, probability: float) -> NDArray[np.float64]:
    """Return P(at most k successes) for k = 0 … trials."""
    successes = np.arange(trials + 1)
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    log_probabilities = (
        log_factorials[-1]
        - log_factorials[successes]
        - log_factorials[trials - successes]
        + successes * math.log(probability)
        + (trials - successes) * math.log(1 - probability)
    )
    return np.cumsum(np.exp(log_probabilities))
