"""`verify [NAME...]`: runs the configurations of figures.yaml that this machine can, and compares each mean with its figure."""

import argparse
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rerank_eval.arguments import Parser
from rerank_eval.configuration import check_components, compose, evaluate_configuration, make_settings
from rerank_eval.conformance.figures import (
    FIRST_STAGE,
    Agreement,
    CheckedConfiguration,
    CheckedFigure,
    Configuration,
    Figure,
    check_figure,
    read_conformance,
)
from rerank_eval.errors import (
    ConfigError,
    MissingExtraError,
    NotCachedError,
    NotEvaluableError,
    RerankEvalError,
    nearest,
)

if TYPE_CHECKING:  # the heavy parts are imported when a run begins
    from rerank_eval.protocols import Progress

_PINNED = ("latency.queries=0", "store.path=null")  # no stored answer: what counts is what this version computes
_NOT_CACHED = "not downloaded yet: --download fetches it"  # the same for all, so that a table gives the reason once


def run_verify(arguments: Sequence[str], instructions: Collection[str]) -> int:
    """Print how each figure came out; return 0 if all that could be measured agree, 1 if one differs.

    `instructions` are the processor's vector instructions: int8 figures hold only where one of them is avx512_vnni.

    Raises:
        ConfigError: an argument is wrong.
        NotEvaluableError: no figure could be measured, a run failed, or the file cannot be written.
    """
    configurations = read_conformance()
    options = _parse(arguments, list(dict.fromkeys(configuration.group for configuration in configurations)))
    chosen = _choose(configurations, options.names)

    from rich.console import Console

    from rerank_eval.conformance.tables import (
        format_markdown,
        print_configuration,
        print_configurations,
        print_skipped,
        print_summary,
    )
    from rerank_eval.files.whole_files import write_whole
    from rerank_eval.terminal.console import open_tables
    from rerank_eval.terminal.progress import ProgressBars

    tables = open_tables()
    if options.list:
        print_configurations(chosen, tables)
        return 0
    checked = []
    with ProgressBars(Console(stderr=True)) as progress:
        for configuration in chosen:
            reasons = {
                figure: _why_not(configuration, figure, options.data, instructions) for figure in configuration.figures
            }
            overrides = _complete(configuration, options.data, options.download)
            figures = _check(configuration.full_name, overrides, reasons, progress)
            checked.append(CheckedConfiguration(configuration, tuple(figures)))
            if not checked[-1].is_skipped:
                print_configuration(checked[-1], tables)
    if not all(member.is_skipped for member in checked):
        print_skipped(checked, tables)
        print_summary(checked, tables)
    if options.markdown is not None:
        try:
            write_whole({options.markdown: format_markdown(checked)})
        except OSError as error:
            raise NotEvaluableError(f"the table cannot be written: {error}") from error
    return _exit_code(checked)


def _exit_code(checked: Sequence[CheckedConfiguration]) -> int:
    found: set[Agreement] = {figure.agreement for member in checked for figure in member.figures}
    if "differs" in found:
        return 1
    if "failed" in found:
        raise NotEvaluableError("a run failed; the table has the reason")
    if "agrees" not in found:
        reasons = dict.fromkeys(figure.reason for member in checked for figure in member.figures)
        raise NotEvaluableError(f"no figure could be measured on this machine: {'; '.join(reasons)}")
    return 0


def _choose(configurations: Sequence[Configuration], names: Sequence[str]) -> list[Configuration]:
    """Return what is in a group of these names, or has one of them; all if there is no name."""
    known = {name for configuration in configurations for name in (configuration.group, configuration.full_name)}
    for name in names:
        if name not in known:
            raise ConfigError(f"there are no figures named {name!r}: {nearest(name, known)}")
    return [found for found in configurations if not names or {found.group, found.full_name} & set(names)]


def _why_not(configuration: Configuration, figure: Figure, data: Path | None, instructions: Collection[str]) -> str:
    """Return why a figure cannot be measured here, as far as that is known before the run; "" where it can."""
    if configuration.data is not None and (data is None or not (data / configuration.data).is_dir()):
        return f"data not here: --data DIR, with the folder {configuration.data} in it"
    if figure.is_int8 and "avx512_vnni" not in instructions:
        return "no AVX-512 VNNI: int8 scores may differ"
    return ""


def _complete(configuration: Configuration, data: Path | None, download: bool) -> list[str]:
    """Return all overrides of a run."""
    overrides = [*configuration.overrides, *_PINNED, *(() if download else configuration.offline)]
    if configuration.data is not None and data is not None:
        overrides.append(f"dataset.path={_quoted(data / configuration.data)}")
    return overrides


def _check(
    name: str, overrides: Sequence[str], reasons: Mapping[Figure, str], progress: "Progress"
) -> list[CheckedFigure]:
    """Return how the figures come out, by one run if any of them has no reason not to be measured."""
    means: Mapping[tuple[str, int, str], float] = {}
    if not all(reasons.values()):
        progress.note(f"running {name}")
        plain = compose(overrides)
        check_components(plain)
        try:
            means = _measure(plain, progress)
        except MissingExtraError as error:
            return [CheckedFigure(figure, "skipped", reason=str(error)) for figure in reasons]
        except NotCachedError:
            return [CheckedFigure(figure, "skipped", reason=_NOT_CACHED) for figure in reasons]
        except RerankEvalError as error:
            return [CheckedFigure(figure, "failed", reason=str(error)) for figure in reasons]
    return [
        CheckedFigure(figure, "skipped", reason=reason)
        if reason
        else check_figure(figure, means[figure.system, figure.depth, figure.measure])
        for figure, reason in reasons.items()
    ]


def _measure(plain: Mapping[str, Any], progress: "Progress") -> Mapping[tuple[str, int, str], float]:
    """Return the means of a run by system, depth and measure; the first stage's have depth 0.

    Raises:
        RerankEvalError: it cannot be run, or a query failed.
    """
    result = evaluate_configuration(plain, make_settings(plain), progress)
    if result.status != "complete":
        raise NotEvaluableError(f"{len(result.failures)} queries failed; first: {result.failures[0]}")
    return {
        (system.name if depth.depth else FIRST_STAGE, depth.depth, name): measure.mean
        for system in result.systems
        for depth in system.depths
        for name, measure in depth.measures.items()
        if measure.mean is not None
    }


def _quoted(path: Path) -> str:
    """Return a path as hydra reads it back, whatever characters it has."""
    return "'" + str(path.resolve()).replace("'", "\\'") + "'"


def _parse(arguments: Sequence[str], groups: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="rerank_eval verify",
        allow_abbrev=False,
        description="Run the pinned configurations that this machine's data and models allow, and compare each mean with the figure that "
        "was published, or measured as reference.",
        epilog="Exit codes: 0 all that could be measured agree, 1 a figure differs, 2 wrong argument, 3 nothing could be measured.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"any of {', '.join(groups)}, or one configuration of them, e.g. beir/scifact (default: all)",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder that has the local collections")
    parser.add_argument(
        "--download",
        action="store_true",
        help="fetch data and models that are not here from the hub: many GB without a NAME",
    )
    parser.add_argument("--list", action="store_true", help="only show what there is to verify")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table, with date and machine")
    options = parser.parse_intermixed_args(arguments)
    if options.data is not None and not options.data.is_dir():
        raise ConfigError(f"--data: there is no folder {options.data}")
    return options
