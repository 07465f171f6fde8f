"""Systems that ask no provider beside one that does: what is paid, what is best for its cost, what a limit allows, whose p95 lacks."""

from pathlib import Path

import pytest

from rerank_eval import Settings, evaluate
from rerank_eval.configuration import CONF
from rerank_eval.report.build import build_report
from rerank_eval.report.decision import Constraint
from rerank_eval.report.html_tables import make_cost_table
from rerank_eval.report.reading_tables import make_reading_tables
from rerank_eval.report.selections import point_at
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.results.reading import read_recorded
from rerank_eval.results.recorded import RecordedResult
from rerank_eval.results.writing import write_result
from rerank_eval.settings import LatencySettings
from tests.fakes import FixedRetriever, Hashed, make_dataset
from tests.fault_server import FaultServer
from tests.report.results import make_result

M = "nDCG@10"


def evaluated(parent: Path, num_queries: int = 30, latency_queries: int = 0) -> RecordedResult:
    latency = LatencySettings(queries=latency_queries)
    settings = Settings((2, 5), (M,), retrieval_depth=12, latency=latency, prices_path=CONF / "prices.yaml")
    response = {"search_units": "meta.billed_units.search_units"}
    with FaultServer() as server:
        paid = HttpRerank(server.url, "rerank-v4.0-pro", "cohere", "api", response=response)
        found = evaluate(make_dataset(num_queries), FixedRetriever(), [NoReranker(), Hashed(), paid], settings)
    return read_recorded(write_result(found, parent))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RecordedResult:
    return evaluated(tmp_path_factory.mktemp("free"))


def test_what_asks_no_provider_costs_nothing_at_any_depth(result: RecordedResult) -> None:
    series = build_report([result], Constraint()).datasets[0].series
    assert [one.first_stage.usd_per_1000 for one in series] == [0, 0, 0]
    costs = {one.label: [point.usd_per_1000 for point in one.points] for one in series}
    assert costs == {"none": [0, 0], "hashed": [0, 0], "api": [None, pytest.approx(2.5)]}


def test_nothing_dearer_and_worse_than_the_first_stage_is_best_for_its_cost(result: RecordedResult) -> None:
    dataset = build_report([result], Constraint()).datasets[0]
    free = [point for one in dataset.series[:2] for point in (one.first_stage, *one.points)]
    best_free = max(point.estimates[M].mean for point in free)
    front = [point_at(dataset.series, place) for place in dataset.cost_fronts[M]]
    assert (front[0].usd_per_1000, front[0].estimates[M].mean) == (0, best_free)
    assert all(point.estimates[M].mean > best_free for point in front[1:])


def test_the_limit_treats_what_is_free_alike(result: RecordedResult) -> None:
    report = build_report([result], Constraint(None, 0.0))
    series = report.datasets[0].series
    free = [point for one in series[:2] for point in (one.first_stage, *one.points)]
    best = max(point.estimates[M].mean for point in free)
    assert report.constraint is not None
    assert f"within 0 USD per 1000 queries is {M} {best:.3f}" in report.constraint


def test_where_nothing_is_paid_there_is_no_choice_by_cost(tmp_path: Path) -> None:
    dataset = build_report([make_result(tmp_path)], Constraint()).datasets[0]
    assert dataset.cost_fronts == {M: [], "R@2": []}


def test_a_total_over_fewer_queries_than_the_rerankers_own_latency_says_so(tmp_path: Path) -> None:
    """Guards against a total below the reranker's own without a reason: one is over the timed queries, the other over all."""
    report = build_report([evaluated(tmp_path, num_queries=30, latency_queries=20)], Constraint())
    (dataset,) = report.datasets
    (warning,) = [warning for warning in dataset.warnings if "total latency of" in warning]
    assert warning.startswith("the total latency of api is over fewer samples than its own")
    (costs,) = [tables.costs.frame for tables in make_reading_tables(report)]
    shown = dict(zip(costs["system"] + costs["depth"].astype(str), costs["n"], strict=True))
    assert (shown["hashed5"], shown["api5"]) == ("20", "30 own, 20 total")
    table = make_cost_table(dataset, {series.label: series.label for series in dataset.series})
    assert "Where n has two numbers" in table.note
    assert {("20", ""), ("30", "total 20")} <= {(cell.text, cell.detail) for row in table.rows for cell in row.cells}


@pytest.mark.parametrize(
    ("num_queries", "latency_queries", "expected"),
    [
        (30, 5, ["latency: too few timed queries for a p95 of none, hashed, api; set latency.queries=20 or more"]),
        (8, 0, ["latency: too few queries with a recorded latency for a p95 of api; it needs 20"]),
        (30, 20, []),
    ],
)
def test_more_timed_queries_are_asked_for_only_where_they_help(
    num_queries: int, latency_queries: int, expected: list[str], tmp_path: Path
) -> None:
    dataset = build_report([evaluated(tmp_path, num_queries, latency_queries)], Constraint()).datasets[0]
    assert [warning for warning in dataset.warnings if "p95" in warning] == expected
