"""What is said of differences, and what the size of their family does."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rerank_eval.gate.verdicts import Judgement, Verdict, judge
from rerank_eval.paired import Column, Difference


def judged(differences: NDArray[np.float64]) -> list[Judgement]:
    """Judge the columns of (num_queries, num_columns), NaN where a query is missing."""
    columns = [
        Column.of({f"q{number:03}": value for number, value in enumerate(column.tolist()) if not np.isnan(value)})
        for column in differences.T
    ]
    return judge(columns, 0.01, seed=1)


def test_a_family_has_its_correction_and_each_column_its_own_queries() -> None:
    random = np.random.default_rng(2)
    column = random.normal(-0.05, 0.12, (60, 1))
    (alone,) = judged(column)
    among = judged(np.hstack([column, random.normal(0, 0.12, (60, 19))]))[0]
    assert alone.verdict is Verdict.REGRESSION
    assert among.difference.p == pytest.approx(20 * alone.difference.p, rel=0.3)
    assert among.difference.detectable is not None
    assert alone.difference.detectable is not None
    assert among.difference.detectable > alone.difference.detectable
    gaps = np.hstack([column, column])
    gaps[:30, 1] = np.nan
    whole, half = judged(gaps)
    assert (whole.difference.num_queries, half.difference.num_queries) == (60, 30)
    assert half.difference.mean == pytest.approx(column[30:].mean())


def test_columns_that_do_not_differ_cost_the_others_nothing() -> None:
    column = np.random.default_rng(2).normal(-0.05, 0.12, (60, 1))
    (alone,) = judged(column)
    among, *unchanged = judged(np.hstack([column, np.zeros((60, 19))]))
    assert (among.difference.p, among.difference.detectable) == pytest.approx(
        (alone.difference.p, alone.difference.detectable), rel=1e-12
    )
    assert {judgement.verdict for judgement in unchanged} == {Verdict.NO_CHANGE}


def test_only_the_same_values_on_both_sides_are_one_comparison() -> None:
    random = np.random.default_rng(2)
    before, change = ({f"q{n:02}": float(x) for n, x in enumerate(random.normal(m, 0.12, 60))} for m in (0.5, -0.04))
    after = {query_id: value + change[query_id] for query_id, value in before.items()}
    higher, lower = ({query_id: value + 0.5 for query_id, value in side.items()} for side in (after, before))
    once = Column.difference(after, before)
    (alone,) = judge([once], 0.01, seed=1)
    twice = judge([once, Column.difference(dict(after), dict(before))], 0.01, seed=1)
    assert twice == [alone, alone]
    others = judge([once, Column.difference(higher, lower)], 0.01, seed=1)
    assert others[0].difference.p == pytest.approx(2 * alone.difference.p)


def test_one_query_gives_no_verdict_unless_it_is_the_same() -> None:
    dropped, same = judged(np.array([[-1.0, 0.0]]))
    assert dropped == (Verdict.TOO_NOISY, Difference(-1.0, None, None, 1.0, 0, 0, 1, None))
    assert same.verdict is Verdict.NO_CHANGE


def test_ties_that_shift_by_the_same_little_are_no_regression() -> None:
    """Guards the t test: all signs alike are the least likely flip, though one query decides the mean."""
    differences = np.full((43, 1), -0.005)
    differences[0] = -0.5
    (judgement,) = judged(differences)
    assert judgement.difference.mean < -0.01
    assert judgement.verdict is Verdict.TOO_NOISY


def test_a_handful_of_queries_that_differ_is_no_regression() -> None:
    """Guards the randomisation test: t takes the mean of five equal drops among ties for normal."""
    differences = np.zeros((43, 1))
    differences[:5] = -0.5
    (judgement,) = judged(differences)
    assert judgement.difference.high is not None
    assert judgement.difference.high < 0
    assert judgement.difference.p == pytest.approx(1 / 16, abs=0.01)
    assert judgement.verdict is Verdict.TOO_NOISY
