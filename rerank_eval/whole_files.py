"""Files that appear whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path


def write_whole(texts: Mapping[Path, str]) -> None:
    """Write every file, with the folders that lead to it; a reader sees the old content or the new, never a part.

    What is no regular file (a pipe, /dev/stdout) is written to in place, since there is nothing to replace.

    Raises:
        OSError: one cannot be written; then none is replaced.
    """
    unfinished: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            if path.exists() and not path.is_file():
                path.write_text(text, encoding="utf-8")
                continue
            target = path.resolve()
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished[target] = target.with_name(f".{os.getpid()}-{len(unfinished)}.unfinished")
            unfinished[target].write_text(text, encoding="utf-8")
        for target, written in unfinished.items():
            written.replace(target)
    finally:
        for written in unfinished.values():
            written.unlink(missing_ok=True)
