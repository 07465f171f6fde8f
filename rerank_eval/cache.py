"""Where what was computed once is kept on disk: folders that appear whole or not at all, checked when they are read."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from rerank_eval.errors import ConfigError, DataError, NotEvaluableError
from rerank_eval.fingerprint import file_sha256

PARTS = "parts"
"""The folder inside an unfinished one where a build keeps what only its continuation needs; not in the finished one."""

_DONE = "rerank_eval.json"
_BUILDING = ".building"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ABANDONED_SECONDS = 7 * 24 * 3600
_IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP)
_MOMENT_SECONDS, _TRIES = 0.1, 100


def cache_root() -> Path:
    """Return `$RERANK_EVAL_CACHE`, or `rerank_eval` in the user's cache folder."""
    chosen = os.environ.get("RERANK_EVAL_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "rerank_eval"


def index_folder(kind: str, chosen: str | None) -> Path:
    """Return where a first stage keeps its indexes: the chosen folder, or its own in the cache."""
    return cache_root() / kind if chosen is None else Path(chosen).expanduser().absolute()


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
        _make_folder(unfinished.parent)
        with _only_builder(unfinished, note, timeout_s):
            if is_intact(folder):
                return
            if folder.is_symlink():
                folder.unlink()
            elif folder.exists():
                shutil.rmtree(folder)
            if not resumable and unfinished.exists():
                shutil.rmtree(unfinished)
            _make_folder(unfinished)
            unfinished.touch()
            for path in unfinished.iterdir():
                if path.is_symlink() or not (path.is_file() or path.name == PARTS):
                    _remove(path)
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
            _make_folder(needed)
        with _only_builder(unfinished, note, timeout_s):
            yield


def is_intact(folder: Path) -> bool:
    """Return whether every file of a built folder is there with the content it was built with."""
    try:
        files = json.loads((folder / _DONE).read_text(encoding="utf-8"))["files"]
        return all(file_sha256(folder / name) == sha256 for name, sha256 in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def open_new(path: Path) -> BinaryIO:
    """Return a new file in the place of what was there, in which numpy.save cannot lose the end without an error when the disk is full.

    To a file opened for writing only numpy writes past Python, and does not look whether the last buffer arrived.
    """
    _remove(path)
    return path.open("x+b")


def keep_part(folder: Path, name: str, write: Callable[[BinaryIO], object]) -> Path:
    """Return the file that `write` filled, the only one of this name; it appears whole or not at all, and its name ends with its SHA-256."""
    _make_folder(folder)
    unfinished = folder / f"{name}.unfinished"
    try:
        with open_new(unfinished) as file:
            write(file)
    except BaseException:
        unfinished.unlink(missing_ok=True)  # the disk may have been too full to make it
        raise
    finished = folder / f"{name}.{file_sha256(unfinished)}"
    if finished.is_dir():
        _remove(finished)
    unfinished.rename(finished)
    for other in set(folder.glob(f"{name}.*")) - {finished}:
        _remove(other)
    return finished


def intact_parts(folder: Path) -> dict[str, Path]:
    """Return by name the files that `keep_part` made and that are as it made them; nothing is changed."""
    return {path.stem: path for path in sorted(folder.glob("*")) if _is_intact_part(path)}


def find_parts(folder: Path) -> dict[str, Path]:
    """Return what `intact_parts` does; what is damaged or unfinished is removed."""
    found = intact_parts(folder)
    for path in folder.glob("*"):
        if found.get(path.stem) != path:
            _remove(path)
    return found


def _is_intact_part(path: Path) -> bool:
    try:
        return path.is_file() and path.suffix == f".{file_sha256(path)}"
    except OSError:
        return False


def _make_folder(folder: Path) -> None:
    """Make a folder where there is none; a symbolic link is no folder, since it may lead out of the cache."""
    if folder.is_symlink():
        folder.unlink()
    folder.mkdir(parents=True, exist_ok=True)


def _remove(path: Path) -> None:
    """Remove what is there, if anything, whatever it is; of a symbolic link not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _fill(unfinished: Path, build: Callable[[Path], object], description: Mapping[str, object]) -> None:
    if not is_intact(unfinished):  # it is where the process ended just before the renaming
        build(unfinished)
        files = {path.name: file_sha256(path) for path in sorted(unfinished.iterdir()) if path.is_file()}
        done = json.dumps({**description, "files": files}, indent=1)
        with open_new(unfinished / _DONE) as file:
            file.write(done.encode())
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
        place = None if error.filename is None else Path(os.fsdecode(error.filename)).absolute()
        folder = folder.absolute()
        if place is None or not (place.is_relative_to(folder.parent) or folder.is_relative_to(place)):
            raise  # something else that the build works with
        cure = f"remove {place}, or " if error.errno in _IN_THE_WAY else ""
        raise ConfigError(
            f"{folder} cannot be written: {error}; {cure}choose another place with RERANK_EVAL_CACHE"
        ) from error


@contextmanager
def _only_builder(unfinished: Path, note: Callable[[str], None], timeout_s: float) -> Iterator[None]:
    """Hold the lock of an unfinished folder, which ends with the process, however that ends."""
    lock = FileLock(unfinished.with_name(f"{unfinished.name}.lock"))
    owner = unfinished.with_name(f"{unfinished.name}.owner")
    other = _acquire_or_name(lock, owner)
    if other:
        note(f"{other} is building {unfinished.parent.parent / unfinished.name}; waiting for it")
        try:
            lock.acquire(timeout=timeout_s)
        except Timeout:
            raise NotEvaluableError(
                f"{_read(owner) or other} has been building {unfinished.parent.parent / unfinished.name} for more than {timeout_s:g} s; "
                "wait until it is done, or end it"
            ) from None
    try:
        with open_new(owner) as file:
            file.write(f"process {os.getpid()}".encode())
        yield
    finally:
        with suppress(OSError):  # it only names the process; what must not be left out is the release
            owner.unlink()
        lock.release()


def _acquire_or_name(lock: FileLock, owner: Path) -> str | None:
    """Return None if the lock is held now, else who holds it, who says so in a file a moment after he has got it."""
    for _ in range(_TRIES):
        try:
            lock.acquire(timeout=_MOMENT_SECONDS)
        except Timeout:
            if name := _read(owner):
                return name
        else:
            return None
    return "another process"


def _read(owner: Path) -> str:
    try:
        return owner.read_text(encoding="utf-8")
    except OSError:
        return ""


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
