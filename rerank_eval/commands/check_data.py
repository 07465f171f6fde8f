"""`check-data [OVERRIDES]`: what a dataset holds, and what is wrong with it, before a reranker is asked."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rerank_eval.arguments import Parser
from rerank_eval.components import check_component, make_component
from rerank_eval.configuration import compose, find_sweep, make_settings
from rerank_eval.errors import NotEvaluableError, shortened


def run_check_data(arguments: Sequence[str]) -> int:
    """Print the report; return 0, or 1 if there is a problem and `--strict` was given.

    Raises:
        RerankEvalError: a setting is wrong, the dataset or the first stage cannot be loaded, or the file cannot be written.
    """
    options = _parse(arguments)
    plain = compose(options.overrides)
    sweep = find_sweep(options.overrides)
    settings = make_settings(plain)
    for where in ("dataset", "retriever"):
        check_component(plain[where], where)

    from rich.console import Console

    from rerank_eval.check_data.report import describe_data
    from rerank_eval.check_data.tables import print_data_report
    from rerank_eval.evaluation.evaluation import prepare
    from rerank_eval.files.whole_files import write_whole
    from rerank_eval.terminal.console import open_tables, print_line
    from rerank_eval.terminal.progress import ProgressBars

    with ProgressBars(Console(stderr=True)) as progress:
        progress.start("loading the dataset", 1)
        dataset = make_component(plain["dataset"], "dataset", progress=progress)
        retriever = make_component(plain["retriever"], "retriever")
        report = describe_data(prepare(dataset, retriever, settings, progress), progress)
    tables = open_tables()
    if sweep:
        others = "; ".join(f"{name} ({shortened(values)})" for name, values in sweep.items())
        note = f"note: of a sweep only this one run is checked, {report.name} over {report.first_stage.name}; for another set {others}"
        print_line(tables, note)
    print_data_report(report, tables)
    if options.json is not None:
        try:
            write_whole(
                {options.json: json.dumps(asdict(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n"}
            )
        except OSError as error:
            raise NotEvaluableError(f"the report cannot be written: {error}") from error
    return 1 if report.problems and options.strict else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="rerank_eval check-data",
        allow_abbrev=False,
        description="Say what a dataset holds and what is wrong with it, what the first stage leaves to a reranker at each depth, and how "
        "small a difference its queries can show. Nothing is reranked. Of an experiment that is a sweep, one run is checked.",
        epilog="Exit codes: 0 done, with or without problems, 1 problems and --strict, 2 wrong setting or input, 3 nothing to check.",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="SETTING=VALUE",
        help="as for a run, e.g. dataset=beir_dir dataset.path=DIR retriever=bm25 'depths=[10,100]'",
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 if there is a problem")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    return parser.parse_intermixed_args(arguments)
