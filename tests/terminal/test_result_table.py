"""What a person sees."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from rerank_eval.results.depth_results import DepthResult, MeasureResult
from rerank_eval.results.experiment import ExperimentResult, SystemResult
from rerank_eval.terminal.progress import ProgressBars
from rerank_eval.terminal.result_table import print_result, print_warnings


def measure(mean: float | None, difference: float | None = None) -> MeasureResult:
    if mean is None:
        return MeasureResult(None, None, None, 0)
    found = None if difference is None else {"mean": difference, "low": difference - 0.1, "high": difference + 0.1}
    return MeasureResult(mean, mean - 0.1, mean + 0.1, 5, found)


def same(mean: float) -> MeasureResult:
    return MeasureResult(mean, mean - 0.1, mean + 0.1, 5, {"mean": 0.0, "low": 0.0, "high": 0.0})


FIRST = DepthResult(0, {"nDCG@10": measure(0.5)}, 1.0, total_latency={"p50_ms": 1.5, "p95_ms": 12.3})
BETTER = DepthResult(10, {"nDCG@10": measure(0.6, 0.1)}, 1.0, latency={"p50_ms": 2.25, "p95_ms": None})
RESULT = ExperimentResult(
    status="complete",
    dataset={"name": "tiny", "split": "test", "num_documents": 9, "num_queries": 5},
    retriever={"name": "[bold]fixed", "depth": 10},
    systems=[SystemResult("x", {}, None, None, None, 0, [FIRST, BETTER])],
    ceiling={10: {"nDCG@10": 0.9}},
    settings={},
    warnings=["data: 2 [odd] things"],
    failures=[f"x failed on query q{i}" for i in range(7)],
    provenance={},
    scores=[],
    latency=[],
    runs={},
)


def shown(result: ExperimentResult) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    print_result(result, console)
    print_warnings(result, console)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_a_difference_that_rounds_to_zero_has_no_sign() -> None:
    noise = MeasureResult(0.5, 0.4, 0.6, 5, {"mean": -0.00004, "low": -0.0004, "high": 0.0004})
    lines = shown(with_depths(DepthResult(10, {"nDCG@10": noise}, 1.0)))
    assert any("] 0.0000 [0.000,0.000] " in line for line in lines)


def with_depths(*depths: DepthResult) -> ExperimentResult:
    return replace(RESULT, systems=[replace(RESULT.systems[0], depths=[FIRST, *depths])])


def test_the_table_has_measures_with_intervals_differences_and_latency() -> None:
    lines = shown(RESULT)
    assert lines[0] == "tiny (test): 9 documents, 5 judged queries; first stage [bold]fixed, 10 deep"
    assert "[bold]fixed (first stage) 0 0.5000 [.400,.600] 1.50 12" in lines
    assert "x 10 0.6000 [.500,.700] +0.1000 [0.000,+0.200] 2.25 n/a" in lines
    assert "(ceiling) 10 0.9000" in lines


def test_warnings_and_the_first_failures_are_shown() -> None:
    lines = shown(RESULT)
    assert "warning: data: 2 [odd] things" in lines
    assert [line for line in lines if line.startswith("failed: x failed")] == [
        f"failed: x failed on query q{i}" for i in range(5)
    ]
    assert lines[-1] == "failed: 2 more, in result.json"


def test_what_answers_of_providers_cost_is_one_line_and_unknown_is_not_0() -> None:
    def asked(depth: int, usd: float | None) -> DepthResult:
        return DepthResult(depth, {"nDCG@10": measure(0.6, 0.1)}, None, usage={"calls": 5, "usd": usd})

    def paid(name: str, *depths: DepthResult) -> SystemResult:
        return SystemResult(name, {}, None, None, None, 0, [FIRST, *depths], asks_provider=True)

    def cost_of(*systems: SystemResult) -> list[str]:
        return [
            line
            for line in shown(replace(RESULT, systems=list(systems), provenance={"answers_usd": 0.03}))
            if "USD" in line
        ]

    known = paid("api[x]", asked(10, 0.01), asked(20, 0.025))
    local = replace(paid("mine", asked(10, 0.0)), asks_provider=False)
    unknown = paid("b", asked(20, None))
    text = "USD per 1,000 queries: api[x] 2.000 at depth 10, 5.000 at depth 20"
    together = "The answers of this table together, each once, those kept before included:"
    assert cost_of(known, local) == [f"{text}. {together} 0.0300 USD"]
    assert cost_of(known, unknown) == [f"{text}; b n/a at depth 20. {together} n/a USD"]
    assert cost_of(local) == []


def test_a_system_that_changes_nothing_has_one_row() -> None:
    depths = [DepthResult(depth, {"nDCG@10": same(0.5)}, 1.0) for depth in (10, 20)]
    assert "x 10-20 as depth 0 n/a n/a" in shown(with_depths(*depths))


def test_the_one_row_of_a_system_that_changes_nothing_hides_no_latency() -> None:
    def timed(depth: int, p50: float | None, p95: float | None) -> DepthResult:
        latency = {"source": "recorded", "p50_ms": p50, "p95_ms": p95}
        return DepthResult(depth, {"nDCG@10": same(0.5)}, 1.0, latency=latency)

    assert "x 5-20 as depth 0 299-1006* 310-1060*" in shown(
        with_depths(timed(5, 299.0, 310.0), timed(20, 1006.0, 1060.0))
    )
    assert "x 5-20 as depth 0 1006* n/a" in shown(with_depths(timed(5, None, None), timed(20, 1006.2, None)))
    assert "x 5-20 as depth 0 1006* 1060*" in shown(with_depths(timed(5, 1006.1, 1060.0), timed(20, 1006.2, 1060.4)))


def test_failures_are_in_the_row_and_unknown_is_not_a_number() -> None:
    lines = shown(with_depths(DepthResult(10, {"nDCG@10": measure(None)}, None, failures=5)))
    row = next(line for line in lines if line.startswith("x "))
    assert row == "x (0 of 5 queries) 10 n/a n/a n/a"


@pytest.mark.parametrize("width", [80, 90, 100, 200])
def test_no_number_is_cut_in_a_narrow_terminal(width: int) -> None:
    names = ("nDCG@10", "RR@10", "R@10")
    first = replace(FIRST, measures={name: measure(0.5) for name in names})
    better = replace(BETTER, measures={name: measure(0.6, 0.1) for name in names})
    result = replace(
        RESULT,
        retriever={"name": "bm25", "depth": 10},
        systems=[SystemResult("minilm", {}, None, None, None, 0, [first, better])],
        ceiling={10: dict.fromkeys(names, 0.9)},
    )
    console = Console(file=io.StringIO(), width=width)
    print_result(result, console)
    assert isinstance(console.file, io.StringIO)
    words = console.file.getvalue().split()
    for number in ("[.500,.700]", "+0.1000", "[0.000,+0.200]", "2.25", "0.9000"):
        assert number in words


def test_one_query_has_no_interval() -> None:
    single = MeasureResult(0.25, None, None, 1, {"mean": 0.25, "low": None, "high": None})
    assert "x (1 of 5 queries) 10 0.2500 [n/a] +0.2500 [n/a] n/a n/a" in shown(
        with_depths(DepthResult(10, {"nDCG@10": single}, None))
    )


@pytest.mark.parametrize(("status", "word"), [("incomplete", "INCOMPLETE"), ("not_evaluable", "NOT EVALUABLE")])
def test_a_result_that_is_not_whole_says_so_first(status: str, word: str) -> None:
    result = replace(RESULT, status="incomplete" if status == "incomplete" else "not_evaluable")
    assert shown(result)[0].endswith(f"; {word}")


@pytest.mark.parametrize("terminal", [True, False])
def test_bars_only_on_a_terminal_notes_always(terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with ProgressBars(console) as progress:
        progress.advance()
        progress.start("[bold]first", 2)
        progress.start("second", 2)
        progress.advance()
        progress.note("resumed [3] of 5")
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "resumed [3] of 5" in text
    assert terminal or text == "[bold]first: 2 to do\nsecond: 2 to do\nresumed [3] of 5\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_long_work_says_every_30_seconds_how_much_is_done_where_there_is_no_bar(terminal: bool) -> None:
    times = [0.0]
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, get_time=lambda: times[-1])
    with ProgressBars(console) as progress:
        progress.start("encoding [all]", 100)
        for seconds in (10.0, 29.0, 31.0, 32.0, 60.0, 61.0, 100.0):
            times.append(seconds)
            progress.advance(10)
        progress.start("searching", 5)
        times.append(129.0)
        progress.advance()
    assert isinstance(console.file, io.StringIO)
    lines = [line for line in console.file.getvalue().splitlines() if " of " in line]
    assert terminal or lines == [f"encoding [all]: {count} of 100" for count in (30, 60, 70)]
    assert not terminal or not any(line.startswith("encoding [all]: ") for line in lines)
