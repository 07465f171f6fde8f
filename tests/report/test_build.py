"""From result folders to a report: numbers as recorded, one family of comparisons, refusals with the reason."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rerank_eval.errors import DataError, NotEvaluableError
from rerank_eval.report.build import build_report
from rerank_eval.report.decision import Constraint
from rerank_eval.report.overview import count_collections
from rerank_eval.report.pdf import render_pdf
from rerank_eval.report.reading_tables import list_reading_tables, make_matrix
from rerank_eval.results.reading import read_recorded
from rerank_eval.results.recorded import Cell, RecordedResult
from rerank_eval.significance import family_p_values
from rerank_eval.statistics import has_difference
from tests.fakes import Broken, Hashed, make_dataset
from tests.report.results import NUM_QUERIES, make_result

NONE = Constraint()
EVERY_QUERY = [f"q{number:03}" for number in range(NUM_QUERIES)]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RecordedResult:
    return make_result(tmp_path_factory.mktemp("result"), latency_queries=20)


def test_means_intervals_and_latency_are_the_recorded_ones(result: RecordedResult) -> None:
    report = build_report([result], NONE)
    for series, system in zip(report.datasets[0].series, result.systems, strict=True):
        for point, depth in zip([series.first_stage, *series.points], system.depths, strict=True):
            assert point.depth == depth.depth
            for name, estimate in point.estimates.items():
                assert tuple(estimate) == (
                    depth.measures[name].mean,
                    depth.measures[name].low,
                    depth.measures[name].high,
                )
            assert point.total_p50 is not None
            assert depth.total_latency is not None
            assert point.total_p50.value == depth.total_latency["p50_ms"]


def test_differences_are_those_of_result_json_and_p_is_adjusted_over_all_comparisons(result: RecordedResult) -> None:
    report = build_report([result], NONE)
    adjusted, compared = [], []
    for series in report.datasets[0].series:
        for point in series.points:
            for name in report.measures:
                difference = point.to_first_stage[name]
                recorded = next(s for s in result.systems if s.name == series.system)
                at_depth = next(d for d in recorded.depths if d.depth == point.depth).measures[name].difference
                assert at_depth is not None
                assert (difference.mean, difference.low, difference.high) == pytest.approx(
                    (at_depth["mean"], at_depth["low"], at_depth["high"]), abs=1e-12
                )
                assert difference.wins + difference.ties + difference.losses == NUM_QUERIES
                after = result.scores[Cell(series.system, point.depth, name)]
                before = result.scores[Cell(series.system, 0, name)]
                compared.append((after, before))
                adjusted.append((difference.p, difference.is_p_at_most))
                if name in point.to_best:
                    adjusted.append((point.to_best[name].p, point.to_best[name].is_p_at_most))
                    best = max(
                        (
                            result.scores[Cell(s.system, p.depth, name)]
                            for s in report.datasets[0].series
                            if s.system != "oracle"
                            for p in s.points
                        ),
                        key=lambda values: sum(values.values()),
                    )
                    compared.append((after, best))
    distinct = [pair for number, pair in enumerate(compared) if pair not in compared[:number]]
    stack = np.array([[after[q] - before[q] for q in sorted(after)] for after, before in distinct]).T
    assert sum(map(has_difference, stack.T)) == report.num_comparisons
    (family,) = family_p_values([stack], 13)
    assert adjusted == [family[distinct.index(pair)] for pair in compared]


def test_the_oracle_is_a_bound_and_never_the_choice(result: RecordedResult) -> None:
    report = build_report([result], NONE)
    oracle = next(series.index for series in report.datasets[0].series if series.system == "oracle")
    assert all(place.series != oracle for front in report.datasets[0].fronts.values() for place in front)
    assert "oracle" not in report.answer


def test_changes_show_both_rankings_with_grades_and_movement(result: RecordedResult) -> None:
    report = build_report([result], NONE)
    changes = report.datasets[0].changes
    assert changes
    for change in changes:
        label = report.datasets[0].series[change.series].system
        assert change.after == result.scores[Cell(label, change.depth, change.measure)][change.query_id]
        assert change.before != change.after
        assert change.text
        assert [document.rank for document in change.top_after] == list(range(1, len(change.top_after) + 1))
        before = {document.doc_id: document.rank for document in change.top_before}
        for document in change.top_after:
            assert document.text
            assert document.score is not None or document.rank > change.depth
            assert before.get(document.doc_id, document.rank_before) == document.rank_before


def test_the_same_results_in_any_order_give_the_same_report(result: RecordedResult, tmp_path: Path) -> None:
    other = make_result(tmp_path, retriever="other")
    assert build_report([result, other], NONE) == build_report([other, result], NONE)


def test_several_first_stages_are_labelled_and_crossed(result: RecordedResult, tmp_path: Path) -> None:
    report = build_report([result, make_result(tmp_path, retriever="other")], NONE)
    labels = [series.label for series in report.datasets[0].series]
    assert sorted(labels) == ["hashed over fixed", "hashed over other", "oracle over fixed", "oracle over other"]
    assert {(cell.retriever, cell.system) for cell in report.datasets[0].matrix} == {
        (first, system) for first in ("fixed", "other") for system in ("hashed", "oracle")
    }
    table = make_matrix(report)
    assert list(table.frame["first stage"]) == ["fixed", "fixed", "other", "other"]
    assert "first-stages" in [one.name for one in list_reading_tables(report)]
    assert render_pdf(report, drawings=[]).startswith(b"%PDF")


def test_runs_of_one_system_over_time_are_told_apart(result: RecordedResult, tmp_path: Path) -> None:
    again = make_result(tmp_path)
    labels = [series.label for series in build_report([result, again], NONE).datasets[0].series]
    assert len(set(labels)) == len(labels) == 4


def test_several_datasets_have_a_macro_average(result: RecordedResult, tmp_path: Path) -> None:
    other = make_result(tmp_path, dataset=make_dataset(20), name="second")
    report = build_report([result, other], NONE)
    assert [dataset.name for dataset in report.datasets] == ["second", "tiny"]
    row = next(row for row in report.macro if (row.label, row.depth) == ("hashed", 5))
    means = [next(p for p in d.series[0].points if p.depth == 5).estimates["R@2"].mean for d in report.datasets]
    assert row.means["R@2"] == pytest.approx(sum(means) / 2)


def test_parts_of_one_collection_count_as_one_dataset_in_the_average(result: RecordedResult, tmp_path: Path) -> None:
    parts = [make_result(tmp_path, dataset=make_dataset(number), name=f"part{number}") for number in (20, 25)]
    parts = [replace(part, dataset={**part.dataset, "part_of": "forums"}) for part in parts]
    report = build_report([result, *parts], NONE)
    row = next(row for row in report.macro if (row.label, row.depth) == ("hashed", 5))
    one, other, alone = (
        next(p for p in d.series[0].points if p.depth == 5).estimates["R@2"].mean for d in report.datasets
    )
    assert row.means["R@2"] == pytest.approx(((one + other) / 2 + alone) / 2)
    assert count_collections(report.datasets) == 2


def test_another_machine_is_said_and_has_no_common_front(result: RecordedResult, tmp_path: Path) -> None:
    folder = make_result(tmp_path, retriever="other", latency_queries=20).path
    document = json.loads((folder / "result.json").read_text())
    document["provenance"]["hardware"]["processor"] = "another"
    (folder / "result.json").write_text(json.dumps(document))
    dataset = build_report([result, read_recorded(folder)], NONE).datasets[0]
    assert not dataset.same_hardware
    assert not any(dataset.fronts.values())
    assert any("different machines" in warning for warning in dataset.warnings)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"depths": (2, 4)}, "depths differ: 2, 5"),
        ({"measures": ("nDCG@10",)}, "measures differ: nDCG@10, R@2"),
        ({"dataset": make_dataset(NUM_QUERIES, 13)}, "the dataset's sha256 differ"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(
    result: RecordedResult, tmp_path: Path, other: dict[str, object], what: str
) -> None:
    with pytest.raises(DataError, match=f"^not comparable: {what}"):
        build_report([result, make_result(tmp_path, **other)], NONE)  # type: ignore[arg-type]


def test_a_result_without_any_value_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(NotEvaluableError, match="nothing to report"):
        build_report([make_result(tmp_path, [Broken(lambda _: None, EVERY_QUERY)])], NONE)


def test_a_system_without_values_is_left_out_and_named(tmp_path: Path) -> None:
    dataset = build_report([make_result(tmp_path, [Broken(lambda _: None, EVERY_QUERY), Hashed()])], NONE).datasets[0]
    assert [series.system for series in dataset.series] == ["hashed"]
    assert any(warning.startswith("broken at depth 2: no query has an answer") for warning in dataset.warnings)


def test_one_query_has_means_without_intervals(tmp_path: Path) -> None:
    point = build_report([make_result(tmp_path, dataset=make_dataset(1))], NONE).datasets[0].series[0].points[0]
    assert point.estimates["nDCG@10"].low is None
    assert point.to_first_stage["nDCG@10"].p == 1.0


def test_a_first_stage_that_was_not_timed_has_no_total(result: RecordedResult, tmp_path: Path) -> None:
    """Guards a run file whose rerankers alone looked faster than a search with reranking."""
    other = make_result(tmp_path, retriever="other").path
    rows = (result.path / "latency.jsonl").read_text()
    (other / "latency.jsonl").write_text("".join(f"{row}\n" for row in rows.splitlines() if '"depth": 0' not in row))
    document = json.loads((other / "result.json").read_text())
    latency = {"source": "measured", "count": 20, "mean_ms": 0.1, "p50_ms": 0.1, "p95_ms": 0.1}
    for system in document["systems"]:
        for depth in system["depths"][1:]:
            depth["latency"] = latency
    (other / "result.json").write_text(json.dumps(document))
    untimed = read_recorded(other)
    mixed = build_report([result, untimed], NONE).datasets[0]
    assert all((point.total_p95 is None) == (one.retriever == "other") for one in mixed.series for point in one.points)
    assert "the latency of other is not known: its systems have no total latency" in mixed.warnings
    alone = build_report([untimed], NONE).datasets[0]
    assert all(point.total_p95 == point.own_p95 is not None for one in alone.series for point in one.points)
    assert "the latency of other is not known: total latencies are the rerankers' alone" in alone.warnings


def test_too_few_timed_queries_are_said(tmp_path: Path) -> None:
    few = build_report([make_result(tmp_path, latency_queries=5)], NONE).datasets[0]
    assert any("too few timed queries for a p95 of hashed, oracle" in warning for warning in few.warnings)


def test_a_macro_average_is_of_the_same_system_over_the_same_first_stage(
    result: RecordedResult, tmp_path: Path
) -> None:
    elsewhere = make_result(tmp_path, dataset=make_dataset(20), name="second", retriever="other")
    assert build_report([result, elsewhere], NONE).macro == []


def test_settings_that_differ_are_in_the_names(result: RecordedResult, tmp_path: Path) -> None:
    """Guards a gain "to bm25 alone" that does not say which of two."""
    folder = make_result(tmp_path).path
    document = json.loads((folder / "result.json").read_text())
    document["retriever"]["identity"]["k1"] = 0.3
    document["systems"][0]["config"] = {"max_length": 32, "threads": 2}
    (folder / "result.json").write_text(json.dumps(document))
    series = build_report([result, read_recorded(folder)], NONE).datasets[0].series
    assert {one.retriever for one in series} == {"fixed (k1=None)", "fixed (k1=0.3)"}
    assert "hashed (max_length=32, threads=2) over fixed (k1=0.3)" in [one.label for one in series]
