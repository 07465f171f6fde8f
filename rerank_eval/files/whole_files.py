"""Files that appear whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path


def write_whole(contents: Mapping[Path, str | bytes]) -> None:
    """Write every file, with the folders that lead to it; a reader sees the old content or the new, never a part.

    All are on the disk before one gets its name. What is no regular file (a pipe, /dev/stdout) is written to in place, since
    there is nothing to replace.

    Raises:
        OSError: one cannot be written; then none is replaced, and no new folder stays.
    """
    targets = {
        path if _is_stream(path) else path.resolve(): content.encode() if isinstance(content, str) else content
        for path, content in contents.items()
    }
    new_folders = {folder for target in targets for folder in target.parents if not folder.exists()}
    unfinished: dict[Path, Path] = {}
    try:
        for target, content in targets.items():
            if _is_stream(target):
                target.write_bytes(content)
                continue
            if target.is_dir():
                raise IsADirectoryError(f"{target} is a folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished[target] = target.with_name(f".{os.getpid()}-{len(unfinished)}.unfinished")
            _write_synced(unfinished[target], content)
        for target, written in unfinished.items():
            written.replace(target)
    finally:
        for written in unfinished.values():
            written.unlink(missing_ok=True)
        for folder in sorted(new_folders, key=lambda folder: -len(folder.parts)):
            _remove_if_empty(folder)


def _is_stream(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _write_synced(path: Path, content: bytes) -> None:
    """Write a file and have the disk take it, so that a full one is noticed before a file gets its name."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # it holds what was written, or something of another's, or was never made
