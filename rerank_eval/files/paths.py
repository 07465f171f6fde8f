"""Names that may become file names."""

import os
import re
from pathlib import Path

from rerank_eval.errors import ConfigError, shortened

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
_LONGEST_NAME = 255  # of the usual file systems


def check_name(name: str, what: str) -> str:
    """Return `name` if it may be part of a file name.

    Raises:
        ConfigError: it has a path separator, is hidden, empty or too long.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{what} {name!r} cannot name a file; use 1 to 100 letters, digits, '_', '.', '+', '-', beginning with a letter, "
            "a digit or '_'"
        )
    return name


def check_folder(folder: Path, setting: str) -> None:
    """Check that the folder is there or can be made, as far as its path tells.

    Raises:
        ConfigError: something on the way to it is no folder, or a name in it is too long; names the setting.
    """
    check_lengths(folder, setting)
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir():
        raise ConfigError(f"{setting}: {nearest} is no folder; name another")


def check_lengths(path: Path, setting: str) -> None:
    """Check that no name in the path is longer than file systems take.

    Raises:
        ConfigError: one is; names the setting.
    """
    for part in path.parts:
        if len(os.fsencode(part)) > _LONGEST_NAME:
            raise ConfigError(
                f"{setting}: the name '{shortened(part)}' has more than {_LONGEST_NAME} bytes; name another"
            )


def resolve_inside(root: Path, *parts: str) -> Path:
    """Return the path of `parts` under `root`.

    Raises:
        ConfigError: a part is no plain name, or the result leaves the root (a symbolic link, say).
    """
    path = root.joinpath(*(check_name(part, "the name") for part in parts))
    if not path.resolve().is_relative_to(root.resolve()):
        raise ConfigError(f"{os.fspath(path)} is outside {os.fspath(root)}")
    return path
