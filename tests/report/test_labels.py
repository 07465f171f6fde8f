"""Names in a report: one for each configuration, the same on every dataset, and never two alike."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from rerank_eval.report.build import build_report
from rerank_eval.report.decision import Constraint
from rerank_eval.report.formats import shorten_names
from rerank_eval.report.html import render_html
from rerank_eval.report.model import Report
from rerank_eval.report.reading_tables import list_reading_tables, make_systems
from rerank_eval.results.recorded import RecordedResult
from rerank_eval.types import Request, Scores
from tests.fakes import Hashed, draw, make_dataset
from tests.report.results import make_result

Config = Mapping[str, Any]


class Seeded(Hashed):
    """A system called hashed, with another order for each seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def score(self, request: Request) -> Scores:
        return Scores([draw(f"{self.seed} {request.query.text}", document.text) for document in request.documents])


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, int], RecordedResult]:
    """Return (dataset, seed) -> a result of one system called hashed."""
    parent = tmp_path_factory.mktemp("results")
    return {
        (name, seed): make_result(parent, [Seeded(seed)], dataset=make_dataset(size), name=name)
        for name, size in (("A", 12), ("B", 15))
        for seed in (1, 2)
    }


def configured(
    result: RecordedResult, config: Config | None = None, identity: Config | None = None, started: str = ""
) -> RecordedResult:
    """Return the result as if its system and first stage had these settings."""
    return replace(
        result,
        systems=[replace(system, config=config or {"seed": 1}) for system in result.systems],
        retriever={**result.retriever, "identity": identity or {}},
        provenance={**result.provenance, "started": started or result.provenance["started"]},
    )


def report_on(*results: RecordedResult) -> Report:
    return build_report(results, Constraint())


def mean_of(result: RecordedResult, depth: int) -> float:
    found = next(found for found in result.systems[0].depths if found.depth == depth)
    mean = found.measures["nDCG@10"].mean
    assert mean is not None
    return mean


def labels_of(results: Sequence[RecordedResult]) -> list[str]:
    return [series.label for dataset in report_on(*results).datasets for series in dataset.series]


def reasons(report: Report) -> dict[str, str]:
    return dict(report.not_averaged)


def test_models_of_one_name_are_averaged_each_with_itself(
    measured: Mapping[tuple[str, int], RecordedResult],
) -> None:
    """Guards the mean of model 2 on one dataset and model 1 on the other."""
    one, other = {"model": "one"}, {"model": "two"}
    results = [
        configured(measured["A", 1], one, started="2026-01-01T00:00:01Z"),
        configured(measured["A", 2], other, started="2026-01-01T00:00:02Z"),
        configured(measured["B", 2], other, started="2026-01-01T00:00:03Z"),
        configured(measured["B", 1], one, started="2026-01-01T00:00:04Z"),
    ]
    report = report_on(*results)
    rows = {(row.label, row.depth): row.means["nDCG@10"] for row in report.macro}
    assert rows.keys() >= {("hashed (model=one)", 5), ("hashed (model=two)", 5)}
    for seed, label in ((1, "hashed (model=one)"), (2, "hashed (model=two)")):
        expected = (mean_of(measured["A", seed], 5) + mean_of(measured["B", seed], 5)) / 2
        assert rows[label, 5] == pytest.approx(expected)
    assert report.not_averaged == []


def test_another_model_on_each_dataset_has_no_mean_and_that_is_said(
    measured: Mapping[tuple[str, int], RecordedResult],
) -> None:
    report = report_on(
        configured(measured["A", 1], {"max_length": 8}), configured(measured["B", 1], {"max_length": 512})
    )
    assert {(row.label, row.depth) for row in report.macro} == {("fixed (first stage)", 0)}
    assert reasons(report) == {
        "hashed (max_length=8)": "only on A at depth 2, 5",
        "hashed (max_length=512)": "only on B at depth 2, 5",
    }
    tables = {table.name: table for table in list_reading_tables(report)}
    assert list(tables["not-averaged"].frame["why"]) == ["only on A at depth 2, 5", "only on B at depth 2, 5"]
    assert "only on B at depth 2, 5" in render_html(report, drawings=[])


def test_a_first_stage_that_differs_only_between_datasets_is_two(
    measured: Mapping[tuple[str, int], RecordedResult],
) -> None:
    report = report_on(
        configured(measured["A", 1], identity={"k1": 0.3}), configured(measured["B", 1], identity={"k1": 9})
    )
    assert report.macro == []
    assert reasons(report)["fixed (k1=0.3) (first stage)"] == "only on A"
    assert reasons(report)["hashed over fixed (k1=9)"] == "only on B at depth 2, 5"
    assert "All datasets" in render_html(report, drawings=[])


