"""What hydra says about a wrong override, in words that name the place and the cure."""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from rerank_eval.errors import causes, nearest

_GROUPS = ("dataset", "retriever", "reranker", "answer", "experiment")
_COMPONENTS = ("dataset", "retriever", "answer")
_MOST_NAMES = 3
_OPEN_MAPPING = re.compile(r"(rerankers|answer)\.([^=]+\.)?(also|headers)(\.[^=]+)?=")
"""Settings that take names of the user's own; hydra takes a new name only from an override with plus signs."""


def explain_composition(error: BaseException, conf: Path) -> str:
    """Return one line for an error of hydra or omegaconf, with the nearest valid names."""
    text = " ".join(str(part) for part in causes(error))
    if found := re.search(r"[Cc]ould not (?:find|load) '(?:\w+://)?([\w-]+)/([^']*)'", text):
        group, name = found.groups()
        return f"there is no {group} {name!r}: {nearest(name, _choices(conf, group))}"
    if "Missing mandatory value" in text and (found := re.search(r"full_key: ([\w.]+)", text)):
        return f"{found[1]} must be set: {found[1]}=VALUE"
    if found := re.search(r"Could not (?:override|append|delete)[^'\"]*['\"]([^'\"]+)['\"]", text):
        key = found[1].lstrip("+").split("=")[0].split("@")[0]
        if key == "experiment":
            return "an experiment is added with a plus: +experiment=NAME"
        if key in _GROUPS:
            return f"{key} takes a name: {', '.join(sorted(_choices(conf, key)))}"
        names = _settings(conf)
        if key in names:
            return _explain_known(key)
        added = "; a reranker of your own is added with a plus: +rerankers.NAME._target_=MODULE.CLASS"
        return f"there is no setting {key!r}: {_nearest_settings(key, names)}{added if key.startswith('rerankers.') else ''}"
    return " ".join(str(error).split())


def _explain_known(key: str) -> str:
    if key.startswith("answer."):
        off = "off, or another model does" if key.count(".") > 1 else "off"
        return f"{key!r} is set where something answers, which is {off}: answer=claude turns it on"
    part = ", or of another part of it," if key.count(".") > 2 else ""
    return f"{key!r} is a setting of another {key.split('.')[0].removesuffix('s')}{part} than the chosen one"


def open_mappings(overrides: Sequence[str]) -> list[str]:
    """Return the overrides with leave to add names where a setting takes any (`also`, `headers`)."""
    return [f"++{override}" if _OPEN_MAPPING.match(override) else override for override in overrides]


def explain_unchosen(component: object, where: str, conf: Path) -> str | None:
    """Return what is wrong with the settings of what was not chosen, which `open_mappings` lets through; None for anything else."""
    if not isinstance(component, dict) or "_target_" in component:
        return None
    names = _settings(conf)
    known = [name for name in _flatten(component, f"{where}.") if name in names]
    return _explain_known(known[-1]) if known else None


def explain_nameless_choice(group: str, value: str, conf: Path) -> str:
    """Return what to write where `value`, which is no name, stands for a choice of `group`."""
    names = ", ".join(sorted(_choices(conf, group)))
    off = "; ~answer turns it off" if group == "answer" else ""
    return f"{group} is {value}; it takes a name{f': {names}' if names else ''}{off}"


def _choices(conf: Path, group: str) -> list[str]:
    folder = conf / group
    return [path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")]


def _nearest_settings(key: str, names: Sequence[str]) -> str:
    """Return a hint with the few names of which the whole, or as many last parts as `key` has, are nearest to it."""
    num_parts = key.count(".") + 1
    by_ending: dict[str, list[str]] = {}
    for name in sorted(set(names), key=lambda name: (name.count("."), name)):
        for ending in {name, ".".join(name.split(".")[-num_parts:])}:
            by_ending.setdefault(ending, []).append(name)
    close = [key] if key in by_ending else difflib.get_close_matches(key, by_ending, cutoff=0.5)
    endings = close or difflib.get_close_matches(key, by_ending, cutoff=0)
    found = list(dict.fromkeys(name for ending in endings for name in by_ending[ending]))[:_MOST_NAMES]
    if close:
        return f"did you mean {' or '.join(found)}?"
    return f"the nearest are {', '.join(found)}; --cfg=job lists all those of a command"


def _settings(conf: Path) -> list[str]:
    """Return the dotted names of all settings: of config.yaml, and of every choice of every group with its parts."""
    names = list(_GROUPS)
    choices = [path for group in _GROUPS for path in sorted((conf / group).glob("*.yaml"))]
    for path in [conf / "config.yaml", *choices]:
        group = path.relative_to(conf).parts[0]
        prefix = {"reranker": f"rerankers.{path.stem}."}.get(group, f"{group}." if group in _COMPONENTS else "")
        names += [prefix + name for name in _read_names(conf, path) if not name.startswith(("hydra", "_"))]
    return names


def _read_names(conf: Path, path: Path) -> Iterator[str]:
    """Yield the names in a file, and in those that its defaults add to it (`claude`) or put into a place (`/chat@chat: claude`)."""
    content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for entry in content.pop("defaults", ()):
        if isinstance(entry, str):
            file, place = entry.removesuffix("@_here_"), "_here_"
        else:
            ((source, choice),) = entry.items()
            group, _, place = source.partition("@")
            file = f"{group}/{choice}"
        part = (conf if file.startswith("/") else path.parent) / f"{file.removeprefix('/')}.yaml"
        if place and part.is_file():  # without a place: the choices of config.yaml, and _self_ is no file
            prefix = "" if place == "_here_" else f"{place}."
            yield from (f"{prefix}{name}" for name in _read_names(conf, part) if not name.startswith("_"))
    yield from _flatten(content)


def _flatten(content: dict[str, object], prefix: str = "") -> Iterator[str]:
    for name, value in content.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
