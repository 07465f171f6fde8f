"""What went wrong with calls, as a result: in result.json, in the terminal, in the report, and read back."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from rerank_eval.errors import DataError
from rerank_eval.evaluation.provider_calls import describe_faults
from rerank_eval.protocols import Reranker
from rerank_eval.report.build import build_report
from rerank_eval.report.decision import Constraint
from rerank_eval.report.export import write_report
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.results.depth_results import Reliability
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.results.reading import read_recorded
from rerank_eval.results.writing import write_result
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.terminal.result_table import print_result
from rerank_eval.types import Request, Scores, Usage
from tests.fakes import FixedRetriever, Hashed, make_dataset
from tests.fault_server import GOOD, Asked, Behaviour, FaultServer

SETTINGS = Settings(depths=(3, 6), latency=LatencySettings(queries=0), max_error_rate=1.0)


class Repairing(Hashed):
    """Four calls an answer, of which one was repaired and two fell back, one of them for a refusal."""

    def score(self, request: Request) -> Scores:
        return replace(super().score(request), usage=Usage(calls=4, repairs=1, fallbacks=2, refusals=1))


def run(*rerankers: Reranker) -> ExperimentResult:
    return evaluate(make_dataset(), FixedRetriever(), rerankers, SETTINGS)


def behave(asked: Asked) -> Behaviour:
    """One query is never answered; another at the third attempt."""
    if "pass question" in asked.body["query"]:
        return Behaviour(500, {})
    return Behaviour(503, {}, {"retry-after": "0"}) if asked.turn in (0, 1) else GOOD


def test_failed_queries_and_retries_are_rates_and_every_failed_attempt_is_told() -> None:
    with FaultServer(behave) as server:
        reranker = HttpRerank(server.url, "m", "cohere", "api", calls={"concurrency": 1, "attempts": 3})
        result = run(reranker)
    _, other, asked = result.systems[0].depths
    assert other.reliability == Reliability(error_rate=1 / 6)
    assert asked.reliability == Reliability(1 / 6, retry_rate=2 / 5, repair_rate=0, fallback_rate=0, refusal_rate=0)
    assert result.systems[0].depths[0].reliability is None
    assert "cohere: 5 attempts of this run failed: 3 x answered 500, 2 x answered 503" in result.warnings


def test_of_many_kinds_of_faults_the_most_frequent_are_told() -> None:
    faults = {("p", f"fault {number}"): number for number in range(1, 9)}
    (sentence,) = describe_faults(faults)
    assert sentence.startswith("p: 36 attempts of this run failed: 8 x fault 8, 7 x fault 7")
    assert sentence.endswith("4 x fault 4, and 3 kinds more")


def test_a_reranker_that_counts_no_calls_has_an_error_rate_only() -> None:
    class Uncounted(Hashed):
        def score(self, request: Request) -> Scores:
            return Scores(super().score(request).values)

    assert run(Uncounted()).systems[0].depths[-1].reliability == Reliability(0.0)


def test_fallbacks_stand_beside_the_measure_in_terminal_and_report(tmp_path: Path) -> None:
    result = run(Repairing("llm"))
    expected = Reliability(0.0, 0.0, 0.25, 0.5, 0.25)
    assert result.systems[0].depths[-1].reliability == expected
    console = Console(file=io.StringIO(), width=200)
    print_result(result, console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "llm (50.0% fell back)" in shown
    line = "reliability of llm at depth 6: 0.0% of queries failed; per call: retry 0.0%, repair 25.0%, fallback 50.0%, refusal 25.0%"
    assert line in shown
    folder = write_result(result, tmp_path)
    recorded = read_recorded(folder)
    assert recorded.systems[0].depths[-1].reliability == expected
    report = build_report([recorded], Constraint())
    write_report(report, tmp_path / "r", ["html", "md", "csv"])
    page = (tmp_path / "r" / "report.html").read_text()
    assert "Reliability per system and depth" in page
    assert "50.0% fell back" in page
    written = {path.name: path.read_text() for path in (tmp_path / "r" / "tables").iterdir()}
    assert "| llm | 6 | 0 | 0.0% | 0.0% | 25.0% | 50.0% | 25.0% |" in written["reliability-tiny.md"]
    assert "fallback rate" in written["results-tiny.csv"].splitlines()[0]


def test_a_result_from_before_is_read_and_a_wrong_rate_is_refused(tmp_path: Path) -> None:
    folder = write_result(run(Repairing("llm")), tmp_path)
    path = folder / "result.json"
    document = json.loads(path.read_text())
    document["systems"][0]["depths"][-1]["reliability"]["retry_rate"] = "often"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="reliability is no mapping of numbers"):
        read_recorded(folder)
    for depth in document["systems"][0]["depths"]:
        del depth["reliability"]
    path.write_text(json.dumps(document))
    recorded = read_recorded(folder)
    assert recorded.systems[0].depths[-1].reliability is None
    write_report(build_report([recorded], Constraint()), tmp_path / "r", ["html", "md"])
    assert not (tmp_path / "r" / "tables" / "reliability-tiny.md").exists()
