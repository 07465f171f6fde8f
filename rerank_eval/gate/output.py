"""What `compare` says, as JUnit XML, Markdown, JSON and text for the terminal: one verdict, four ways to write it.

Names come from files that anyone may have written: characters that cannot be seen or that XML forbids are replaced, and what is
markup in a format is escaped there.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from rich.console import Console
from rich.markup import escape

from rerank_eval.errors import printable
from rerank_eval.gate.compare import Comparison, LatencyRow, QualityRow
from rerank_eval.gate.verdicts import Verdict
from rerank_eval.paired import format_signed
from rerank_eval.results.experiment import FORMAT_VERSION
from rerank_eval.terminal.console import new_table, print_line

MARKDOWN_BYTES = 200 * 1024
_NOTE_BYTES = 32 * 1024
_NAME_CHARACTERS = 80
_MARKUP = re.compile(r"[\\`*_\[\]|$~#!]|:(?=//)")
_HEADINGS = ("verdict", "system", "depth", "measure", "baseline", "candidate", "change [95%]", "p", "detectable")
_STYLES = {Verdict.REGRESSION: "red", Verdict.SLOWER: "red", Verdict.TOO_NOISY: "yellow", Verdict.IMPROVED: "green"}


class Refusal(NamedTuple):
    """Why there is no verdict, and the exit code: 2 not comparable or wrong input, 3 not evaluable."""

    message: str
    exit_code: int


Outcome = Comparison | Refusal


class _Line(NamedTuple):
    """A row as text."""

    verdict: Verdict
    system: str
    depth: str
    measure: str
    baseline: str
    candidate: str
    change: str
    p: str
    detectable: str


def summarise(outcome: Outcome) -> str:
    """Return the outcome in one line, the same in every format."""
    if isinstance(outcome, Refusal):
        return f"no verdict (exit {outcome.exit_code}): {printable(outcome.message)}"
    verdicts = outcome.verdicts
    counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in verdicts]
    result = "FAILED" if outcome.exit_code else "passed"
    return f"{result} (exit {outcome.exit_code}): {len(verdicts)} comparisons on {printable(outcome.dataset)}: {', '.join(counts)}"


def format_junit(outcome: Outcome) -> str:
    """Return JUnit XML: a testcase per row, with a failure where it fails the gate; a refusal is one testcase with an error."""
    suite = ElementTree.Element("testsuite", name="rerank_eval compare")
    if isinstance(outcome, Refusal):
        case = ElementTree.SubElement(suite, "testcase", classname="rerank_eval.gate.compare", name="compare")
        ElementTree.SubElement(case, "error", message=printable(outcome.message), type=f"exit {outcome.exit_code}")
    else:
        ElementTree.SubElement(suite, "system-out").text = "\n".join(
            [summarise(outcome), *map(printable, outcome.notes)]
        )
        for line in _lines(outcome):
            name = f"{line.system} at depth {line.depth}: {line.measure}"
            case = ElementTree.SubElement(suite, "testcase", classname=f"rerank_eval.{line.system}", name=name)
            if outcome.gate.fails(line.verdict):
                ElementTree.SubElement(case, "failure", message=_explain(line), type=line.verdict)
            elif line.verdict is Verdict.TOO_NOISY:
                ElementTree.SubElement(case, "skipped", message=_explain(line))
            else:
                ElementTree.SubElement(case, "system-out").text = _explain(line)
    kinds = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    counts = {kind: str(sum(1 for _ in suite.iter(tag))) for kind, tag in kinds.items()}
    suite.attrib.update(counts)
    suites = ElementTree.Element("testsuites", name=summarise(outcome), attrib=counts)
    suites.append(suite)
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}\n'


def format_markdown(outcome: Outcome) -> str:
    """Return a summary of at most 200 KiB, the worst verdicts first; what is left out is counted."""
    head = [f"### rerank_eval compare: {_markdown(summarise(outcome), 4000)}", ""]
    if isinstance(outcome, Refusal):
        return "\n".join(head)
    notes = list(_within(_NOTE_BYTES, [f"- {_markdown(note, 1000)}" for note in outcome.notes], "notes"))
    notes += ["", _markdown(_legend(outcome), 1000), ""]
    head += [_markdown_row(_HEADINGS), _markdown_row(["---"] * len(_HEADINGS))]
    rows = [_markdown_row([_markdown(cell, _NAME_CHARACTERS) for cell in line]) for line in _lines(outcome)]
    left = MARKDOWN_BYTES - sum(len(line.encode()) + 1 for line in (*head, *notes)) - 100
    return "\n".join([*head, *_within(left, rows, "rows"), "", *notes])


def format_json(outcome: Outcome) -> str:
    """Return everything that the comparison found; unknown is null."""
    document: dict[str, object] = {
        "format_version": FORMAT_VERSION,
        "kind": "comparison",
        "exit_code": outcome.exit_code,
        "summary": summarise(outcome),
    }
    if isinstance(outcome, Comparison):
        document |= {
            "compared": outcome.compared,
            "settings": outcome.gate._asdict(),
            "rows": [_as_json(row) for row in outcome.quality],
            "latency": [row._asdict() | {"ratio": row.ratio._asdict()} for row in outcome.latency],
            "notes": list(outcome.notes),
        }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the rows, the notes, and the outcome as the last line."""
    table = new_table()
    for heading in _HEADINGS:
        table.add_column(escape(heading), justify="left" if heading in ("verdict", "system", "measure") else "right")
    for line in _lines(comparison):
        cells = (escape(_shorten(cell, _NAME_CHARACTERS)) for cell in line)
        table.add_row(*cells, style=_STYLES.get(line.verdict))
    console.print(table)
    print_line(console, _legend(comparison), style="dim")
    for note in comparison.notes:
        print_line(console, f"note: {note}")
    print_line(console, summarise(comparison), style="bold")


