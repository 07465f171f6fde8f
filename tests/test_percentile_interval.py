"""Intervals of percentiles, against what the binomial distribution says exactly."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rerank_eval.statistics import percentile_interval


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def one_to(count: int) -> NDArray[np.float64]:
    return np.arange(1.0, count + 1)


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [
        (5, 50, (None, None)),  # all 5 lie on one side of the median in 1 of 16 samples
        (6, 50, (1, 6)),
        (20, 50, (6, 15)),
        (20, 95, (17, None)),
        (71, 95, (63, None)),  # 0.95**71 is 2.6%
        (72, 95, (64, 72)),  # 0.95**72 is 2.49%
        (73, 95, (65, 73)),
    ],
)
def test_the_interval_of_a_percentile_in_cases_known_exactly(
    count: int, percent: float, expected: tuple[float | None, float | None]
) -> None:
    assert percentile_interval(one_to(count)[::-1], percent, count) == expected


@pytest.mark.parametrize("percent", [50, 95])
@pytest.mark.parametrize("count", [20, 100])
def test_each_bound_of_a_percentile_is_wrong_in_at_most_2_5_percent_of_samples(
    random: np.random.Generator, count: int, percent: float
) -> None:
    samples = random.random((4000, count))  # uniform, so that the percentile is known; only ranks matter
    intervals = [percentile_interval(sample, percent, count) for sample in samples]
    too_high = np.mean([low is not None and low > percent / 100 for low, _ in intervals])
    too_low = np.mean([high is not None and high < percent / 100 for _, high in intervals])
    noise = 3 * np.sqrt(0.025 * 0.975 / len(samples))
    assert too_high <= 0.025 + noise
    assert too_low <= 0.025 + noise
    assert too_high + too_low <= 0.05 + noise
    known = [low is not None and (high is not None or (count, percent) == (20, 95)) for low, high in intervals]
    assert all(known)  # an interval without bounds would never be wrong


@pytest.mark.parametrize("percent", [50, 95])
@pytest.mark.parametrize("repetitions", [2, 3, 5, 20])
def test_values_that_only_repeat_each_other_make_no_interval_narrower(percent: float, repetitions: int) -> None:
    for count in range(1, 120):
        once = percentile_interval(one_to(count), percent, count)
        assert percentile_interval(np.repeat(one_to(count), repetitions), percent, count) == once
