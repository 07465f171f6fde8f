"""What the command line configures: composed by hydra, with every setting checked, and made into parts.

With cli the only importer of hydra and omegaconf.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rerank_eval.calls.secret_settings import refuse_secret_overrides, refuse_secrets
from rerank_eval.components import as_written, check_component, make_component
from rerank_eval.composition import explain_composition, explain_nameless_choice, explain_unchosen, open_mappings
from rerank_eval.errors import ConfigError, nearest
from rerank_eval.files.paths import check_folder

if TYPE_CHECKING:  # the heavy parts are imported when a run begins, so that --help and a wrong setting answer at once
    from rerank_eval.answers.answerer import Answerer
    from rerank_eval.dry_run import Estimate
    from rerank_eval.evaluation.systems import System
    from rerank_eval.protocols import Progress, Retriever
    from rerank_eval.results.experiment import ExperimentResult
    from rerank_eval.settings import Settings
    from rerank_eval.types import Dataset

_CONF_BESIDE = Path(__file__).parent / "conf"  # in an installed wheel
CONF = _CONF_BESIDE if _CONF_BESIDE.is_dir() else Path(__file__).parent.parent / "conf"

_SECTIONS = {
    "latency": ("queries", "repetitions", "warmup"),
    "store": ("path", "timeout_s"),
    "budget": ("usd",),
    "stability": ("shuffles", "repeats", "queries"),
}
_SETTINGS = (
    *("dataset", "retriever", "rerankers", "answer", "experiment_name", "output_dir"),
    *("depths", "measures", "retrieval_depth", "seed", "max_error_rate", "prices", "dry_run", *_SECTIONS),
)


def compose(overrides: Sequence[str]) -> dict[str, Any]:
    """Return what these overrides of conf/config.yaml make, as `to_plain` does; for commands other than a run.

    Raises:
        ConfigError: an override is wrong; the message has the nearest valid names.
    """
    for word in overrides:
        if "=" not in word and not word.startswith("~"):
            raise ConfigError(f"{word!r} is no setting; settings are written NAME=VALUE, and --help lists them")
    refuse_secret_overrides(list(overrides))
    with _hydra():
        check_overrides(overrides)
        return to_plain(hydra.compose("config", open_mappings(overrides)))


def find_sweep(overrides: Sequence[str]) -> Mapping[str, str]:
    """Return the settings that a run with these overrides goes through, each with its values as they are written; empty if it is one run.

    `compose` knows nothing of a sweep: of a setting that an override names it takes that value, of any other the one that stands before
    the sweep. The former are left out here.

    Raises:
        ConfigError: an override is wrong.
    """
    with _hydra():
        own = hydra.compose("config", open_mappings(overrides), return_hydra_config=True).hydra
        if own.mode is not RunMode.MULTIRUN:
            return {}
        named = {override.partition("=")[0].lstrip("+") for override in overrides}
        return {name: str(values) for name, values in (own.sweeper.params or {}).items() if name not in named}


def check_overrides(overrides: Sequence[str]) -> None:
    """Check what hydra has no message of use for: names where a part is chosen, what is left of a part taken away, the output folder.

    Raises:
        ConfigError: a choice is no name, a setting is of a part that another override takes away, or output_dir can be no folder.
        HydraException: an override cannot be read.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    for override in parsed:
        group = override.key_or_group
        is_group = group.split("/")[0] == "hydra" or (CONF / group).is_dir()
        is_whole_deletion = override.is_delete() and override.value() is None  # ~dataset
        if is_group and not is_whole_deletion and not all(map(_is_name, _chosen(override))):
            raise ConfigError(explain_nameless_choice(group, str(override.input_line).partition("=")[2], CONF))
        if is_whole_deletion and is_group:
            _check_left(group, parsed)
        if group == "output_dir" and not override.is_sweep_override():
            check_folder(find_output_dir({"output_dir": override.value()}), "output_dir")  # hydra makes that of a sweep


def _check_left(group: str, overrides: Sequence[Override]) -> None:
    for override in overrides:
        key = override.key_or_group
        if key.startswith(f"{group}.") and not override.is_add():
            raise ConfigError(
                f"~{group} takes the {group} away, and {key} with it; leave ~{group} out, or add one of your own: +{group}._target_=MODULE.CLASS"
            )


def _chosen(override: Override) -> Sequence[object]:
    """Return what an override chooses: its value, or the elements of its list, of all values where it is a sweep."""
    value = override.value()
    values = value.list if isinstance(value, ChoiceSweep) else [] if isinstance(value, Glob) else [value]
    return [choice for value in values for choice in (value if isinstance(value, list) else [value])]


def _is_name(choice: object) -> bool:
    """Return whether hydra takes it for a name, or for the part itself, written out as a mapping."""
    return isinstance(choice, str | QuotedString | dict)


@contextmanager
def _hydra() -> Iterator[None]:
    """Make hydra ready to compose, and what it raises an error for the user."""
    try:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain_composition(error, CONF)) from error


def to_plain(config: DictConfig) -> dict[str, Any]:
    """Return the configuration as plain values, every interpolation resolved, with no setting missing or unknown.

    Raises:
        ConfigError: a setting is missing, unknown or no finite number, or holds what looks like a key.
        OmegaConfBaseException: a value is missing or cannot be resolved.
    """
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    if not isinstance(plain, dict):
        raise ConfigError("the configuration is not a mapping")
    refuse_secrets(plain)
    _check_keys(plain, _SETTINGS, "")
    try:
        json.dumps(plain, allow_nan=False)
    except ValueError as error:
        raise ConfigError("a setting is NaN or infinite; settings are finite numbers") from error
    for name in ("output_dir", "experiment_name"):
        _check_is_name(plain[name], name, "name a folder")
    if not isinstance(plain["dry_run"], bool):
        raise ConfigError(f"dry_run is {plain['dry_run']!r}; it must be true or false")
    for section, names in _SECTIONS.items():
        _check_keys(plain[section], names, f"{section}.")
    return {str(name): value for name, value in plain.items()}


