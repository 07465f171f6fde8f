"""The p of a family of paired differences; against scipy where the method is the same."""

import numpy as np
import pytest
from scipy import stats

from rerank_eval.paired import Column, compare_family
from rerank_eval.significance import PValue, SignFlips, family_p_values
from rerank_eval.statistics import RESAMPLES, holm, t_test_p_values

_NUM_QUERIES, _FAMILY = 43, 126


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def p_by_flips(columns: np.ndarray, seed: int, resamples: int = RESAMPLES) -> list[float]:
    found: list[float] = SignFlips(columns, seed, resamples).p_values().tolist()
    return found


@pytest.mark.parametrize("num_queries", [2, 5, 9, 13])
def test_p_of_few_queries_is_that_of_scipys_exact_test(random: np.random.Generator, num_queries: int) -> None:
    columns = np.column_stack([random.normal(0.3, 1, num_queries), random.integers(-1, 2, num_queries)])
    expected = [
        stats.permutation_test(
            (column,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
        ).pvalue
        for column in columns.T
    ]
    assert p_by_flips(columns, seed=1) == pytest.approx(expected, abs=1e-9)


def test_p_of_many_queries_is_near_that_of_the_t_test(random: np.random.Generator) -> None:
    columns = random.normal([0, 0.03, 0.1], 0.3, (400, 3))
    found = p_by_flips(columns, seed=1)
    assert found == pytest.approx(stats.ttest_1samp(columns, 0).pvalue, abs=0.015)
    assert p_by_flips(columns, seed=1) == found
    assert p_by_flips(-columns, seed=1) == found
    assert min(found) >= 1 / (1 + RESAMPLES)


def test_p_counts_as_documented(random: np.random.Generator) -> None:
    columns = random.normal(0.1, 0.3, (30, 2))
    flips = np.random.default_rng(4).integers(0, 256, (500, 4), dtype=np.uint8)
    signs = 1.0 - 2.0 * np.unpackbits(flips, axis=1)[:, :30]
    as_extreme = (np.abs(signs @ columns) >= np.abs(columns.sum(axis=0))).sum(axis=0)
    assert p_by_flips(columns, seed=4, resamples=500) == pytest.approx((1 + as_extreme) / 501, abs=1e-9)


def test_further_resamples_count_like_the_first(random: np.random.Generator) -> None:
    """The sums from tables of bytes are those of a product, and only the chosen columns get more."""
    columns = random.normal(0.1, 0.3, (30, 3))
    flips = SignFlips(columns, 4, 500)
    before = flips.p_values()
    flips.extend(np.array([2, 0]), 2500)
    draws = np.random.default_rng(4)
    first = draws.integers(0, 256, (500, 4), dtype=np.uint8)
    drawn = np.concatenate([first, draws.integers(0, 256, (4, 2000), dtype=np.uint8).T])
    signs = 1.0 - 2.0 * np.unpackbits(drawn, axis=1)[:, :30]
    as_extreme = (np.abs(signs @ columns) >= np.abs(columns.sum(axis=0))).sum(axis=0)
    assert flips.p_values()[[0, 2]] == pytest.approx((1 + as_extreme[[0, 2]]) / 2501, abs=1e-12)
    assert flips.p_values()[1] == before[1]


def test_the_bounds_are_those_of_clopper_and_pearson(random: np.random.Generator) -> None:
    columns = np.column_stack([random.normal(0.1, 0.3, 40), np.zeros(40), np.full(40, 1.0)])
    flips = SignFlips(columns, 1, 1000)
    least, most = flips.bounds()
    extreme = round(flips.p_values()[0] * 1001 - 1)
    interval = stats.binomtest(extreme, 1000).proportion_ci(0.99)
    assert (least[0], most[0]) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert (least[1], most[1]) == (pytest.approx(0.005 ** (1 / 1000), abs=1e-9), 1.0)
    assert (least[2], most[2]) == (0.0, pytest.approx(1 - 0.005 ** (1 / 1000), abs=1e-9))
    assert flips.is_at_most().tolist() == [False, False, True]


def test_a_family_can_be_significant_however_large_it_is() -> None:
    assert max(holm(p_by_flips(np.full((40, 300), 0.1), 0, 30_000))) <= 0.05
    assert all(p.value <= 0.05 for p in family_p_values([np.full((40, 300), 0.1)], 0)[0])


@pytest.mark.parametrize("num_queries", [1, 5, 40])
def test_nothing_differs_or_one_query_gives_p_1(num_queries: int) -> None:
    zeros = np.zeros((num_queries, 2))
    assert p_by_flips(zeros, seed=0) == t_test_p_values(zeros) == [1.0, 1.0]
    assert p_by_flips(np.array([[0.5]]), seed=0) == t_test_p_values(np.array([[0.5]])) == [1.0]
    assert family_p_values([zeros], 0) == [[PValue(1.0), PValue(1.0)]]
    assert family_p_values([], 0) == []
    with pytest.raises(ValueError, match="there is no query"):
        SignFlips(np.empty((0, 1)), 0, 500)


def test_rounding_does_not_make_equal_sums_differ() -> None:
    """0.1 + 0.2 - 0.3 is not 0 in floats; every flip of such differences is as extreme as what was seen."""
    assert p_by_flips(np.array([[0.1, 0.2, -0.3]]).T, seed=0) == [1.0]


def test_the_paired_p_is_the_larger_of_both_tests_adjusted_over_all_that_differ() -> None:
    columns = np.random.default_rng(5).normal(0.3, 0.4, (10, 6))
    columns[:, 5] = 0.0
    both = list(map(max, p_by_flips(columns[:, :5], 13), t_test_p_values(columns[:, :5])))
    (found,) = family_p_values([columns], 13)
    assert [p.value for p in found] == pytest.approx([*holm(both), 1.0], abs=1e-12)


def near_the_level() -> np.ndarray:
    """Return a family in which one comparison has an adjusted p of about 0.04, and the others are clear."""
    draw = np.random.default_rng(21)
    columns = draw.normal(0.0, 0.1, (_NUM_QUERIES, _FAMILY))
    columns -= columns.mean(axis=0)
    columns[:, 0] *= 0.1 / columns[:, 0].std()
    columns[:, 0] += 0.0611
    return columns


def test_which_side_of_the_level_a_p_is_on_does_not_depend_on_the_seed() -> None:
    """Guards verdicts that another --seed would turn, where Holm multiplies the few resamples that were as extreme by a large family."""
    columns = near_the_level()
    found = [family_p_values([columns], seed)[0][0].value for seed in range(6)]
    few = [_FAMILY * p_by_flips(columns, seed, 110 * _FAMILY)[0] for seed in range(6)]
    assert min(few) <= 0.05 < max(few)
    assert max(found) <= 0.05
    assert max(found) - min(found) < 0.01


def test_no_p_depends_on_the_order_of_the_comparisons() -> None:
    columns = near_the_level()
    order = np.random.default_rng(2).permutation(_FAMILY)
    (found,), (turned,) = (family_p_values([given], 13) for given in (columns, columns[:, order]))
    assert turned == [found[place] for place in order]


def test_a_p_of_which_only_a_bound_is_known_says_so() -> None:
    """Guards a p that was printed as a number where it is what the resamples cannot go below."""
    values = {f"q{number}": 0.1 + 0.01 * (number % 3) for number in range(30)}
    mixed = {query_id: value * (-1) ** number for number, (query_id, value) in enumerate(values.items())}
    zeros = dict.fromkeys(values, 0.0)
    clear, unclear = compare_family([Column.difference(one, zeros) for one in (values, mixed)], 13)
    assert clear is not None
    assert unclear is not None
    assert clear.p == pytest.approx(2 / (1 + RESAMPLES))
    assert clear.is_p_at_most
    assert unclear.p > 0.05
    assert not unclear.is_p_at_most


def test_an_exact_p_stays_exact_where_others_of_the_family_get_more_resamples() -> None:
    """Guards random draws that were added to an enumeration, where datasets of few and of many queries make one family."""
    few = np.random.default_rng(3).normal(0.08, 0.1, (11, 1))
    flips = SignFlips(few, 13, RESAMPLES)
    exact = flips.p_values().tolist()
    flips.extend(np.array([0]), 100_000)
    assert flips.p_values().tolist() == exact
