"""The front matter of a repository's README, which says which files a config's splits have."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from rerank_eval.errors import DataError
from rerank_eval.files.text_files import read_raw_lines

Patterns = Mapping[str, Sequence[str]]
"""split -> patterns of paths."""

_MOST_BYTES = 512 * 1024
_MOST_VALUES = 100_000


def read_configs(readme: Path) -> dict[str, Patterns]:
    """Return what the card declares by config; empty if it declares none.

    The form: https://huggingface.co/docs/hub/datasets-manual-configuration

    Raises:
        DataError: the front matter is no YAML or too large, or its configs are of another form.
    """
    try:
        # all scalars as they are written: a date that is none, say, is no reason to refuse a card
        front_matter = yaml.load("".join(_front_matter(readme)), yaml.BaseLoader)
        configs = front_matter.get("configs") if isinstance(front_matter, dict) else None
        num_values = _count_values(configs, {})
    except DataError:
        raise
    except Exception as error:  # beside its own, PyYAML raises whatever a scalar of a wrong form leads to
        raise DataError("the front matter is no YAML", readme) from error
    if num_values > _MOST_VALUES:
        raise DataError(f"the list of configs has more than {_MOST_VALUES} values", readme)
    try:
        return {_string(config["config_name"]): _patterns_by_split(config["data_files"]) for config in configs or ()}
    except (TypeError, KeyError) as error:
        raise DataError("the list of configs is not of the form that the hub describes", readme) from error


def _front_matter(readme: Path) -> Iterator[str]:
    """Yield the lines at the head of the file, between two lines of dashes; none where the second is missing."""
    lines: list[str] = []
    size = 0
    for number, raw in enumerate(read_raw_lines(readme)):
        line = raw.decode(errors="replace")
        is_dashes = line.rstrip() == "---"
        if number == 0 and not is_dashes:
            return
        if number and is_dashes:
            yield from lines[1:]
            return
        lines.append(line)
        size += len(raw)
        if size > _MOST_BYTES:
            raise DataError(f"the front matter has more than {_MOST_BYTES} bytes", readme)


def _count_values(value: object, known: dict[int, int]) -> int:
    """Return how many values there are when every alias is written out, without doing so."""
    if id(value) not in known:
        children = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
        known[id(value)] = 1 + sum(_count_values(child, known) for child in children)
    return known[id(value)]


def _patterns_by_split(data_files: object) -> Patterns:
    if isinstance(data_files, str):
        return {"train": [data_files]}
    if not isinstance(data_files, list):
        raise TypeError("data_files is neither a path nor a list")
    return {_string(entry["split"]): _as_patterns(entry["path"]) for entry in data_files}


def _as_patterns(path: object) -> list[str]:
    return [_string(pattern) for pattern in path] if isinstance(path, list) else [_string(path)]


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a name or path is no string")
    return value
