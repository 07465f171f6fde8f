"""The table of answers on a terminal."""

import io
from dataclasses import replace

from rich.console import Console

from rerank_eval.results.depth_results import AnswerResult, DepthResult, MeasureResult
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.terminal.answer_table import print_answers
from tests.terminal.test_result_table import RESULT, with_depths

MEASURES = {
    "context_precision@5": MeasureResult(0.4, 0.3, 0.5, 63),
    "context_recall@5": MeasureResult(0.5, 0.4, 0.6, 63),
    "exact_match": MeasureResult(0.25, 0.2, 0.3, 60),
    "token_f1": MeasureResult(0.75, 0.7, 0.8, 60, {"mean": 0.0476, "low": -0.048, "high": 0.143}),
}
CHAIN = {"calls": 60, "input_tokens": 66000, "output_tokens": 600, "usd": 0.06}
ANSWER = AnswerResult(5, 60, MEASURES, 1, 2, 3, {}, CHAIN, {"p50_ms": 51.75}, {"p50_ms": 791.2})
UNKNOWN = replace(ANSWER, failures=0, chain=dict.fromkeys(CHAIN), latency=None, chain_latency=None)


def shown(result: ExperimentResult, width: int = 200) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_answers(result, console)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def answered(*answers: AnswerResult | None) -> ExperimentResult:
    depths = [DepthResult(10 * number, {}, None, answer=answer) for number, answer in enumerate(answers, start=1)]
    return with_depths(*depths)


def test_a_row_has_the_measures_and_what_the_chain_took() -> None:
    lines = shown(answered(None, ANSWER, UNKNOWN))
    assert lines[1] == (
        "answers of depth P@5 R@5 exact match token F1 Δ token F1 queries tokens per query USD per 1000 p50 ms chain p50 ms"
    )
    assert lines[2] == (
        "x 20 0.4000 0.5000 0.2500 0.7500 [.700,.800] +0.0476 [-0.048,+0.143] 60 (3 failed) 1,110 1.000 52 791"
    )
    assert lines[3] == "x 30 0.4000 0.5000 0.2500 0.7500 [.700,.800] +0.0476 [-0.048,+0.143] 60 n/a n/a n/a n/a"


def test_on_a_narrow_terminal_there_are_two_tables_and_no_number_is_cut() -> None:
    lines = shown(answered(replace(ANSWER, failures=0)), width=80)
    assert any(line.startswith("x 10 0.4000 0.5000 0.2500 0.7500") for line in lines)
    assert any("[-0.048,+0.143]" in line for line in lines)
    assert "x 10 60 1,110 1.000 52 791" in lines


def test_nothing_is_printed_where_nothing_was_answered() -> None:
    assert shown(RESULT) == []