def test_what_is_common_to_all_datasets_is_averaged(measured: Mapping[tuple[str, int], RecordedResult]) -> None:
    report = report_on(
        configured(measured["A", 1], identity={"k1": 0.3}, started="2026-01-01T00:00:01Z"),
        configured(measured["A", 2], identity={"k1": 9}, started="2026-01-01T00:00:02Z"),
        configured(measured["B", 2], identity={"k1": 9}),
    )
    assert [(row.label, row.depth) for row in report.macro] == [
        ("fixed (k1=9) (first stage)", 0),
        ("hashed", 2),
        ("hashed", 5),
    ]
    assert report.macro[-1].means["nDCG@10"] == pytest.approx(
        (mean_of(measured["A", 2], 5) + mean_of(measured["B", 2], 5)) / 2
    )
    assert set(reasons(report)) == {"fixed (k1=0.3) (first stage)", "hashed over fixed (k1=0.3)"}


def test_run_files_differ_per_dataset_and_are_one_first_stage(
    measured: Mapping[tuple[str, int], RecordedResult],
) -> None:
    report = report_on(
        configured(measured["A", 1], identity={"run_sha256": "a" * 64}),
        configured(measured["B", 1], identity={"run_sha256": "b" * 64}),
    )
    assert [row.label for row in report.macro] == ["fixed (first stage)", "hashed", "hashed"]
    assert report.not_averaged == []


def test_of_two_run_files_of_one_name_none_is_taken_for_that_of_the_other_dataset(
    measured: Mapping[tuple[str, int], RecordedResult],
) -> None:
    report = report_on(
        configured(measured["A", 1], identity={"run_sha256": "a" * 64}, started="2026-01-01T00:00:01Z"),
        configured(measured["A", 2], identity={"run_sha256": "c" * 64}, started="2026-01-01T00:00:02Z"),
        configured(measured["B", 1], identity={"run_sha256": "b" * 64}),
    )
    assert report.macro == []
    assert reasons(report)["fixed (first stage)"] == "only on B"
    assert reasons(report)["fixed (run_sha256=aaaaaaaaaaaa…aaaaaaaaaaa) (first stage)"] == "only on A"


def test_without_judgments_on_one_dataset_there_is_no_mean_and_that_is_said(
    measured: Mapping[tuple[str, int], RecordedResult],
) -> None:
    unjudged = replace(measured["B", 1], dataset={**measured["B", 1].dataset, "is_judged": False})
    report = report_on(measured["A", 1], unjudged)
    assert report.macro == []
    assert reasons(report) == {"every system": "no judgments on B"}


def test_without_settings_the_fingerprint_tells_systems_of_one_name_apart(
    measured: Mapping[tuple[str, int], RecordedResult],
) -> None:
    results = [
        replace(result, systems=[replace(result.systems[0], config={}, fingerprint=digest * 64)])
        for result, digest in ((measured["A", 1], "a"), (measured["B", 1], "b"))
    ]
    assert [row.label for row in report_on(*results).macro] == ["fixed (first stage)"]


def test_one_that_saw_the_judgments_is_the_same_on_every_dataset(
    measured: Mapping[tuple[str, int], RecordedResult],
) -> None:
    """Its fingerprint is of one dataset."""
    results = [
        replace(result, systems=[replace(result.systems[0], config={}, fingerprint=digest * 64, saw_judgments=True)])
        for result, digest in ((measured["A", 1], "a"), (measured["B", 1], "b"))
    ]
    assert [row.label for row in report_on(*results).macro] == ["fixed (first stage)", "hashed", "hashed"]


CHECKPOINTS = [f"/data/models/{'x' * 60}/checkpoint-{steps}" for steps in (1000, 2000)]
STOPWORDS = [[f"word{number}" for number in range(200)] + [last] for last in ("the", "of")]
TWO_PLACES = [f"{'a' * 30}{middle}{'b' * 30}" + "c" * 30 for middle in ("1", "2", "3")]


def test_long_values_are_shown_where_they_differ(measured: Mapping[tuple[str, int], RecordedResult]) -> None:
    """Guards two checkpoints under one long path that had one name."""
    results = [
        configured(measured["A", seed], {"model": model}, started=f"2026-01-01T00:00:0{seed}Z")
        for seed, model in zip((1, 2), CHECKPOINTS, strict=True)
    ]
    report = report_on(*results)
    assert [series.label for series in report.datasets[0].series] == [
        "hashed (model=…point-1000)",
        "hashed (model=…point-2000)",
    ]
    systems = make_systems(report)
    assert list(systems.frame["whole name"]) == [f"hashed (model={model})" for model in CHECKPOINTS]
    assert report.datasets[0].series[0].reranker_key != report.datasets[0].series[1].reranker_key


