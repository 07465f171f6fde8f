"""Settings of two or more systems beside each other: each under its dotted name, and which of them differ."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def flatten(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted name -> value of every setting, those inside of others too."""
    return dict(_flatten(settings, ""))


def find_differing(variants: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the flat settings that are not the same in all variants, sorted; one that is lacking is null."""
    names = sorted({name for settings in variants for name in settings})
    return [
        name for name in names if len({json.dumps(settings.get(name), sort_keys=True) for settings in variants}) > 1
    ]


def _flatten(settings: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
