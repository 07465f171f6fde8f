"""What hydra says about a wrong override, in words that name the place and the cure."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from rerank_eval.errors import causes, nearest

_GROUPS = ("dataset", "retriever", "reranker", "answer", "experiment")
_COMPONENTS = ("dataset", "retriever", "answer")


def explain_composition(error: BaseException, conf: Path) -> str:
    """Return one line for an error of hydra or omegaconf, with the nearest valid names."""
    text = " ".join(str(part) for part in causes(error))
    if found := re.search(r"[Cc]ould not (?:find|load) '(?:\w+://)?([\w-]+)/([^']+)'", text):
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
        if key.startswith("answer.") and key in names:
            return f"{key!r} is set where something answers, which is off: answer=claude turns it on"
        if key in names:
            return f"{key!r} is a setting of another {key.split('.')[0].removesuffix('s')} than the chosen one"
        added = "; a reranker of your own is added with a plus: +rerankers.NAME._target_=MODULE.CLASS"
        return f"there is no setting {key!r}: {nearest(key, names)}{added if key.startswith('rerankers.') else ''}"
    return " ".join(str(error).split())


def _choices(conf: Path, group: str) -> list[str]:
    folder = conf / group
    return [path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")]


def _settings(conf: Path) -> list[str]:
    """Return the dotted names of all settings: of config.yaml, and of every choice of every group."""
    names = list(_GROUPS)
    choices = [path for group in _GROUPS for path in sorted((conf / group).glob("*.yaml"))]
    for path in [conf / "config.yaml", *choices]:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        group = path.relative_to(conf).parts[0]
        prefix = {"reranker": f"rerankers.{path.stem}."}.get(group, f"{group}." if group in _COMPONENTS else "")
        names += [prefix + name for name in _flatten(content) if not name.startswith(("hydra", "defaults", "_"))]
    return names


def _flatten(content: dict[str, object], prefix: str = "") -> Iterator[str]:
    for name, value in content.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
