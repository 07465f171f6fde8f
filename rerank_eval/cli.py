"""The command: composes the configuration, checks all of it, makes the parts, evaluates, writes, prints.

With configuration the only importer of hydra and omegaconf. `--help` and the README say what the exit codes mean.
"""

import io
import os
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rerank_eval.calls.secret_settings import refuse_secret_overrides
from rerank_eval.commands import COMMANDS, run_command
from rerank_eval.composition import explain_composition, open_mappings
from rerank_eval.configuration import (
    CONF,
    check_components,
    check_overrides,
    estimate_configuration,
    evaluate_configuration,
    find_output_dir,
    make_settings,
    to_plain,
)
from rerank_eval.errors import NotEvaluableError, RerankEvalError, causes, printable
from rerank_eval.interrupts import ending_at_the_second_interrupt
from rerank_eval.run_arguments import read_run_arguments
from rerank_eval.sweep import Sweep

if TYPE_CHECKING:  # the heavy parts are imported when a run begins, so that --help and a wrong setting answer at once
    from rerank_eval.results.experiment import ExperimentResult


@ending_at_the_second_interrupt()
def main() -> NoReturn:
    """Run the command and exit with its code; a traceback means a bug in rerank_eval."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Δ must not end a finished run
    os.environ["HYDRA_FULL_ERROR"] = "1"  # otherwise hydra prints and exits 1 itself
    if len(sys.argv) == 1:
        sys.argv.append("+experiment=quickstart")
    if sys.argv[1:] == ["--version"]:
        print(f"rerank_eval {version('rerank-eval')}")  # noqa: T201 # what was asked for
        sys.exit(0)
    code = 0
    try:
        if str(Path.cwd()) not in sys.path:
            # so that the console script finds the user's own classes as `python -m` does
            sys.path.append(str(Path.cwd()))
        if sys.argv[1] in COMMANDS:
            sys.exit(run_command(sys.argv[1], sys.argv[2:]))
        refuse_secret_overrides([word for word in sys.argv[1:] if not word.startswith("-")])
        settings, options = read_run_arguments(sys.argv[1:])
        check_overrides(settings)
        sys.argv[1:] = [*open_mappings(settings), *options]
        sweep = Sweep()
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(
            lambda config: _job(config, sweep)
        )()
        if sweep.exit_code:
            code = _fail(sweep.summary(), sweep.exit_code)
    except Exception as error:  # of every kind: Python's own exit code, 1, says that something became worse
        code = _fail(*_explain(error))
    except KeyboardInterrupt:
        no_result = "" if sys.argv[1:2] and sys.argv[1] in COMMANDS else ": there is no result"
        code = _fail(f"interrupted{no_result}", 130)
    sys.exit(code)


def _fail(message: str, code: int) -> int:
    print(f"rerank_eval: {printable(message)}", file=sys.stderr)  # noqa: T201 # the one place that reports an error
    return code


def _job(config: DictConfig, sweep: Sweep) -> None:
    """Evaluate one composed configuration; in a sweep a fault ends only this job, and an interrupt all of them."""
    if HydraConfig.get().mode is RunMode.MULTIRUN:
        _job_of_sweep(config, sweep)
        return
    try:
        code = _run(config)
    except (Exception, SystemExit) as error:  # SystemExit of the user's own code: the command has not done its work
        code = _fail(*_explain(error))
    if code:
        sys.exit(code)


def _job_of_sweep(config: DictConfig, sweep: Sweep) -> None:
    overrides = HydraConfig.get().overrides.task
    if not sweep.begin(overrides):
        return
    name = " ".join(overrides)
    print(f"sweep: {printable(name)}", flush=True)  # noqa: T201 # before any progress of the job, which goes to stderr
    try:
        code = _run(config)
    except (Exception, SystemExit) as error:
        if os.getpid() != sweep.process:  # hydra brings it back from the process that its launcher chose
            raise
        message, code = _explain(error)
        sweep.fail(error, _fail(f"{name}: {message}", code))
        return
    if code:
        sys.exit(code)
    sweep.succeed()


def _explain(error: BaseException) -> tuple[str, int]:
    """Return the message for the user and the exit code; what is a bug has its traceback printed."""
    if isinstance(error, HydraException | OmegaConfBaseException):
        cause = next((cause for cause in causes(error) if isinstance(cause, RerankEvalError)), None)
        return (str(cause), cause.exit_code) if cause else (explain_composition(error, CONF), 2)
    if isinstance(error, RerankEvalError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}; check the disk's free space and the permissions", 3
    if isinstance(error, SystemExit):
        return f"a class named in the configuration ended the process (exit {error.code})", 3
    traceback.print_exception(error)
    return "this is a bug of rerank_eval, and the command was not carried out; please report it with the lines above", 3


def _run(config: DictConfig) -> int:
    """Evaluate, write, print; return the exit code."""
    from rich.console import Console

    from rerank_eval.files.paths import resolve_inside
    from rerank_eval.results.writing import write_result
    from rerank_eval.runner import EvaluationInterrupted, EvaluationStoppedError
    from rerank_eval.terminal.answer_table import print_answers
    from rerank_eval.terminal.console import open_tables, print_line
    from rerank_eval.terminal.estimate_table import print_estimates
    from rerank_eval.terminal.progress import ProgressBars
    from rerank_eval.terminal.result_table import print_result, print_warnings

    plain = to_plain(config)
    settings = make_settings(plain)
    started_in = Path.cwd()
    experiment = resolve_inside(find_output_dir(plain), str(plain["experiment_name"]))
    check_components(plain)
    messages = Console(stderr=True)
    tables = open_tables()
    if plain["dry_run"]:
        with ProgressBars(messages) as progress:
            estimates = estimate_configuration(plain, settings, progress)
        print_estimates(estimates, settings.budget_usd, tables)
        return 0
    stopped: RerankEvalError | None = None
    interrupted: KeyboardInterrupt | None = None
    with ProgressBars(messages) as progress:
        try:
            result = evaluate_configuration(plain, settings, progress)
        except EvaluationInterrupted as interrupt:
            result, interrupted = interrupt.result, interrupt
        except EvaluationStoppedError as error:
            result, stopped = error.result, error
    parent = resolve_inside(experiment, str(result.dataset["name"]))
    folder = write_result(result, parent, OmegaConf.to_yaml(OmegaConf.create(plain)))
    print_result(result, tables)
    print_answers(result, tables)
    print_warnings(result, messages)
    shown = folder.relative_to(started_in) if folder.is_relative_to(started_in) else folder
    print_line(tables, f"results: {shown}")
    if stopped is not None:
        raise stopped
    if interrupted is not None:
        return _fail(f"{interrupted}", 130)
    if result.status == "not_evaluable":
        raise NotEvaluableError(_too_many_failures(result, settings.max_error_rate))
    return 0


def _too_many_failures(result: "ExperimentResult", max_error_rate: float) -> str:
    failed = ", ".join(
        f"{system.name} {max(depth.failures for depth in system.depths)}"
        for system in result.systems
        if any(depth.failures for depth in system.depths)
    )
    nothing_left = any(system.has_no_value for system in result.systems)
    limit = "so a mean has no query left" if nothing_left else f"above max_error_rate={max_error_rate}"
    return f"failed queries: {failed} of {result.dataset['num_queries']}, {limit}; the result is marked not_evaluable"
