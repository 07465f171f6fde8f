"""Intervals of means and of percentiles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rerank_eval.statistics import RESAMPLES, mean_intervals, percentile_interval


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(values=st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_an_interval_lies_around_the_mean_and_within_the_values(values: list[float]) -> None:
    interval = mean_intervals(np.array([values]).T, seed=1)[0]
    assert interval.num_queries == len(values)
    assert interval.low is not None
    assert interval.high is not None
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9
    assert interval.low - 1e-9 <= interval.mean <= interval.high + 1e-9


def test_equal_inputs_and_seeds_give_equal_intervals_and_other_seeds_nearly_so(random: np.random.Generator) -> None:
    columns = random.random((50, 2))
    assert mean_intervals(columns, seed=5) == mean_intervals(columns.copy(), seed=5)
    for one, other in zip(mean_intervals(columns, seed=5), mean_intervals(columns, seed=6), strict=True):
        assert one != other
        assert one == pytest.approx(other, abs=0.01)


def test_a_column_has_the_same_interval_alone_and_among_others(random: np.random.Generator) -> None:
    columns = random.random((40, 3))
    alone = mean_intervals(columns[:, 1:2], seed=2)[0]
    assert mean_intervals(columns, seed=2)[1] == pytest.approx(alone, abs=1e-12)


def test_the_interval_of_a_difference_is_paired(random: np.random.Generator) -> None:
    base = random.random(60)
    better = base + 0.02
    low, high = mean_intervals(np.array([better - base]).T, seed=0)[0][1:3]
    assert (low, high) == pytest.approx((0.02, 0.02), abs=1e-9)
    own = mean_intervals(np.array([base, better]).T, seed=0)
    assert own[0].high is not None
    assert own[1].low is not None
    assert own[1].low < own[0].high


def test_the_interval_agrees_with_the_normal_one_where_that_holds(random: np.random.Generator) -> None:
    values = random.normal(0.5, 0.1, size=400)
    half_width = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    interval = mean_intervals(np.array([values]).T, seed=0)[0]
    expected = (values.mean(), values.mean() - half_width, values.mean() + half_width)
    assert interval[:3] == pytest.approx(expected, abs=half_width * 0.08)


def test_intervals_hold_the_true_mean_as_often_as_those_of_the_t_distribution(random: np.random.Generator) -> None:
    samples = random.random((60, 200))  # 200 experiments of 60 queries
    found = [(i.low, i.high) for i in mean_intervals(samples, seed=0) if i.low is not None and i.high is not None]
    covering = np.mean([low <= 0.5 <= high for low, high in found])
    distances = np.abs(samples.mean(axis=0) - 0.5) / (samples.std(axis=0, ddof=1) / np.sqrt(60))
    assert len(found) == 200
    assert covering == pytest.approx(np.mean(distances <= 2.001), abs=0.03)  # 2.001: 97.5% of t with 59 degrees


def test_one_query_has_a_mean_and_no_interval_and_none_has_neither() -> None:
    assert mean_intervals(np.array([[0.5, 0.25]]), seed=0) == [(0.5, None, None, 1), (0.25, None, None, 1)]
    with pytest.raises(ValueError, match="there is no query"):
        mean_intervals(np.empty((0, 1)), seed=0)


def test_equal_values_have_an_interval_without_width() -> None:
    interval = mean_intervals(np.full((7, 1), 0.25), seed=0)[0]
    assert interval == pytest.approx((0.25, 0.25, 0.25, 7), abs=1e-12)
    assert RESAMPLES % 500 == 0


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
