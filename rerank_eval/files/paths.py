"""Names that may become file names."""

import os
import re
from pathlib import Path

from rerank_eval.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")


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


def resolve_inside(root: Path, *parts: str) -> Path:
    """Return the path of `parts` under `root`.

    Raises:
        ConfigError: a part is no plain name, or the result leaves the root (a symbolic link, say).
    """
    path = root.joinpath(*(check_name(part, "the name") for part in parts))
    if not path.resolve().is_relative_to(root.resolve()):
        raise ConfigError(f"{os.fspath(path)} is outside {os.fspath(root)}")
    return path
