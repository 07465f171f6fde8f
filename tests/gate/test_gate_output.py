"""The four ways to write a verdict: hostile names do no harm, sizes are kept, all say the same."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console

from rerank_eval.gate.compare import Comparison, Gate, LatencyRow, QualityRow
from rerank_eval.gate.output import (
    MARKDOWN_BYTES,
    Refusal,
    format_json,
    format_junit,
    format_markdown,
    print_comparison,
    summarise,
)
from rerank_eval.gate.verdicts import Judgement, Verdict
from rerank_eval.paired import Difference
from rerank_eval.results.recorded import Cell
from rerank_eval.statistics import Ratio

HOSTILE = (
    "<script>alert(1)</script></script><img src=x onerror=alert(1)>",
    "a|b`c`\n\n# heading\r\n| x |",
    "$x_{",
    '=cmd()|"calc"!A0',
    "[link](http://example.invalid) ![image](http://example.invalid/x.png) **bold** ~~gone~~ &amp;",
    "[red]markup[/red] [/] [link=file:///etc/passwd]x[/link]",
    "\x00\x07\x1b[31mred\x1b[0m\ud800\ufffe\u202etxt.exe\u2028next",
    "]]> <!-- -- > &lt; &",
    "n" * 300,
)


def row(system: str, verdict: Verdict, depth: int = 10) -> QualityRow:
    difference = Difference(-0.125, -0.25, -0.0625, 0.01, 1, 2, 40, 0.1)
    return QualityRow(Cell(system, depth, "nDCG@10"), 0.75, 0.625, Judgement(verdict, difference))


def comparison(
    rows: Sequence[QualityRow], notes: Sequence[str] = (), strict: bool = False, dataset: str = "tiny"
) -> Comparison:
    gate = Gate(("nDCG@10",), 0.01, strict, 1.5, 13)
    return Comparison(gate, dataset, "a with the baseline b", rows, len(rows), [], notes)


def printed(outcome: Comparison, width: int = 200) -> str:
    file = io.StringIO()
    print_comparison(outcome, Console(file=file, width=width, force_terminal=True, color_system="truecolor"))
    return file.getvalue()


EVERY = comparison([row("one", verdict) for verdict in Verdict if verdict is not Verdict.SLOWER])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_do_no_harm(name: str) -> None:
    outcome = comparison([row(name, Verdict.REGRESSION)], notes=[name], dataset=name)
    xml = format_junit(outcome).encode()  # a lone surrogate would raise
    (case,) = ElementTree.fromstring(xml).iter("testcase")
    assert str(case.get("name")).endswith(" at depth 10: nDCG@10")
    markdown = format_markdown(outcome)
    markdown.encode()
    lines = markdown.split("\n")
    cells = [line for line in lines if line.startswith("| ")]
    assert len(cells) == 3  # headings, rule, one row
    assert len({line.replace("\\|", "").count("|") for line in cells}) == 1
    assert [line for line in lines if line.startswith("#")] == lines[:1]
    assert "\r" not in markdown
    for markup in ("<script", "<img", "**bold", "~~gone", "http://", " [link]", "![", "`c`", "$x_{", "<!--"):
        assert markup not in markdown.replace("\\" + markup[0], "")
    document = json.loads(format_json(outcome))
    assert document["rows"][0]["system"] == name
    text = printed(outcome)
    text.encode()
    assert "\x1b[31mred" not in text
    for unseen in ("\x00", "\x07", "\u202e", "\u2028"):
        assert unseen not in text + markdown + xml.decode()


def test_markup_of_the_terminal_is_shown_and_not_obeyed() -> None:
    text = printed(comparison([row("[red]x[/red] [/] [bold]", Verdict.NO_CHANGE)], notes=["[/] [blink]"]), width=400)
    assert "[red]x[/red] [/] [bold]" in text
    assert "note: [/] [blink]" in text


def test_every_verdict_in_junit() -> None:
    suites = ElementTree.fromstring(format_junit(EVERY))
    counts = {name: suites.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "1", "errors": "0", "skipped": "1"}
    assert [child.tag for case in suites.iter("testcase") for child in case] == [
        *("failure", "skipped", "system-out", "system-out")
    ]
    failure = suites.find(".//failure")
    assert failure is not None
    assert failure.get("type") == "regression"
    assert failure.get("message") == (
        "regression: nDCG@10 0.7500 to 0.6250, change -0.1250 [-0.2500, -0.0625], p 0.0100, detectable 0.1000"
    )
    strict = ElementTree.fromstring(format_junit(replace(EVERY, gate=EVERY.gate._replace(strict=True))))
    assert (strict.get("failures"), strict.get("skipped")) == ("2", "0")


def test_all_formats_have_the_same_summary_and_the_worst_first() -> None:
    expected = "FAILED (exit 1): 4 comparisons on tiny: 1 regression, 1 too noisy to say, 1 improved, 1 no change"
    assert summarise(EVERY) == expected
    assert format_markdown(EVERY).startswith(f"### rerank_eval compare: {expected}\n")
    assert json.loads(format_json(EVERY))["summary"] == expected
    assert ElementTree.fromstring(format_junit(EVERY)).get("name") == expected
    assert expected in printed(EVERY)
    shuffled = format_markdown(replace(EVERY, quality=EVERY.quality[::-1]))
    order = [line.split(" | ")[0] for line in shuffled.splitlines() if line.startswith("| ")][2:]
    assert order == ["| regression", "| too noisy to say", "| improved", "| no change"]


@pytest.mark.parametrize("code", [2, 3])
def test_a_refusal_is_an_error_in_every_format(code: int) -> None:
    refusal = Refusal("not comparable: <b> | `x` \x00", code)
    suites = ElementTree.fromstring(format_junit(refusal))
    assert (suites.get("tests"), suites.get("errors"), suites.get("failures")) == ("1", "1", "0")
    error = suites.find(".//error")
    assert error is not None
    assert error.get("message") == "not comparable: <b> | `x` \N{REPLACEMENT CHARACTER}"
    assert f"no verdict (exit {code})" in format_markdown(refusal)
    assert "&lt;b&gt; \\| \\`x\\`" in format_markdown(refusal)
    document = json.loads(format_json(refusal))
    assert (document["exit_code"], "rows" in document) == (code, False)


def test_the_summary_is_cut_below_200_kib_and_says_so() -> None:
    worst = [row(f"{'é|' * 60}{index}", Verdict.REGRESSION) for index in range(3)]
    rows = [row(f"{'é|' * 60}{index}", Verdict.NO_CHANGE) for index in range(2000)]
    notes = [f"{'note ' * 200}{index}" for index in range(500)]
    markdown = format_markdown(comparison([*rows, *worst], notes))
    assert MARKDOWN_BYTES * 0.9 < len(markdown.encode()) <= MARKDOWN_BYTES
    shown = [line for line in markdown.splitlines() if line.startswith("| ")][2:]
    assert [line.startswith("| regression") for line in shown[:4]] == [True, True, True, False]
    assert f"{2003 - len(shown)} more rows are left out" in markdown
    assert "more notes are left out" in markdown
    assert len(format_markdown(Refusal("x" * 10**6, 2)).encode()) < MARKDOWN_BYTES


def test_latency_rows_are_in_every_format() -> None:
    slower = LatencyRow("one", 50, 10.0, 20.0, Ratio(2.0, 1.75, 2.25, 20), Verdict.SLOWER)
    outcome = replace(comparison([row("one", Verdict.NO_CHANGE)]), latency=[slower])
    assert outcome.exit_code == 1
    assert "1 slower, 1 no change" in summarise(outcome)
    assert "slower: p50 latency 10.00 ms to 20.00 ms, change x2.000 [1.750, 2.250], limit x1.5" in format_junit(outcome)
    assert "| slower | one | 50 | p50 latency | 10.00 ms | 20.00 ms |" in format_markdown(outcome)
    assert json.loads(format_json(outcome))["latency"][0]["ratio"]["low"] == 1.75
    assert "x2.000" in printed(outcome)


def test_a_single_query_is_written_without_an_interval() -> None:
    judgement = Judgement(Verdict.TOO_NOISY, Difference(-1.0, None, None, 1.0, 0, 0, 1, None))
    outcome = comparison([QualityRow(Cell("one", 5, "RR"), 1.0, 0.0, judgement)])
    assert "-1.0000 [n/a], p 1.0000, detectable n/a" in format_junit(outcome)
    assert json.loads(format_json(outcome))["rows"][0]["minimum_detectable_effect"] is None


def test_a_p_that_is_only_bounded_is_written_as_a_bound() -> None:
    judgement = Judgement(Verdict.IMPROVED, Difference(0.1, 0.05, 0.15, 0.0067, 40, 2, 1, 0.05, is_p_at_most=True))
    outcome = comparison([QualityRow(Cell("one", 5, "RR"), 0.5, 0.6, judgement)])
    for shown in (format_junit(outcome), format_markdown(outcome), printed(outcome)):
        assert "≤0.0067" in shown
    (written,) = json.loads(format_json(outcome))["rows"]
    assert (written["p"], written["is_p_at_most"]) == (0.0067, True)


def test_the_same_comparison_gives_the_same_bytes() -> None:
    again = comparison([row("one", verdict) for verdict in Verdict if verdict is not Verdict.SLOWER])
    for write in (format_junit, format_markdown, format_json):
        assert write(again) == write(EVERY)
