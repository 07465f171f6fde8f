"""The front matter of a repository's README, which says which files a config's splits have."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from rerank_eval.errors import DataError

Patterns = Mapping[str, Sequence[str]]
"""split -> patterns of paths."""

_FRONT_MATTER = re.compile(r"\ufeff?---\s*\n(.*?)\n---\s*(\n|$)", re.DOTALL)


def read_configs(readme: Path) -> dict[str, Patterns]:
    """Return what the card declares by config; empty if it declares none.

    The form: https://huggingface.co/docs/hub/datasets-manual-configuration

    Raises:
        DataError: the front matter is no YAML, or its configs are of another form.
    """
    front_matter = _front_matter(readme)
    configs = front_matter.get("configs") if isinstance(front_matter, dict) else None
    if not configs:
        return {}
    try:
        return {str(config["config_name"]): _patterns_by_split(config["data_files"]) for config in configs}
    except (TypeError, KeyError) as error:
        raise DataError("the list of configs is not of the form that the hub describes", readme) from error


def _front_matter(readme: Path) -> object:
    """Return the YAML at the head of the file, between two lines of dashes."""
    found = _FRONT_MATTER.match(readme.read_text(encoding="utf-8", errors="replace"))
    try:
        return yaml.safe_load(found[1]) if found else None
    except Exception as error:  # beside its own, PyYAML raises whatever a scalar of a wrong form leads to
        raise DataError("the front matter is no YAML", readme) from error


def _patterns_by_split(data_files: object) -> Patterns:
    if isinstance(data_files, str):
        return {"train": [data_files]}
    if not isinstance(data_files, list):
        raise TypeError("data_files is neither a path nor a list")
    return {str(entry["split"]): _as_patterns(entry["path"]) for entry in data_files}


def _as_patterns(path: object) -> list[str]:
    patterns = path if isinstance(path, list) else [path]
    strings = [pattern for pattern in patterns if isinstance(pattern, str)]
    if len(strings) < len(patterns):
        raise TypeError("a path is no string")
    return strings
