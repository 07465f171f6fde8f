"""The commands `compare` and `baseline`: arguments in, exit code out."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rerank_eval.arguments import Parser, number_above_0, number_from_0, seed
from rerank_eval.errors import DataError, NotComparableError, NotEvaluableError, RerankEvalError
from rerank_eval.results.reading import read_recorded
from rerank_eval.results.recorded import RecordedResult

if TYPE_CHECKING:  # the heavy parts are imported when the arguments are right
    from rerank_eval.gate.output import Outcome


def run_compare(arguments: Sequence[str]) -> int:
    """Compare two results, print and write the verdicts, and return 0 (no regression) or 1.

    The files that were asked for are written before an error is raised as well, unless the arguments themselves are wrong.

    Raises:
        ConfigError: an argument is wrong.
        NotComparableError: the results are of other data or settings, or one cannot be read.
        NotEvaluableError: a result is not complete, or a file cannot be written.
    """
    return _compare(_parse_compare(arguments))


def run_baseline(arguments: Sequence[str]) -> int:
    """Write the baseline file of a result and return 0.

    Raises:
        DataError: there is no such result.
        NotEvaluableError: it is not complete, or the file cannot be written.
    """
    from rerank_eval.gate.baseline import write_baseline

    parser = Parser(
        prog="rerank_eval baseline",
        description="Write what 'compare' needs of a result into one small file to commit: values per query, hashes, no texts.",
        allow_abbrev=False,
    )
    parser.add_argument("result", type=Path, metavar="RESULT", help="a result folder")
    parser.add_argument("file", type=Path, metavar="FILE", help="e.g. experiments/baselines/NAME.json")
    given = parser.parse_args(arguments)
    write_baseline(read_recorded(given.result), given.file)
    print(f"baseline: {given.file}")  # noqa: T201 # what the command made
    return 0


def _parse_compare(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="rerank_eval compare",
        description="Say for each system and depth whether the candidate is a regression, improved, unchanged or too noisy to say.",
        epilog="Exit codes: 0 no regression, 1 regression, 2 not comparable or wrong input, 3 not evaluable.",
        allow_abbrev=False,
    )
    parser.add_argument("baseline", type=Path, metavar="BASELINE", help="a baseline file or a result folder")
    parser.add_argument("candidate", type=Path, metavar="CANDIDATE", help="the result folder to judge")
    parser.add_argument(
        "--measure", action="append", default=[], metavar="M", help="judge by this one (repeatable; default: the first)"
    )
    parser.add_argument(
        "--min-effect", type=number_from_0, default=0.01, metavar="E", help="smaller drops do not matter (0.01)"
    )
    parser.add_argument("--strict", action="store_true", help="fail where it is too noisy to say")
    parser.add_argument(
        "--max-latency-ratio",
        type=number_above_0,
        metavar="R",
        help="fail where the median latency is more than R times the baseline's",
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="write Markdown; $GITHUB_STEP_SUMMARY is added to")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    parser.add_argument("--seed", type=seed, default=13, metavar="N", help="of the resamples (13)")
    given = parser.parse_args(arguments)
    outputs = [path.resolve() for path in (given.junit, given.summary, given.json) if path is not None]
    if len({*outputs, given.baseline.resolve(), given.candidate.resolve()}) < len(outputs) + 2 - (
        given.baseline.resolve() == given.candidate.resolve()
    ):
        parser.error("--junit, --summary and --json must name different files, and none of the results")
    return given


def _compare(given: argparse.Namespace) -> int:

    from rerank_eval.gate.compare import compare
    from rerank_eval.gate.output import Refusal, print_comparison
    from rerank_eval.terminal.console import open_tables

    try:
        if given.candidate.is_file():
            raise NotComparableError(
                f"{given.candidate} is a file, and a candidate is a result folder; the order is BASELINE CANDIDATE"
            )
        comparison = compare(
            _read(given.baseline),
            _read(given.candidate),
            measures=given.measure,
            min_effect=given.min_effect,
            strict=given.strict,
            max_latency_ratio=given.max_latency_ratio,
            seed=given.seed,
        )
    except RerankEvalError as error:
        _write(given, Refusal(str(error), error.exit_code))
        raise
    print_comparison(comparison, open_tables())
    _write(given, comparison)
    return comparison.exit_code


def _read(path: Path) -> RecordedResult:
    try:
        return read_recorded(path)
    except DataError as error:
        raise NotComparableError(str(error)) from error


def _write(given: argparse.Namespace, outcome: "Outcome") -> None:
    """Write the files that were asked for, or none of them."""
    from rerank_eval.files.whole_files import write_whole
    from rerank_eval.gate.output import format_json, format_junit, format_markdown

    formats = ((given.junit, format_junit), (given.summary, format_markdown), (given.json, format_json))
    texts = {path: format_outcome(outcome) for path, format_outcome in formats if path is not None}
    appended = texts.pop(given.summary) if given.summary is not None and _is_step_summary(given.summary) else ""
    try:
        write_whole(texts)
        if appended:
            with given.summary.open("a", encoding="utf-8") as file:
                file.write(appended)
    except OSError as error:
        raise NotEvaluableError(f"the verdicts cannot be written: {error}") from error


def _is_step_summary(path: Path) -> bool:
    """Return whether this is the file that the steps of a GitHub job write to in turn."""
    named = os.environ.get("GITHUB_STEP_SUMMARY")
    return bool(named) and path.resolve() == Path(str(named)).resolve()
