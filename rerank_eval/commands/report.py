"""`report RESULT...`: result folders -> HTML, PDF, figures and tables."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from rerank_eval.arguments import Parser, number_above_0, seed
from rerank_eval.errors import printable
from rerank_eval.report.build import build_report
from rerank_eval.report.decision import Constraint
from rerank_eval.report.export import FORMATS, write_report
from rerank_eval.report.model import Report
from rerank_eval.results.reading import find_results, read_recorded
from rerank_eval.terminal.console import print_line

_RESULTS = Path("experiments")
_SHOWN_LEFT_OUT = 5


def run_report(arguments: Sequence[str]) -> int:
    """Write the report, print its answer and where it lies; return the exit code.

    Raises:
        RerankEvalError: an argument or a result is wrong, or the report cannot be written.
    """
    options = _parse(arguments)
    formats = [name.strip() for name in options.format.split(",") if name.strip()]
    constraint = Constraint(options.max_p95_ms, options.max_usd_per_1000)
    folders = [find_results(_RESULTS)[-1]] if not options.results else _find_all(options.results)
    progress = Console(stderr=True)
    with progress.status("reading the results"):
        results = [read_recorded(folder) for folder in folders]
    with progress.status("comparing the systems"):
        report = build_report(results, constraint, options.seed)
    out = options.out or (
        folders[0] if len(folders) == 1 else Path("reports") / report.made.replace(":", "").replace("-", "")
    )
    with progress.status("drawing"):
        written = write_report(report, out, formats)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(printable(report.answer))
    if report.constraint is not None:
        console.print(printable(report.constraint))
    warnings = [warning for dataset in report.datasets for warning in dataset.warnings]
    for warning in [*warnings, *_warn_of_left_out(report)]:
        print_line(progress, f"warning: {warning}", style="yellow")
    for path in written:
        console.print(f"report: {path}")
    return 0


def _warn_of_left_out(report: Report) -> Iterator[str]:
    """Yield what has no mean over datasets, and why."""
    told = [f"{one.label} ({one.reason})" for one in report.not_averaged]
    if told:
        more = f"; and {len(told) - _SHOWN_LEFT_OUT} more, in the report" if len(told) > _SHOWN_LEFT_OUT else ""
        yield f"not in the means over datasets: {'; '.join(told[:_SHOWN_LEFT_OUT])}{more}"


def _find_all(paths: Sequence[Path]) -> list[Path]:
    """Return the result folders at or under `paths`, each once."""
    return list({folder.resolve(): folder for path in paths for folder in find_results(path)}.values())


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="rerank_eval report",
        allow_abbrev=False,
        description="One page that decides: quality against latency, at every depth, with honest intervals.",
    )
    parser.add_argument(
        "results",
        nargs="*",
        type=Path,
        metavar="RESULT",
        help=f"a result folder, or a folder of them (default: the newest under {_RESULTS})",
    )
    parser.add_argument(
        "--out", type=Path, help="where to write (default: the result folder; of several, reports/TIME)"
    )
    parser.add_argument("--format", default="html", help=f"any of {','.join(FORMATS)}, comma-separated (default: html)")
    parser.add_argument(
        "--max-p95-ms",
        type=number_above_0,
        metavar="MS",
        help="the p95 latency that a choice must keep, first stage included",
    )
    parser.add_argument(
        "--max-usd-per-1000",
        type=number_above_0,
        metavar="USD",
        help="the cost of 1000 queries that a choice must keep",
    )
    parser.add_argument("--seed", type=seed, default=13, help="of intervals and tests (default: 13)")
    return parser.parse_args(arguments)
