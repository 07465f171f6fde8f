"""Intervals, paired tests, corrections; against scipy where the method is the same."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rerank_eval.configuration import CONF
from rerank_eval.significance import SignFlips
from rerank_eval.statistics import (
    RESAMPLES,
    count_outcomes,
    holm,
    holm_where_different,
    mean_intervals,
    minimum_detectable_effect,
    percentile_interval,
    ratio_of_medians_interval,
    t_test_p_values,
)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(values=st.lists(st.floats(0, 1), min_size=6, max_size=30))
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


def test_fewer_than_six_queries_have_no_interval() -> None:
    """Guards against [+0.369, +0.369] of two queries; six that agree are the first whose difference can be significant."""
    differences = np.array([[0.37], [0.36], [0.38], [0.37], [0.37], [0.36]])
    assert [mean_intervals(differences[:count], seed=0)[0].low for count in (2, 5)] == [None, None]
    low = mean_intervals(differences, seed=0)[0].low
    assert low is not None
    assert low > 0
    six, five = (float(SignFlips(differences[:count], 0, RESAMPLES).p_values()[0]) for count in (6, 5))
    assert six <= 0.05 < five


def test_equal_values_have_an_interval_without_width() -> None:
    interval = mean_intervals(np.full((7, 1), 0.25), seed=0)[0]
    assert interval == pytest.approx((0.25, 0.25, 0.25, 7), abs=1e-12)
    assert RESAMPLES % 500 == 0


@pytest.mark.parametrize("num_queries", [6, 12, 43, 200])
def test_the_interval_is_the_expanded_percentile_interval(random: np.random.Generator, num_queries: int) -> None:
    """By its definition (Hesterberg 2015) on resamples drawn one at a time in the order that is promised by the seed."""
    columns = random.random((num_queries, 2))
    draws = np.random.default_rng(7)
    picked = np.concatenate(
        [draws.integers(0, num_queries, (500, num_queries), dtype=np.uint32) for _ in range(RESAMPLES // 500)]
    )
    tail = stats.norm.cdf(-math.sqrt(num_queries / (num_queries - 1)) * stats.t.ppf(0.975, num_queries - 1))
    expected = np.quantile(columns[picked].mean(axis=1), [tail, 1 - tail], axis=0)
    found = [interval[1:3] for interval in mean_intervals(columns, seed=7)]
    assert pytest.approx(expected, abs=1e-9) == np.array(found).T


def test_the_t_test_is_scipys(random: np.random.Generator) -> None:
    columns = random.normal(0.1, 0.3, (25, 4))
    assert t_test_p_values(columns) == pytest.approx(stats.ttest_1samp(columns, 0).pvalue, abs=1e-9)
    assert t_test_p_values(np.full((5, 1), 0.25)) == [0.0]


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # worked by hand
        ([0.5, 0.5], [1.0, 1.0]),
        ([0.2], [0.2]),
        ([0.0, 1.0, 0.01], [0.0, 1.0, 0.02]),
        ([], []),
    ],
)
def test_holm_in_worked_cases(p_values: list[float], expected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_the_order_and_lies_between_no_correction_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, found in zip(p_values, adjusted, strict=True):
        assert (
            p <= found <= max(min(1.0, len(p_values) * p), max(min(1.0, len(p_values) * q) for q in p_values if q <= p))
        )
    by_p = [found for _, found in sorted(zip(p_values, adjusted, strict=True))]
    assert by_p == sorted(by_p)


def test_the_manual_says_from_how_many_queries_p95_has_an_upper_bound() -> None:
    bounds = {count: percentile_interval(np.arange(1.0, count + 1), 95, count)[1] for count in range(60, 90)}
    fewest = min(count for count, bound in bounds.items() if bound is not None)
    assert f"p95 may lie; {fewest} do)" in (CONF.parent / "docs" / "latency.md").read_text(encoding="utf-8")


def test_wins_ties_and_losses_ignore_rounding() -> None:
    differences = np.array([0.5, 1e-15, -1e-15, 0.0, -0.1, 0.1 + 0.2 - 0.3])
    assert count_outcomes(differences) == (1, 4, 1)


def test_the_detectable_effect_is_that_of_the_t_distribution(random: np.random.Generator) -> None:
    differences = random.normal(0, 0.2, 50)
    quantiles = stats.t.ppf(1 - 0.05 / 24, 49) + stats.t.ppf(0.8, 49)
    expected = quantiles * differences.std(ddof=1) / math.sqrt(50)
    assert minimum_detectable_effect(differences, 12) == pytest.approx(expected, abs=1e-9)
    assert minimum_detectable_effect(differences + 7, 12) == pytest.approx(expected, abs=1e-9)


def test_the_detectable_effect_of_special_cases() -> None:
    assert minimum_detectable_effect(np.zeros(1), 5) == 0.0  # identical runs
    assert minimum_detectable_effect(np.array([0.5]), 1) is None
    five, six = np.array([0.1, 0.2, 0.3, 0.1, 0.2]), np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.1])
    assert minimum_detectable_effect(five, 1) is None  # the least p that five signs can give is 1/16
    assert minimum_detectable_effect(six, 1) is not None
    assert minimum_detectable_effect(six, 2) is None
    assert minimum_detectable_effect(np.full(20, 0.25), 1) == 0.0


def test_a_drop_of_the_detectable_effect_is_seen_about_as_often_as_promised(random: np.random.Generator) -> None:
    effect = minimum_detectable_effect(np.tile([0.2, -0.2], 20), 1)
    assert effect is not None
    samples = random.choice([0.2, -0.2], (40, 600)) - effect
    assert np.mean(np.array(t_test_p_values(samples)) <= 0.05) == pytest.approx(0.8, abs=0.06)


def test_the_ratio_of_medians_is_that_of_all_samples_with_an_interval_around_it(random: np.random.Generator) -> None:
    baseline = [list(random.lognormal(0, 0.3, 1 + index % 3)) for index in range(30)]
    candidate = [[1.5 * value for value in own] for own in baseline]
    found = ratio_of_medians_interval(candidate, baseline, seed=1)
    assert found == pytest.approx((1.5, 1.5, 1.5, 30), abs=1e-9)  # it is paired: the same queries on both sides
    other = [list(random.lognormal(0, 0.3, 2)) for _ in range(30)]
    ratio, low, high, _ = ratio_of_medians_interval(other, baseline, seed=1)
    assert ratio == pytest.approx(np.median(np.concatenate(other)) / np.median(np.concatenate(baseline)), abs=1e-12)
    assert low is not None
    assert high is not None
    assert low < ratio < high
    assert ratio_of_medians_interval(other, baseline, seed=1) == (ratio, low, high, 30)


def test_the_resampled_medians_are_numpys(random: np.random.Generator) -> None:
    """Against medians of the samples written out query by query, for the resamples that the seed promises."""
    baseline = [list(random.random(1 + index % 3) + 0.5) for index in range(9)]
    candidate = [list(random.random(2) + 0.5) for _ in range(9)]
    draws = np.random.default_rng(5)
    picked = np.concatenate([draws.integers(0, 9, (500, 9), dtype=np.uint32) for _ in range(RESAMPLES // 500)])
    ratios = [
        np.median(np.concatenate([candidate[i] for i in row])) / np.median(np.concatenate([baseline[i] for i in row]))
        for row in picked
    ]
    tail = stats.norm.cdf(-math.sqrt(9 / 8) * stats.t.ppf(0.975, 8))
    found = ratio_of_medians_interval(candidate, baseline, seed=5)
    assert found[1:3] == pytest.approx(np.quantile(ratios, [tail, 1 - tail]), abs=1e-9)


def test_one_query_has_a_ratio_without_interval_and_other_queries_have_none() -> None:
    assert ratio_of_medians_interval([[3.0, 1.0]], [[1.0]], seed=0) == (2.0, None, None, 1)
    with pytest.raises(ValueError, match="no ratio"):
        ratio_of_medians_interval([[1.0]], [[1.0], [2.0]], seed=0)
    with pytest.raises(ValueError, match="no ratio"):
        ratio_of_medians_interval([], [], seed=0)


def test_identical_runs_take_no_share_of_the_error_rate() -> None:
    """Guards a gate that lost its power to rows that cannot differ, such as those of a first stage that did not change."""
    assert holm_where_different([0.01, 1.0, 0.03, 1.0], [True, False, True, False]) == [0.02, 1.0, 0.03, 1.0]
    assert holm_where_different([1.0], [False]) == [1.0]
