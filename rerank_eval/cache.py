"""Where what was computed once is kept on disk: folders that appear whole or not at all, checked when they are read."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from rerank_eval.errors import ConfigError, DataError, NotEvaluableError

PARTS = "parts"
"""The folder inside an unfinished one where a build keeps what only its continuation needs; not in the finished one."""

_DONE = "rerank_eval.json"
_BUILDING = ".building"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ABANDONED_SECONDS = 7 * 24 * 3600


def cache_root() -> Path:
    """Return `$RERANK_EVAL_CACHE`, or `rerank_eval` in the user's cache folder."""
    chosen = os.environ.get("RERANK_EVAL_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rerank_eval"


def build_folder(
    folder: Path,
    build: Callable[[Path], object],
    *,
    description: Mapping[str, object] | None = None,
    resumable: bool = False,
    note: Callable[[str], None] = lambda message: None,
    timeout_s: float = 3600.0,
) -> None:
    """Make `folder` by `build`, which fills another one; the folder appears whole or not at all.

    An intact folder is kept, a damaged one is built again. Of several processes one builds; the others tell `note`
    which one and wait. Beside the files lies `rerank_eval.json` with `description` and the SHA-256 of each file.

    `build` is given an empty folder. If it is `resumable`, it may be given what an interrupted build left, which it
    must check; only a DataError, after which there is nothing to go on from, leaves nothing.

    Raises:
        NotEvaluableError: the disk is full, or another process has been building for longer than `timeout_s`.
        ConfigError: the place cannot be written to.
    """
    if is_intact(folder):
        return
    unfinished = folder.parent / _BUILDING / folder.name
    with _writing(folder):
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        with _only_builder(unfinished, note, timeout_s):
            if is_intact(folder):
                return
            if folder.exists():
                shutil.rmtree(folder)
            if not resumable and unfinished.exists():
                shutil.rmtree(unfinished)
            unfinished.mkdir(exist_ok=True)
            unfinished.touch()
            try:
                _fill(unfinished, build, description or {})
                unfinished.rename(folder)
            except BaseException as error:
                if not resumable or isinstance(error, DataError):
                    shutil.rmtree(unfinished, ignore_errors=True)
                raise
            _remove_abandoned(unfinished.parent)


@contextmanager
def filling(
    folder: Path, note: Callable[[str], None] = lambda message: None, timeout_s: float = 3600.0
) -> Iterator[None]:
    """Let this process alone fill `folder`, which is made, part by part; others tell `note` whom they wait for.

    Raises:
        NotEvaluableError: the disk is full, or another process has been filling it for longer than `timeout_s`.
        ConfigError: the place cannot be written to.
    """
    with _writing(folder):
        unfinished = folder.parent / _BUILDING / folder.name
        for needed in (folder, unfinished.parent):
            needed.mkdir(parents=True, exist_ok=True)
        with _only_builder(unfinished, note, timeout_s):
            yield


def is_intact(folder: Path) -> bool:
    """Return whether every file of a built folder is there with the content it was built with."""
    try:
        files = json.loads((folder / _DONE).read_text(encoding="utf-8"))["files"]
        return all(_sha256(folder / name) == sha256 for name, sha256 in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def open_new(path: Path) -> BinaryIO:
    """Return a file to write to, in which numpy.save cannot lose the end without an error when the disk is full.

    To a file opened by "wb" numpy writes past Python, and does not look whether the last buffer arrived.
    """
    return path.open("w+b")


def keep_part(folder: Path, name: str, write: Callable[[BinaryIO], object]) -> Path:
    """Return the file that `write` filled; it appears whole or not at all, and its name ends with its SHA-256."""
    folder.mkdir(exist_ok=True)
    unfinished = folder / f"{name}.unfinished"
    try:
        with open_new(unfinished) as file:
            write(file)
    except BaseException:
        unfinished.unlink()
        raise
    return unfinished.rename(folder / f"{name}.{_sha256(unfinished)}")


def find_part(folder: Path, name: str) -> Path | None:
    """Return the file that `keep_part` made, or None if it is missing or damaged; a damaged one is removed."""
    for path in sorted(folder.glob(f"{name}.*")):
        if path.suffix == f".{_sha256(path)}":
            return path
        path.unlink()
    return None


def _fill(unfinished: Path, build: Callable[[Path], object], description: Mapping[str, object]) -> None:
    if not is_intact(unfinished):  # it is where the process ended just before the renaming
        build(unfinished)
        files = {path.name: _sha256(path) for path in sorted(unfinished.iterdir()) if path.is_file()}
        done = json.dumps({**description, "files": files}, indent=1)
        (unfinished / _DONE).write_text(done, encoding="utf-8")
    shutil.rmtree(unfinished / PARTS, ignore_errors=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn a full disk, or a place that cannot be written to, into a message."""
    try:
        yield
    except OSError as error:
        # numpy tells no errno when it could write only a part: "10 requested and 4 written"
        if error.errno in _DISK_FULL or (error.errno is None and "requested and" in str(error)):
            raise NotEvaluableError(
                f"no space left for {folder} ({error}); make room there, or choose another place with RERANK_EVAL_CACHE, and run again"
            ) from error
        place = None if error.filename is None else Path(os.fsdecode(error.filename))
        if place is None or not (place.is_relative_to(folder.parent) or folder.is_relative_to(place)):
            raise  # something else that the build works with
        raise ConfigError(
            f"{folder} cannot be written: {error}; choose another place with RERANK_EVAL_CACHE"
        ) from error


@contextmanager
def _only_builder(unfinished: Path, note: Callable[[str], None], timeout_s: float) -> Iterator[None]:
    """Hold the lock of an unfinished folder, which ends with the process, however that ends."""
    lock = FileLock(unfinished.with_name(f"{unfinished.name}.lock"))
    owner = unfinished.with_name(f"{unfinished.name}.owner")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        note(f"{_name(owner)} is building {unfinished.parent.parent / unfinished.name}; waiting for it")
        try:
            lock.acquire(timeout=timeout_s)
        except Timeout:
            raise NotEvaluableError(
                f"{_name(owner)} has been building {unfinished.parent.parent / unfinished.name} for more than {timeout_s:g} s; "
                "wait until it is done, or end it"
            ) from None
    try:
        owner.write_text(f"process {os.getpid()}", encoding="utf-8")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _name(owner: Path) -> str:
    try:
        return owner.read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"


def _remove_abandoned(building: Path) -> None:
    """Remove what builds left that nobody has gone on with for a week."""
    now = building.stat().st_mtime  # something was renamed out of it just now
    for lock_file in sorted(building.glob("*.lock")):
        unfinished = lock_file.with_suffix("")
        try:
            if now - unfinished.stat().st_mtime > _ABANDONED_SECONDS:
                with FileLock(lock_file, timeout=0):
                    shutil.rmtree(unfinished, ignore_errors=True)
        except (OSError, Timeout):  # finished, or somebody builds it
            continue


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