def _lines(comparison: Comparison) -> Iterator[_Line]:
    """Yield the rows of quality and latency together, the worst verdict first."""
    lines = [*map(_quality_line, comparison.quality)]
    lines += [_latency_line(row, comparison.gate.max_latency_ratio) for row in comparison.latency]
    yield from sorted(lines, key=lambda line: list(Verdict).index(line.verdict))


def _quality_line(row: QualityRow) -> _Line:
    verdict, difference = row.judgement
    bounds = [format_signed(bound, 4) for bound in (difference.low, difference.high) if bound is not None]
    return _Line(
        verdict=verdict,
        system=printable(row.cell.system),
        depth=str(row.cell.depth),
        measure=printable(row.cell.measure),
        baseline=f"{row.baseline:.4f}",
        candidate=f"{row.candidate:.4f}",
        change=f"{format_signed(difference.mean, 4)} [{', '.join(bounds) or 'n/a'}]",
        p=f"{'≤' if difference.is_p_at_most else ''}{difference.p:.4f}",
        detectable="n/a" if difference.detectable is None else f"{difference.detectable:.4f}",
    )


def _latency_line(row: LatencyRow, limit: float | None) -> _Line:
    return _Line(
        verdict=row.verdict,
        system=printable(row.system),
        depth=str(row.depth),
        measure="p50 latency",
        baseline=f"{row.baseline_ms:.2f} ms",
        candidate=f"{row.candidate_ms:.2f} ms",
        change=f"x{row.ratio.ratio:.3f} [{row.ratio.low:.3f}, {row.ratio.high:.3f}], limit x{limit:g}",
        p="",
        detectable="",
    )


def _explain(line: _Line) -> str:
    """Return a row as a sentence."""
    found = f"{line.verdict}: {line.measure} {line.baseline} to {line.candidate}, change {line.change}"
    return f"{found}, p {line.p}, detectable {line.detectable}" if line.p else found


def _legend(comparison: Comparison) -> str:
    gate = comparison.gate
    return (
        f"{printable(comparison.compared)}. p is Holm-adjusted over {comparison.num_comparisons} comparisons ({len(comparison.quality)} rows, without those that do not "
        f"differ; rows of the same values are one); detectable: the true change that these queries show with 80% probability. A regression is a significant drop of more than {gate.min_effect:g}; too noisy to say: a change of "
        f"{gate.min_effect:g} could go unseen{', which fails with --strict' if gate.strict else ''}."
    )


def _as_json(row: QualityRow) -> dict[str, object]:
    verdict, difference = row.judgement
    return {
        **row.cell._asdict(),
        "verdict": verdict,
        "baseline": row.baseline,
        "candidate": row.candidate,
        "difference": {part: getattr(difference, part) for part in ("mean", "low", "high", "num_queries")},
        **{part: getattr(difference, part) for part in ("p", "is_p_at_most", "wins", "ties", "losses")},
        "minimum_detectable_effect": difference.detectable,
    }


def _markdown(text: str, limit: int) -> str:
    """Return `text` as what Markdown shows unchanged."""
    shown = _shorten(printable(text), limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\g<0>", shown)


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _within(limit: int, lines: Sequence[str], what: str) -> Iterator[str]:
    """Yield lines up to a size in bytes, and how many are left out."""
    for index, line in enumerate(lines):
        limit -= len(line.encode()) + 1
        if limit < 0:
            yield from ("", f"{len(lines) - index} more {what} are left out; the JSON and the JUnit file have all.")
            return
        yield line
