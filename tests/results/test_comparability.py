"""Which results may be compared or reported together, which values are paired, and what is noted beside them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.errors import DataError, NotComparableError, NotEvaluableError
from rerank_eval.results.comparability import (
    Pair,
    check_evaluable,
    check_reportable,
    choose_measures,
    note_changes,
    pair_values,
)
from rerank_eval.results.recorded import Cell, RecordedResult
from tests.gate_results import Informed, small_result, with_scores

CELL = Cell("informed", 5, "nDCG@10")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RecordedResult:
    return small_result(tmp_path_factory.mktemp("result"), max_error_rate=0.05)


def without(result: RecordedResult, count: int) -> RecordedResult:
    """The result without the values of its first queries at one place."""
    values = dict(sorted(result.scores[CELL].items())[count:])
    return with_scores(result, CELL, values)


def test_without_names_the_first_measure_is_chosen_and_names_are_made_full(result: RecordedResult) -> None:
    assert choose_measures(result, []) == ("nDCG@10",)
    assert choose_measures(result, ["RR@10", "nDCG@10", "RR@10"]) == ("RR@10", "nDCG@10")
    with pytest.raises(NotComparableError, match=r"lacks P@3; it has nDCG@10, RR@10$"):
        choose_measures(result, ["P@3"])


def test_a_pair_has_the_values_of_both_results_and_the_first_stage_comes_once(result: RecordedResult) -> None:
    candidate = without(result, 2)
    pairs = pair_values(result, candidate, ["nDCG@10"])
    places = ["fixed at depth 0", "informed at depth 5", "informed at depth 20"]
    assert [pair.place for pair in pairs] == places
    assert (pairs[1].baseline, pairs[1].candidate) == (result.scores[CELL], candidate.scores[CELL])
    assert pairs[1].common == sorted(candidate.scores[CELL])
    assert len(pairs[0].common) == len(pairs[1].common) + 2


def test_results_of_other_data_or_without_judgments_are_not_comparable(result: RecordedResult) -> None:
    other = replace(result, dataset={**result.dataset, "sha256": "0" * 64})
    with pytest.raises(NotComparableError, match=r"the hash of the data is .* renew the baseline"):
        pair_values(result, other, ["nDCG@10"])
    log = replace(result, dataset={**result.dataset, "is_judged": False})
    with pytest.raises(NotComparableError, match="has no judgments"):
        pair_values(log, log, ["nDCG@10"])


@pytest.mark.parametrize(("missing", "evaluable"), [(3, True), (4, False)])  # of 60 queries, 5% may fail
def test_the_baselines_error_rate_bounds_what_may_be_missing(
    missing: int, evaluable: bool, result: RecordedResult
) -> None:
    candidate = without(result, missing)
    pairs = pair_values(result, candidate, ["nDCG@10"])
    if evaluable:
        check_evaluable(result, candidate, pairs)
        assert note_changes(result, candidate, pairs) == [
            f"informed at depth 5 is compared on 57 queries; {missing} more only in the baseline, 0 only in the candidate"
        ]
    else:
        with pytest.raises(NotEvaluableError, match=r"informed at depth 5: 4 of the 60 queries"):
            check_evaluable(result, candidate, pairs)


def test_a_result_that_is_not_whole_and_a_pair_without_common_queries_are_not_evaluable(result: RecordedResult) -> None:
    with pytest.raises(NotEvaluableError, match="is incomplete"):
        check_evaluable(result, replace(result, status="incomplete"), [])
    with pytest.raises(NotEvaluableError, match="no query that both results answered"):
        check_evaluable(result, result, [Pair(CELL, {}, {"q1": 0.5})])


def test_another_first_stage_and_what_is_new_are_noted(result: RecordedResult, tmp_path: Path) -> None:
    more = small_result(tmp_path, Informed(), Informed("new"), depths=(5, 10, 20))
    more = replace(more, retriever={**more.retriever, "name": "other"})
    first, second, third = note_changes(result, more, [])
    assert first.startswith("the first stage is another one: fixed (")
    assert second == "informed has no verdict where the baseline has no value: depth 10"
    assert third == "new is new, so there is no verdict on it"
    assert note_changes(result, result, []) == []


@pytest.mark.parametrize(
    ("part", "change", "what"),
    [
        ("settings", {"measures": ["AP"]}, "measures differ: nDCG@10, RR@10 in "),
        ("settings", {"depths": [5]}, "depths differ: 5, 20 in "),
        ("dataset", {"split": "dev"}, "the dataset's split differ: test in "),
        ("retriever", {"depth": 7}, "the depth of the first stage differ: "),
    ],
)
def test_one_report_has_one_set_of_measures_depths_and_contents(
    part: str, change: dict[str, Any], what: str, result: RecordedResult
) -> None:
    check_reportable([result, result])
    other: dict[str, Any] = {part: {**getattr(result, part), **change}}
    with pytest.raises(NotComparableError, match=what):
        check_reportable([result, replace(result, **other)])


def test_two_datasets_may_stand_in_one_report_and_no_result_may_not(result: RecordedResult) -> None:
    check_reportable([result, replace(result, dataset={**result.dataset, "name": "other", "sha256": "0" * 64})])
    with pytest.raises(DataError, match="no result to report"):
        check_reportable([])
