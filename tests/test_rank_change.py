"""Rank change: against values computed by hand and an independent reading of the definition; and runs without judgments."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_eval.errors import NotComparableError
from rerank_eval.gate.baseline import format_baseline
from rerank_eval.gate.compare import compare
from rerank_eval.rank_change import RANK_CHANGE_MEASURES, RBO_PERSISTENCE, compare_run
from rerank_eval.report.build import build_report
from rerank_eval.report.decision import Constraint
from rerank_eval.report.html import render_html
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.results.reading import read_recorded
from rerank_eval.results.writing import write_result
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Ranking
from tests.fakes import FixedRetriever, Hashed, make_dataset


def change(after: str, before: str) -> dict[str, float]:
    found = compare_run({"q": Ranking.from_order(after)}, {"q": Ranking.from_order(before)})
    return {name: values["q"] for name, values in found.items()}


def test_an_unchanged_and_an_empty_ranking_have_1() -> None:
    for ranking in ("abcdefghijkl", "a", ""):
        assert change(ranking, ranking) == pytest.approx(dict.fromkeys(RANK_CHANGE_MEASURES, 1.0))


def test_values_computed_by_hand() -> None:
    assert change("ba", "ab") == pytest.approx({"Kept@1": 0.0, "Kept@10": 1.0, "RBO(p=0.9)": 0.9})
    moved = change("labcdefghijk", "abcdefghijkl")
    assert (moved["Kept@1"], moved["Kept@10"]) == (0.0, 0.9)


@given(st.permutations("abcdefghijklmnop"))
def test_rbo_is_what_its_definition_says(order: list[str]) -> None:
    before = "abcdefghijklmnop"
    p, k = RBO_PERSISTENCE, len(before)
    agreements = [len(set(order[:d]) & set(before[:d])) / d for d in range(1, k + 1)]
    expected = agreements[-1] * p**k + (1 - p) / p * sum(a * p**d for d, a in enumerate(agreements, start=1))
    assert change("".join(order), before)["RBO(p=0.9)"] == pytest.approx(expected)


@pytest.fixture(scope="module")
def result() -> ExperimentResult:
    dataset = replace(make_dataset(num_queries=30), qrels={})
    settings = Settings(depths=[5, 12], measures=["nDCG@10"], latency=LatencySettings(queries=3, warmup=0))
    return evaluate(dataset, FixedRetriever(), [Hashed(), NoReranker()], settings)


def test_a_run_without_judgments_measures_latency_and_rank_change_and_says_so(result: ExperimentResult) -> None:
    assert result.status == "complete"
    assert result.settings["measures"] == list(RANK_CHANGE_MEASURES)
    hashed, none = result.systems
    assert all(m.mean == pytest.approx(1) for depth in none.depths for m in depth.measures.values())
    kept = hashed.depths[1].measures["Kept@10"]
    assert (kept.mean, kept.num_queries) == (1.0, 30)  # 5 of 12 candidates were reordered
    assert 0 < (hashed.depths[2].measures["RBO(p=0.9)"].mean or 0) < 1
    assert hashed.depths[1].latency is not None
    assert hashed.depths[1].judged_at_10 is None
    assert not hashed.depths[1].losses
    assert not result.ceiling
    assert any("no judgments, so quality is unknown" in warning for warning in result.warnings)


def test_the_report_of_such_a_run_claims_nothing_of_quality(result: ExperimentResult, tmp_path: Path) -> None:
    report = build_report([read_recorded(write_result(result, tmp_path))], Constraint(max_p95_ms=100))
    assert "no judgments, so nothing here says which ranking is better" in report.answer
    assert report.num_comparisons == 0
    page = render_html(report)
    assert "says nothing of quality" in page
    for claim in ("higher is better", "Quality against", "Pareto", "cheapest choice", "Failure browser", "best depth"):
        assert claim not in page.split("<main")[1]


def test_the_gate_refuses_such_a_run(result: ExperimentResult, tmp_path: Path) -> None:
    recorded = read_recorded(write_result(result, tmp_path))
    with pytest.raises(NotComparableError, match="has no judgments"):
        format_baseline(recorded)
    with pytest.raises(NotComparableError, match="has no judgments"):
        compare(recorded, recorded)
