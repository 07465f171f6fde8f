"""The verdicts on figures, on the terminal and as the page of the documentation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rerank_eval.conformance import Configuration, Judged, JudgedRun, Verdict
from rerank_eval.errors import printable
from rerank_eval.hardware import describe_hardware
from rerank_eval.latency import utc_now

_STYLES: Mapping[Verdict, str] = {"agrees": "", "differs": "bold red", "failed": "red", "skipped": "dim"}
_WORDS: Mapping[Verdict, str] = {"agrees": "agree", "differs": "differ", "failed": "failed", "skipped": "skipped"}
_HEADINGS = ("system", "depth", "measure", "figure", "source", "measured", "tolerance", "verdict")


def print_configurations(configurations: Sequence[Configuration], console: Console) -> None:
    """Print a line for each: its name, how many figures it gives, and what it needs."""
    table = _table("name", "figures", "needs", right=(1,))
    for configuration in configurations:
        needs = [f"data: {configuration.data}"] if configuration.data else []
        needs += ["the hub"] if configuration.offline else []
        table.add_row(configuration.full_name, str(len(configuration.figures)), ", ".join(needs))
    console.print(table)


def print_run(run: JudgedRun, console: Console) -> None:
    """Print one row per figure; a reason that several figures share stands once."""
    console.print(run.configuration.full_name, markup=False, highlight=False, style="bold")
    table = _table(*_HEADINGS, right=(1, 3, 5, 6))
    for judged in run.figures:
        table.add_row(*map(escape, _cells(judged)), style=_STYLES[judged.verdict])
    console.print(table)
    for reason in dict.fromkeys(judged.reason for judged in run.figures if judged.reason):
        console.print(printable(reason), markup=False, highlight=False, soft_wrap=True)
    console.print()


def print_summary(runs: Sequence[JudgedRun], console: Console) -> None:
    """Print the number of each verdict."""
    console.print(_summary(runs), highlight=False)


def format_markdown(runs: Sequence[JudgedRun]) -> str:
    """Return the page; equal verdicts on one machine and day give equal text."""
    hardware = describe_hardware()
    lines = [
        "# Conformance",
        "",
        "Means over queries that were published, or measured as reference, and what this version measures. Made by",
        "`python -m rerank_eval verify --data DIR --markdown docs/conformance.md`; the configurations are in `rerank_eval/conformance.yaml`,",
        "and `verify GROUP` or `verify GROUP/NAME` runs some of them.",
        "",
        f"{utc_now()[:10]}, {hardware['processor']}, {hardware['usable_cores']} cores: {_summary(runs)}.",
        "",
        "A figure agrees when the mean is within the tolerance: rounding where the very run was published, more where tokenisers, stop words or",
        "the rounding of int8 products differ. What was skipped, or failed, has the reason below its table.",
    ]
    for group, members in groupby(runs, key=lambda run: run.configuration.group):
        lines += ["", f"## {group}", "", f"| name | {' | '.join(_HEADINGS)} |", "|---|---|--:|---|--:|---|--:|--:|---|"]
        reasons: dict[str, None] = {}
        for run in members:
            for judged in run.figures:
                cells = [printable(cell).replace("|", "\\|") for cell in (run.configuration.name, *_cells(judged))]
                lines.append(f"| {' | '.join(cells)} |")
                if judged.reason:
                    reasons[f"- {judged.verdict}: {printable(judged.reason)}"] = None
        lines += ["", *reasons] if reasons else []
    return "\n".join(lines) + "\n"


def _cells(judged: Judged) -> tuple[str, ...]:
    figure = judged.figure
    return (
        *(figure.system, str(figure.depth), figure.measure, f"{figure.value:.4f}", figure.source),
        *(
            "" if judged.measured is None else f"{judged.measured:.4f}",
            f"{figure.tolerance:.5f}".rstrip("0"),
            judged.verdict,
        ),
    )


def _summary(runs: Sequence[JudgedRun]) -> str:
    counts = Counter(judged.verdict for run in runs for judged in run.figures)
    return ", ".join(f"{counts[verdict]} {word}" for verdict, word in _WORDS.items() if counts[verdict])


def _table(*headings: str, right: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for position, heading in enumerate(headings):
        table.add_column(escape(heading), justify="right" if position in right else "left")
    return table
