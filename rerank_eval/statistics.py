"""Intervals, the paired t test and Holm's correction over queries: what is noise, and what a set of queries can show at all.

Columns are arrays (num_queries, num_columns): per query the values of a measure, or the differences between two systems. A column
of differences makes an interval or a test paired. Equal inputs and seeds give equal results.

Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals); Hesterberg, What Teachers Should
Know About the Bootstrap, The American Statistician 69(4), 2015, section 5.2 (their expansion for small samples); Holm, A Simple
Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6(2), 1979. `significance.py` has the paired p.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
ALPHA = 0.05
POWER = 0.8
_BLOCK = 500
FEWEST_FOR_INTERVAL = 6
"""Below it not even differences of one sign have a two-sided p of 0.05, 2 ** (1 - 6) being the first, so no 95% interval excludes 0."""
ENOUGH_FOR_INTERVAL = 20
"""Below it intervals are too narrow by more than a point or two; `benchmarks/gate.py` measures how often they hold the true mean."""
_TIE = 1e-12


class Interval(NamedTuple):
    """A mean with its 95% interval; `low` and `high` are None where fewer than six queries give none."""

    mean: float
    low: float | None
    high: float | None
    num_queries: int


class Outcomes(NamedTuple):
    """How many queries a difference is above, at and below 0 for."""

    wins: int
    ties: int
    losses: int


class Ratio(NamedTuple):
    """A ratio of medians with its 95% interval; `low` and `high` are None where fewer than two queries give none."""

    ratio: float
    low: float | None
    high: float | None
    num_queries: int


def mean_intervals(columns: NDArray[np.float64], seed: int) -> list[Interval]:
    """Return the mean and 95% interval of each column, by the paired bootstrap: all columns see the same resamples of queries.

    The percentiles are expanded for the small sample: plain ones are too narrow by sqrt((n - 1) / n) and by the normal instead of
    the t distribution, and cover less than 95% where queries are few. Below `FEWEST_FOR_INTERVAL` there is no interval.
    """
    num_queries, num_columns = columns.shape
    if num_queries == 0:
        raise ValueError("there is no query to take the mean of")
    means = columns.mean(axis=0)
    if num_queries < FEWEST_FOR_INTERVAL:
        return [Interval(float(mean), None, None, num_queries) for mean in means]
    random = np.random.default_rng(seed)
    resampled = np.empty((RESAMPLES, num_columns))
    for start in range(0, RESAMPLES, _BLOCK):
        weights = _draw_resamples(random, num_queries).astype(np.float64)
        resampled[start : start + _BLOCK] = weights @ columns / num_queries
    tail = _expanded_tail(num_queries)
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return [
        Interval(float(mean), float(column_low), float(column_high), num_queries)
        for mean, column_low, column_high in zip(means, low, high, strict=True)
    ]


def _draw_resamples(random: np.random.Generator, num_queries: int) -> NDArray[np.int64]:
    """Return how often each query is in each of a block's resamples; five times as fast as multinomial draws."""
    drawn = random.integers(0, num_queries, (_BLOCK, num_queries), dtype=np.uint32)
    places = drawn + num_queries * np.arange(_BLOCK)[:, np.newaxis]  # one count for all rows: a count for each is slow
    return np.bincount(places.ravel(), minlength=places.size).reshape(places.shape)


def _expanded_tail(num_queries: int) -> float:
    """Return the share of resamples to leave out on each side for a 95% interval."""
    from scipy import special

    t = float(special.stdtrit(num_queries - 1, 1 - ALPHA / 2))
    return float(special.ndtr(-math.sqrt(num_queries / (num_queries - 1)) * t))