def _check_keys(found: object, names: Sequence[str], prefix: str) -> None:
    if not isinstance(found, dict):
        raise ConfigError(f"{prefix.rstrip('.')} is {found!r}; it has the settings {', '.join(names)}")
    for name in found:
        if name not in names:
            raise ConfigError(f"there is no setting {prefix}{name}: {nearest(str(name), names)}")
    for name in names:
        if name not in found:
            raise ConfigError(f"the setting {prefix}{name} is missing")


def check_components(plain: Mapping[str, Any]) -> None:
    """Check that dataset, first stage, rerankers and what answers exist and take their settings, without making them.

    Raises:
        ConfigError: one does not, or there is no reranker.
    """
    rerankers = plain["rerankers"]
    if not isinstance(rerankers, dict) or not rerankers:
        raise ConfigError("there is no reranker; name at least one, e.g. reranker=[none,minilm]")
    named = {f"rerankers.{name}": component for name, component in rerankers.items()}
    for where, component in {**named, "answer": plain["answer"]}.items():
        if unchosen := explain_unchosen(component, where, CONF):
            raise ConfigError(unchosen)
    for where, component in {"dataset": plain["dataset"], "retriever": plain["retriever"], **named}.items():
        check_component(component, where)
    if plain["answer"] is not None:
        check_component(plain["answer"], "answer")


def make_settings(plain: Mapping[str, Any]) -> "Settings":
    """Return the top-level settings.

    Raises:
        ConfigError: one is out of range.
    """
    from rerank_eval.settings import LatencySettings, Settings, StabilitySettings

    for name, example in (("depths", "10,50,100"), ("measures", "nDCG@10")):
        if not isinstance(plain[name], list):
            written = plain[name] if isinstance(plain[name], str | int) else example
            raise ConfigError(f"{name} is {as_written(plain[name])}; write a list, e.g. '{name}=[{written}]'")
    check_folder(find_output_dir(plain), "output_dir")
    store_path, own_prices = plain["store"]["path"], plain["prices"]
    return Settings(
        depths=plain["depths"],
        measures=plain["measures"],
        retrieval_depth=plain["retrieval_depth"],
        seed=plain["seed"],
        latency=LatencySettings(**plain["latency"]),
        store_path=None
        if store_path is None
        else _find_path(store_path, "store.path", "name a file, or null to keep no answers"),
        store_timeout_s=plain["store"]["timeout_s"],
        max_error_rate=plain["max_error_rate"],
        budget_usd=plain["budget"]["usd"],
        prices_path=CONF / "prices.yaml",
        own_prices_path=None
        if own_prices is None
        else _find_path(own_prices, "prices", "name a file, or null for none"),
        stability=StabilitySettings(**plain["stability"]),
    )


def find_output_dir(plain: Mapping[str, Any]) -> Path:
    """Return the folder that all results go into.

    Raises:
        ConfigError: it is null, empty or no name.
    """
    return _find_path(plain["output_dir"], "output_dir", "name a folder")


def _find_path(value: object, setting: str, cure: str) -> Path:
    _check_is_name(value, setting, cure)
    return Path.cwd() / Path(str(value)).expanduser()


def _check_is_name(value: object, setting: str, cure: str) -> None:
    if not isinstance(value, str | int | float) or isinstance(value, bool) or not str(value).strip():
        raise ConfigError(f"{setting} is {as_written(value)}; {cure}")


def evaluate_configuration(plain: Mapping[str, Any], settings: "Settings", progress: "Progress") -> "ExperimentResult":
    """Make dataset, first stage, rerankers and what answers, and return what `runner.evaluate` finds."""
    from rerank_eval.runner import evaluate

    answerer = _make_answerer(plain)
    return evaluate(*_make_parts(plain, progress), settings, progress, answerer)


def estimate_configuration(plain: Mapping[str, Any], settings: "Settings", progress: "Progress") -> "list[Estimate]":
    """Make dataset, first stage, rerankers and what answers, and return what `dry_run.estimate_calls` finds: nothing is sent."""
    from rerank_eval.dry_run import estimate_calls

    answerer = _make_answerer(plain)
    return estimate_calls(*_make_parts(plain, progress), settings, progress, answerer)


def _make_answerer(plain: Mapping[str, Any]) -> "Answerer | None":
    from rerank_eval.answers.answerer import Answerer

    if plain["answer"] is None:
        return None
    answerer = make_component(plain["answer"], "answer")
    if not isinstance(answerer, Answerer):
        raise ConfigError(
            f"answer: its _target_ returned {type(answerer).__name__}, not a rerank_eval.answers.answerer.Answerer"
        )
    return answerer


def _make_parts(plain: Mapping[str, Any], progress: "Progress") -> "tuple[Dataset, Retriever, list[System]]":
    from rerank_eval.evaluation.systems import System
    from rerank_eval.latency import timed

    progress.start("loading the dataset", 1)
    dataset = make_component(plain["dataset"], "dataset", progress=progress)
    retriever = make_component(plain["retriever"], "retriever")
    systems = []
    for name, component in plain["rerankers"].items():
        progress.start(f"loading {name}", 1)
        reranker, nanoseconds = timed(partial(make_component, component, f"rerankers.{name}"))
        systems.append(System(name, reranker, component, nanoseconds / 1e9))
    return dataset, retriever, systems
