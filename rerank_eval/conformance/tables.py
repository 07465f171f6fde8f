"""The figures with what was measured, on the terminal and as the page of the documentation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rerank_eval.clock import utc_now
from rerank_eval.conformance.figures import Agreement, CheckedConfiguration, CheckedFigure, Configuration
from rerank_eval.errors import printable
from rerank_eval.hardware import describe_hardware
from rerank_eval.terminal.console import new_table, print_line

_STYLES: Mapping[Agreement, str] = {"agrees": "", "differs": "bold red", "failed": "red", "skipped": "dim"}
_WORDS: Mapping[Agreement, str] = {"agrees": "agree", "differs": "differ", "failed": "failed", "skipped": "skipped"}
_HEADINGS = ("system", "depth", "measure", "figure", "source", "measured", "tolerance", "verdict")


def print_configurations(configurations: Sequence[Configuration], console: Console) -> None:
    """Print a line for each: its name, how many figures it gives, and what it needs."""
    table = _table("name", "figures", "needs", right=(1,))
    for configuration in configurations:
        needs = [f"data: {configuration.data}"] if configuration.data else []
        needs += ["the hub"] if configuration.offline else []
        table.add_row(configuration.full_name, str(len(configuration.figures)), ", ".join(needs))
    console.print(table)


def print_configuration(checked: CheckedConfiguration, console: Console) -> None:
    """Print one row per figure; a reason that several figures share stands once."""
    console.print(checked.configuration.full_name, markup=False, highlight=False, style="bold")
    table = _table(*_HEADINGS, right=(1, 3, 5, 6))
    for figure in checked.figures:
        table.add_row(*map(escape, _cells(figure)), style=_STYLES[figure.agreement])
    console.print(table)
    for reason in dict.fromkeys(figure.reason for figure in checked.figures if figure.reason):
        print_line(console, reason)
    console.print()


def print_skipped(checked: Sequence[CheckedConfiguration], console: Console) -> None:
    """Print for each reason a line with the configurations of which nothing was run."""
    names: dict[str, list[str]] = {}
    for member in checked:
        for reason in dict.fromkeys(figure.reason for figure in member.figures if member.is_skipped):
            names.setdefault(reason, []).append(member.configuration.full_name)
    for reason, skipped in names.items():
        line = f"skipped: {', '.join(skipped)}: {reason}"
        print_line(console, line, style="dim")


def print_summary(checked: Sequence[CheckedConfiguration], console: Console) -> None:
    """Print how many figures agree, differ, failed and were skipped."""
    console.print(_summary(checked), highlight=False)


def format_markdown(checked: Sequence[CheckedConfiguration]) -> str:
    """Return the page; equal figures and means on one machine and day give equal text."""
    hardware = describe_hardware()
    lines = [
        "# Conformance",
        "",
        "Means over queries that were published, or measured as reference, and what this version measures. Made by",
        "`python -m rerank_eval verify --data DIR --markdown docs/conformance.md`; the configurations are in `rerank_eval/conformance/figures.yaml`,",
        "and `verify GROUP` or `verify GROUP/NAME` runs some of them.",
        "",
        f"{utc_now()[:10]}, {hardware['processor']}, {hardware['usable_cores']} cores: {_summary(checked)}.",
        "",
        "A figure agrees when the mean is within the tolerance: rounding where the very run was published, more where tokenisers, stop words or",
        "the rounding of int8 products differ. What was skipped, or failed, has the reason below its table.",
    ]
    for group, members in groupby(checked, key=lambda member: member.configuration.group):
        lines += ["", f"## {group}", "", f"| name | {' | '.join(_HEADINGS)} |", "|---|---|--:|---|--:|---|--:|--:|---|"]
        reasons: dict[str, None] = {}
        for member in members:
            for figure in member.figures:
                cells = [printable(cell).replace("|", "\\|") for cell in (member.configuration.name, *_cells(figure))]
                lines.append(f"| {' | '.join(cells)} |")
                if figure.reason:
                    reasons[f"- {figure.agreement}: {printable(figure.reason)}"] = None
        lines += ["", *reasons] if reasons else []
    return "\n".join(lines) + "\n"


def _cells(checked: CheckedFigure) -> tuple[str, ...]:
    figure = checked.figure
    return (
        *(figure.system, str(figure.depth), figure.measure, f"{figure.value:.4f}", figure.source),
        *(
            "" if checked.measured is None else f"{checked.measured:.4f}",
            f"{figure.tolerance:.5f}".rstrip("0"),
            checked.agreement,
        ),
    )


def _summary(checked: Sequence[CheckedConfiguration]) -> str:
    counts = Counter(figure.agreement for member in checked for figure in member.figures)
    return ", ".join(f"{counts[agreement]} {word}" for agreement, word in _WORDS.items() if counts[agreement])


def _table(*headings: str, right: Sequence[int]) -> Table:
    table = new_table()
    for position, heading in enumerate(headings):
        table.add_column(escape(heading), justify="right" if position in right else "left")
    return table