def t_test_p_values(columns: NDArray[np.float64]) -> list[float]:
    """Return for each column of differences the two-sided p of the paired t test; 1 for zeros and for a single query."""
    from scipy import special

    num_queries, num_columns = columns.shape
    if num_queries < 2:
        return [1.0] * num_columns
    p_values = []
    for mean, deviation in zip(columns.mean(axis=0), columns.std(axis=0, ddof=1), strict=True):
        if deviation <= _TIE:
            p_values.append(float(abs(mean) <= _TIE))
        else:
            t = abs(mean) / (deviation / math.sqrt(num_queries))
            p_values.append(2 * float(special.stdtr(num_queries - 1, -t)))
    return p_values


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values adjusted for being a family, in the order given: those up to 0.05 are significant together."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def holm_where_different(p_values: Sequence[float], is_different: Sequence[bool]) -> list[float]:
    """Return the p values adjusted by Holm over the comparisons in which any query differs; the others have p = 1.

    A comparison of identical runs can never be significant, whatever the signs, and so takes no share of the error rate
    (Tarone, A Modified Bonferroni Method for Discrete Data, Biometrics 1990).
    """
    adjusted = iter(holm([p for p, differs in zip(p_values, is_different, strict=True) if differs]))
    return [next(adjusted) if differs else 1.0 for differs in is_different]


def has_difference(differences: NDArray[np.float64]) -> bool:
    """Return whether any query differs; rounding is no difference."""
    return bool(np.any(np.abs(differences) > _TIE))


def count_outcomes(differences: NDArray[np.float64]) -> Outcomes:
    """Return the wins, ties and losses among differences per query; rounding is no win."""
    wins, losses = int((differences > _TIE).sum()), int((differences < -_TIE).sum())
    return Outcomes(wins, len(differences) - wins - losses, losses)


def minimum_detectable_effect(
    differences: NDArray[np.float64], num_comparisons: int, power: float = POWER, alpha: float = ALPHA
) -> float | None:
    """Return the true mean difference that queries like these show with probability `power`, among `num_comparisons` comparisons.

    By the paired t test at alpha / num_comparisons, Holm's level for the smallest p. 0 for identical runs; None where no difference
    could be shown, because even all signs alike are likelier than that level.
    """
    if not has_difference(differences):
        return 0.0
    num_queries = len(differences)
    level = alpha / num_comparisons
    if num_queries < 2 or 2.0 ** (1 - num_queries) > level:
        return None
    if np.ptp(differences) <= _TIE:
        return 0.0
    from scipy import special

    quantiles = special.stdtrit(num_queries - 1, 1 - level / 2) + special.stdtrit(num_queries - 1, power)
    return float(quantiles * differences.std(ddof=1) / math.sqrt(num_queries))


def ratio_of_medians_interval(
    candidate: Sequence[Sequence[float]], baseline: Sequence[Sequence[float]], seed: int
) -> Ratio:
    """Return median(candidate) / median(baseline) with its 95% interval, by the paired bootstrap over queries.

    Each sequence has the samples of one query, positive and at least one; the two sides have the same queries in the same order.
    A query is drawn with all its samples, since they are no news of other queries.
    """
    num_queries = len(candidate)
    if num_queries == 0 or len(baseline) != num_queries:
        raise ValueError(f"{num_queries} and {len(baseline)} queries have no ratio of medians")
    once = np.ones((1, num_queries), dtype=np.int64)
    ratio = float((_weighted_medians(candidate, once) / _weighted_medians(baseline, once))[0])
    if num_queries == 1:
        return Ratio(ratio, None, None, 1)
    random = np.random.default_rng(seed)
    ratios = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, _BLOCK):
        weights = _draw_resamples(random, num_queries)
        medians = [_weighted_medians(samples, weights) for samples in (candidate, baseline)]
        ratios[start : start + _BLOCK] = medians[0] / medians[1]
    tail = _expanded_tail(num_queries)
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return Ratio(ratio, float(low), float(high), num_queries)


def _weighted_medians(samples: Sequence[Sequence[float]], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median of all samples for each row of `weights`, which says how often each query counts."""
    owners = np.repeat(np.arange(len(samples)), [len(own) for own in samples])
    values = np.concatenate([np.asarray(own, dtype=np.float64) for own in samples])
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[:, owners[order]], axis=1)
    middle = [(below < rank[:, None]).sum(axis=1) for rank in ((below[:, -1] + 1) // 2, below[:, -1] // 2 + 1)]
    medians: NDArray[np.float64] = (values[order][middle[0]] + values[order][middle[1]]) / 2
    return medians


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
