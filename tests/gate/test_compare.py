"""Verdicts: the rules, what may be compared, what can be evaluated, latency."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rerank_eval import LatencySettings
from rerank_eval.errors import ConfigError, NotComparableError, NotEvaluableError
from rerank_eval.gate.compare import Comparison, compare
from rerank_eval.gate.verdicts import Verdict
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.results.recorded import Cell, RecordedResult
from tests.fakes import make_dataset
from tests.gate_results import NUM_QUERIES, Informed, shift, small_result, with_scores


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RecordedResult:
    return small_result(tmp_path_factory.mktemp("result"))


def verdict_of(comparison: Comparison, system: str, depth: int, measure: str = "nDCG@10") -> Verdict:
    return next(row.verdict for row in comparison.quality if row.cell == Cell(system, depth, measure))


def test_a_result_is_no_change_against_itself(result: RecordedResult) -> None:
    comparison = compare(result, result, measures=["nDCG@10", "RR@10"], strict=True)
    assert comparison.exit_code == 0
    assert set(comparison.verdicts) == {Verdict.NO_CHANGE}
    assert [row.cell for row in comparison.quality] == [
        *(Cell("fixed", 0, "nDCG@10"), Cell("fixed", 0, "RR@10")),
        *(Cell("informed", depth, measure) for depth in (5, 20) for measure in ("nDCG@10", "RR@10")),
    ]
    assert all(
        row.judgement.difference.p == 1 and row.judgement.difference.detectable == 0 for row in comparison.quality
    )
    assert comparison.notes == []


def test_the_first_stage_counts_once_however_many_systems_there_are(tmp_path: Path) -> None:
    two = small_result(tmp_path, Informed("a"), Informed("b"))
    assert [row.cell.system for row in compare(two, two).quality] == ["fixed", "a", "a", "b", "b"]


def test_a_reranker_that_leaves_the_order_costs_nothing_however_many_depths_it_has(tmp_path: Path) -> None:
    """Guards the family: `none` at each depth has the values of depth 0, which one change of the first stage would count as many."""

    def judged(*depths: int) -> Comparison:
        before = small_result(tmp_path / f"{depths}", NoReranker(), depths=depths, retrieval_depth=20)
        moved = {
            cell: {query_id: value - 0.02 * (int(query_id[1:]) % 4) for query_id, value in values.items()}
            for cell, values in before.scores.items()
        }
        return compare(before, replace(before, scores=moved))

    few, many = judged(5), judged(5, 10, 15, 20)
    assert (len(few.quality), len(many.quality)) == (2, 5)
    assert few.num_comparisons == many.num_comparisons == 1
    assert {row.judgement.difference for row in many.quality} == {few.quality[0].judgement.difference}


@pytest.mark.parametrize(
    ("by", "expected", "exit_code"),
    [
        (lambda index: -0.1 + index % 3 / 100, Verdict.REGRESSION, 1),
        (lambda index: 0.1 - index % 3 / 100, Verdict.IMPROVED, 0),
        (lambda index: -0.005 + index % 3 / 1000, Verdict.NO_CHANGE, 0),  # certain, and smaller than min_effect
        (lambda index: math.sin(index) / 2, Verdict.TOO_NOISY, 0),
    ],
)
def test_each_verdict(result: RecordedResult, by: object, expected: Verdict, exit_code: int) -> None:
    comparison = compare(result, shift(result, "informed", by))  # type: ignore[arg-type] # lambdas of parametrize
    assert verdict_of(comparison, "informed", 5) is verdict_of(comparison, "informed", 20) is expected
    assert verdict_of(comparison, "fixed", 0) is Verdict.NO_CHANGE
    assert comparison.exit_code == exit_code


def test_strict_fails_where_it_is_too_noisy(result: RecordedResult) -> None:
    noisy = shift(result, "informed", lambda index: math.sin(index) / 2)
    assert compare(result, noisy).exit_code == 0
    assert compare(result, noisy, strict=True).exit_code == 1
    assert compare(result, noisy, min_effect=0.9, strict=True).exit_code == 0


def test_min_effect_is_what_a_drop_must_exceed(result: RecordedResult) -> None:
    dropped = shift(result, "informed", lambda index: -0.1 + index % 3 / 100)  # 0.09 in the mean
    assert compare(result, dropped, min_effect=0.089).exit_code == 1
    assert compare(result, dropped, min_effect=0.091).exit_code == 0


def with_settings(result: RecordedResult, config: dict[str, Any], fingerprint: str | None) -> RecordedResult:
    systems = [replace(system, config=config, fingerprint=fingerprint) for system in result.systems]
    return replace(result, systems=systems)


def test_a_system_of_the_same_name_with_other_settings_is_noted(result: RecordedResult) -> None:
    """Guards a verdict on a model cut at 8 tokens that did not say so."""
    before = with_settings(result, {"model": {"max_length": 512, "dtype": "auto"}}, "a" * 64)
    after = with_settings(result, {"model": {"max_length": 8, "dtype": "auto"}}, "b" * 64)
    comparison = compare(before, after)
    assert comparison.notes == [
        "informed has other settings: model.max_length is 512 in the baseline, 8 in the candidate"
    ]
    assert comparison.exit_code == 0


@pytest.mark.parametrize(("config"), [{}, {"max_length": 8}])
def test_a_system_that_is_another_behind_its_name_is_noted(result: RecordedResult, config: dict[str, Any]) -> None:
    """A baseline file has no settings, only the fingerprint."""
    comparison = compare(with_settings(result, {}, "a" * 64), with_settings(result, config, "b" * 64))
    assert comparison.notes == [
        "informed is another one: its settings, model or code differ (fingerprint aaaaaaaa in the baseline, bbbbbbbb in the candidate)"
    ]


def test_many_other_settings_are_counted(result: RecordedResult) -> None:
    configs = ({str(number): number + add for number in range(9)} for add in (0, 1))
    (note,) = compare(*(with_settings(result, config, None) for config in configs)).notes
    assert note.count(" in the candidate") == 5
    assert note.endswith("; 4 more differ")


def test_settings_that_are_not_known_are_no_note(result: RecordedResult) -> None:
    assert compare(with_settings(result, {}, None), with_settings(result, {"seed": 1}, "b" * 64)).notes == []


def test_the_worst_verdict_comes_first(result: RecordedResult) -> None:
    cell = Cell("informed", 20, "nDCG@10")
    dropped = with_scores(result, cell, {key: value - 0.2 for key, value in result.scores[cell].items()})
    comparison = compare(result, dropped)
    assert [row.verdict for row in comparison.quality] == ["regression", "no change", "no change"]
    assert comparison.quality[0].cell == cell


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("dataset", {"name": "other"}, "the dataset is tiny in .* and other in .*renew the baseline"),
        ("dataset", {"split": "dev"}, "the split is test in"),
        ("dataset", {"sha256": "0" * 64}, "the hash of the data is .* and 0000"),
        ("dataset", {"relevance_level": 2}, "the relevance level is 1 in .* and 2 in"),
        ("retriever", {"depth": 7}, "the first stage's depth is 20 in .* and 7 in"),
        ("settings", {"measures": ["RR@10"]}, "lacks nDCG@10; it has RR@10"),
    ],
)
def test_what_must_be_equal(result: RecordedResult, part: str, change: dict[str, object], message: str) -> None:
    changes: dict[str, Any] = {part: {**getattr(result, part), **change}}
    other = replace(result, **changes)
    with pytest.raises(NotComparableError, match=f"^not comparable: .*{message}") as caught:
        compare(result, other)
    assert caught.value.exit_code == 2


def test_a_missing_system_or_depth_is_no_pass(result: RecordedResult, tmp_path: Path) -> None:
    with pytest.raises(NotComparableError, match=r"^not comparable: .* lacks informed: valid: another"):
        compare(result, small_result(tmp_path, Informed("another")))
    with pytest.raises(NotComparableError, match=r"^not comparable: .* lacks informed at depth 20"):
        compare(result, small_result(tmp_path, depths=(5, 10), retrieval_depth=20))


def test_what_only_the_candidate_has_is_noted(result: RecordedResult, tmp_path: Path) -> None:
    more = small_result(tmp_path, Informed(), Informed("another"), depths=(5, 10, 20))
    comparison = compare(result, more)
    assert comparison.exit_code == 0
    assert comparison.notes == [
        "informed has no verdict where the baseline has no value: depth 10",
        "another is new, so there is no verdict on it",
    ]
    changed = replace(result, retriever={**result.retriever, "name": "newer", "sha256": "f" * 64})
    assert compare(result, changed).notes[0].endswith("in the baseline, newer (ffffffff) in the candidate")
    assert {row.cell.system for row in compare(result, changed).quality} == {"fixed", "informed"}


def test_measures_are_found_by_their_short_names_and_counted_once(tmp_path: Path) -> None:
    level_2 = small_result(tmp_path, dataset=replace(make_dataset(6), relevance_level=2))
    comparison = compare(level_2, level_2, measures=["RR@10", "RR(rel=2)@10", "nDCG@10"])
    assert comparison.gate.measures == ("RR(rel=2)@10", "nDCG@10")
    with pytest.raises(NotComparableError, match=r"lacks P\(rel=2\)@5"):
        compare(level_2, level_2, measures=["P@5"])
    with pytest.raises(ConfigError, match="unknown measure 'foo'"):
        compare(level_2, level_2, measures=["foo"])


def test_failures_within_the_baselines_limit_are_paired_and_noted(tmp_path: Path) -> None:
    whole = small_result(tmp_path, max_error_rate=0.05)
    failing = small_result(tmp_path, Informed(broken=lambda index: index < 3), max_error_rate=0.5)
    comparison = compare(whole, failing)
    assert comparison.exit_code == 0
    assert {row.judgement.difference.num_queries for row in comparison.quality} == {NUM_QUERIES, NUM_QUERIES - 3}
    assert (
        comparison.notes[0]
        == "informed at depth 5 is compared on 57 queries; 3 more only in the baseline, 0 only in the candidate"
    )
    too_many = small_result(tmp_path, Informed(broken=lambda index: index < 4), max_error_rate=0.5)
    with pytest.raises(NotEvaluableError, match=r"informed at depth 5: 4 of the 60 queries .* q000 for one; .* 0\.05"):
        compare(whole, too_many)
    assert compare(too_many, whole).exit_code == 0


def test_results_that_are_not_whole_are_not_judged(result: RecordedResult) -> None:
    for status in ("incomplete", "not_evaluable"):
        stopped = replace(result, status=status)
        for pair in ((result, stopped), (stopped, result)):
            with pytest.raises(NotEvaluableError, match=status):
                compare(*pair)


def test_results_without_a_common_query_are_not_judged(result: RecordedResult) -> None:
    lenient = replace(result, settings={**result.settings, "max_error_rate": 1.0})
    cell = Cell("informed", 5, "nDCG@10")
    with pytest.raises(NotEvaluableError, match="informed at depth 5: there is no query that both results answered"):
        compare(lenient, with_scores(result, cell, {}))


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> RecordedResult:
    """Samples of 12 queries, set to 1 ms and a little more, so that no clock decides."""
    found = small_result(tmp_path_factory.mktemp("timed"), latency=LatencySettings(queries=12, repetitions=2, warmup=0))
    return with_latency(found, 1.0)


def with_latency(result: RecordedResult, factor: float) -> RecordedResult:
    samples = {
        place: {key: int(factor * (1_000_000 + 1000 * index)) for index, key in enumerate(sorted(own))}
        for place, own in result.samples.items()
    }
    return replace(result, samples=samples)


@pytest.mark.parametrize(
    ("factor", "limit", "expected", "exit_code"),
    [
        (1.0, 1.1, Verdict.NO_CHANGE, 0),
        (1.5, 1.2, Verdict.SLOWER, 1),
        (1.5, 2.0, Verdict.NO_CHANGE, 0),
        (0.5, 0.6, Verdict.NO_CHANGE, 0),
    ],
)
def test_latency_by_the_interval_of_the_ratio(
    timed: RecordedResult, factor: float, limit: float, expected: Verdict, exit_code: int
) -> None:
    comparison = compare(timed, with_latency(timed, factor), max_latency_ratio=limit)
    assert [(row.system, row.depth, row.verdict) for row in comparison.latency] == [
        ("informed", 5, expected),
        ("informed", 20, expected),
    ]
    assert comparison.latency[0].ratio.ratio == pytest.approx(factor, abs=1e-6)
    assert comparison.exit_code == exit_code
    assert compare(timed, with_latency(timed, factor)).latency == []


def test_latency_that_may_lie_on_either_side_is_too_noisy(timed: RecordedResult) -> None:
    noisy = {
        place: {key: value * (1 + 3 * (index // 2 % 2)) for index, (key, value) in enumerate(sorted(own.items()))}
        for place, own in timed.samples.items()
    }
    for strict in (False, True):
        comparison = compare(timed, replace(timed, samples=noisy), max_latency_ratio=2.0, strict=strict)
        assert {row.verdict for row in comparison.latency} == {Verdict.TOO_NOISY}
        assert comparison.exit_code == int(strict)


def test_latency_is_not_compared_across_machines_or_without_samples(
    timed: RecordedResult, result: RecordedResult
) -> None:
    hardware = {**timed.provenance["hardware"], "processor": "other"}
    moved = replace(with_latency(timed, 9.0), provenance={**timed.provenance, "hardware": hardware})
    comparison = compare(timed, moved, max_latency_ratio=1.1)
    assert comparison.exit_code == 0
    assert comparison.notes[0].startswith("latency not compared: measured on other hardware")
    with pytest.raises(NotEvaluableError, match="neither result has a latency"):
        compare(result, result, max_latency_ratio=1.1)
    with pytest.raises(
        NotEvaluableError, match=r"want of two queries .*: informed at depth 5; informed at depth 20; set"
    ):
        compare(timed, result, max_latency_ratio=1.1)


def test_a_depth_without_latency_in_either_result_is_noted_and_no_hindrance(timed: RecordedResult) -> None:
    """As of a reranker behind an API at a depth at which it was not asked by itself."""
    apart = replace(timed, samples={place: own for place, own in timed.samples.items() if place != ("informed", 5)})
    comparison = compare(apart, apart, max_latency_ratio=1.1)
    assert [(row.system, row.depth) for row in comparison.latency] == [("informed", 20)]
    assert comparison.notes == ["latency not compared, as neither result has one: informed at depth 5"]
    with pytest.raises(NotEvaluableError, match=r"want of two queries .*: informed at depth 5; set"):
        compare(timed, apart, max_latency_ratio=1.1)