@pytest.mark.parametrize("values", [CHECKPOINTS, STOPWORDS, TWO_PLACES], ids=["paths", "lists", "middles"])
def test_no_two_settings_have_one_name(
    measured: Mapping[tuple[str, int], RecordedResult], values: Sequence[object]
) -> None:
    for name in ("config", "identity"):
        results = [
            configured(measured["A", 1], **{name: {"value": value, "also": value}}, started=f"2026-01-01T00:00:0{n}Z")
            for n, value in enumerate(values)
        ]
        report = report_on(*results)
        series = report.datasets[0].series
        assert len({one.label for one in series}) == len(values)
        assert len({one.reranker if name == "config" else one.retriever for one in series}) == len(values)
        assert len({one.whole_label for one in series}) == len(values)
        for table in list_reading_tables(report):
            if "depth" in table.columns and "measure" not in table.columns:
                rows = list(zip(table.frame["system"], table.frame["depth"], strict=True))
                assert len(set(rows)) == len(rows), table.name


def test_names_that_cannot_be_told_apart_in_short_have_numbers(
    measured: Mapping[tuple[str, int], RecordedResult],
) -> None:
    values = [f"{'q' * 20}{middle}{'y' * 40}" for middle in (f"{'a' * 30}1", f"{'a' * 30}2", "z")]
    results = [
        configured(measured["A", 1], {"value": value}, started=f"2026-01-01T00:00:0{n}Z")
        for n, value in enumerate(values)
    ]
    series = report_on(*results).datasets[0].series
    for labels in ([one.label for one in series], [one.reranker for one in series]):
        assert len(set(labels)) == 3
        assert [label for label in labels if label.endswith(("#1", "#2"))] == labels[:2]


def test_runs_of_the_same_settings_are_told_apart_by_their_time(
    measured: Mapping[tuple[str, int], RecordedResult],
) -> None:
    same = configured(measured["A", 1], started="2026-01-01T00:00:01Z")
    labels = labels_of([same, configured(measured["A", 2], started="2026-01-01T00:00:02Z"), replace(same)])
    assert labels == [
        "hashed (2026-01-01T00:00:01Z) #1",
        "hashed (2026-01-01T00:00:01Z) #2",
        "hashed (2026-01-01T00:00:02Z)",
    ]


def test_the_matrix_has_every_system_of_one_name(measured: Mapping[tuple[str, int], RecordedResult]) -> None:
    """Guards a system that vanished under another one of its name."""
    results = [
        configured(
            measured["A", seed], {"seed": seed}, {"k1": k1}, started=f"2026-01-01T00:00:0{seed}.{round(10 * k1)}Z"
        )
        for seed in (1, 2)
        for k1 in (0.3, 0.9)
    ]
    cells = report_on(*results).datasets[0].matrix
    assert {(cell.system, cell.retriever) for cell in cells} == {
        (f"hashed (seed={seed})", f"fixed (k1={k1})") for seed in (1, 2) for k1 in (0.3, 0.9)
    }


def test_short_names_keep_their_end_and_stay_apart() -> None:
    names = [f"minilm (model={'m' * 60}{number}) over bm25" for number in range(2)]
    short = shorten_names([*names, "minilm", ""], 48)
    assert all(short[name].endswith(" over bm25") for name in names)
    assert short["minilm"] == "minilm"
    alike = shorten_names([f"{'x' * 60}{number}{'y' * 60}" for number in range(3)], 48)
    assert len(set(alike.values())) == 3
    assert all(len(name) <= 48 for name in [*short.values(), *alike.values()])


def test_a_mean_over_fewer_queries_is_not_averaged_and_that_is_said(
    measured: Mapping[tuple[str, int], RecordedResult],
) -> None:
    """Guards a mean over 17 of 30 queries that stood beside the first stage's over all, with the sign of the difference turned."""
    partly = configured(measured["B", 1])
    scores = {
        cell: {query_id: value for query_id, value in values.items() if cell.depth != 5 or query_id != "q000"}
        for cell, values in partly.scores.items()
    }
    depths = [
        replace(depth, measures={name: replace(found, num_queries=14) for name, found in depth.measures.items()})
        if depth.depth == 5
        else depth
        for depth in partly.systems[0].depths
    ]
    partly = replace(partly, scores=scores, systems=[replace(partly.systems[0], depths=depths)])
    report = report_on(configured(measured["A", 1]), partly)
    assert {row.depth for row in report.macro} == {0, 2}
    assert reasons(report) == {"hashed": "only 14 of 15 queries of B answered at depth 5"}
