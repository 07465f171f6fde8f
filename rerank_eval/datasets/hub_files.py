"""Files of a dataset repository on the Hugging Face hub, at one commit: downloaded once, verified whenever they are fetched.

huggingface_hub checks the size of what it downloads but no hash, and begins anew after an interruption; here a file is compared with
the hash that the hub lists for the commit, and an interrupted download goes on where it ended.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from filelock import FileLock

from rerank_eval.cache import cache_root
from rerank_eval.datasets.hub_errors import HubLimitError, explain_hub_error
from rerank_eval.datasets.hub_listing import HubFile, keep_listing, list_files, make_room, read_listing
from rerank_eval.datasets.hub_waits import limiting_waits
from rerank_eval.errors import (
    ConfigError,
    MissingExtraError,
    NotCachedError,
    NotEvaluableError,
    RerankEvalError,
    shortened,
)
from rerank_eval.fingerprint import file_sha256
from rerank_eval.protocols import Progress

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_COMMIT = re.compile("[0-9a-f]{40}")
_MEGABYTE = 1_000_000
_LONGEST_NAME = 240  # of the 255 bytes that file systems allow; the names of lock and partial file are longer


class HubRepository:
    """A dataset repository at one commit, kept in a folder of its own; once a file is there, no network is needed for it.

    Several processes may fetch the same file: one downloads, the others wait for it.
    """

    def __init__(
        self,
        name: str,
        revision: str,
        cache_dir: str | None = None,
        offline: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Check name and commit; nothing is asked of the hub yet. Downloads show on `progress`, or as huggingface_hub shows them.

        Raises:
            ConfigError: the name is not OWNER/NAME, or the revision is no full commit hash.
        """
        if not isinstance(name, str) or not _REPOSITORY.fullmatch(name) or ".." in name or name.endswith((".", ".git")):
            raise ConfigError(
                f"dataset.repository {name!r} is no name on the hub; write OWNER/NAME (a local folder is read by dataset=beir_dir)"
            )
        if not isinstance(revision, str) or not _COMMIT.fullmatch(revision):
            raise ConfigError(
                f"dataset.revision {revision!r} of {name} is no commit; take the 40 digits from its page under 'Files', 'History', "
                "so that the data stay the same"
            )
        self.name = name
        self.revision = revision
        self._offline = offline
        self._progress = progress
        self._folder = (cache_root() / "hub" if cache_dir is None else Path(cache_dir).expanduser()) / name / revision
        self._files: tuple[HubFile, ...] | None = None
        self._has_asked = False

    @property
    def files(self) -> tuple[HubFile, ...]:
        """All files, by path; from the cache where they were listed before, since a commit does not change.

        Raises:
            ConfigError: there is no such repository or commit, or it needs a login.
            NotCachedError: it must be downloaded and may not be.
            NotEvaluableError: the hub cannot be reached or does not answer.
        """
        if self._files is None:
            self._files = read_listing(self._folder / "listing.json") or self._list()
        return self._files

    def list_again(self) -> bool:
        """Return whether the list is another one, having asked the hub where it came from the cache.

        For a file that should be there: what was kept may be of a hub that did not list it.
        """
        if self._has_asked or self._offline:
            return False
        before = self.files
        try:
            self._files = self._list()
        except RerankEvalError:  # that the file is not listed says more
            return False
        return self._files != before

    def fetch(self, path: str) -> Path:
        """Return the file, downloaded if it is missing or not what the hub lists.

        Raises:
            ConfigError: the repository has no such file, or it needs a login.
            NotCachedError: it must be downloaded and may not be.
            NotEvaluableError: the hub cannot be reached or sends something else, or the disk is full. What has come is kept,
                and the next call goes on from there.
        """
        file = self._find(path)
        if file is None and self.list_again():
            file = self._find(path)
        if file is None:
            raise ConfigError(f"{self} has no file {path!r}")
        target = self._inside(path)
        if not _is_intact(target, file):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(target.with_name(f".{target.name}.lock")):
                    if not _is_intact(target, file):
                        self._download(file, target)
            except OSError as error:
                raise NotEvaluableError(
                    f"{self}: {path} cannot be kept in {target.parent}: {error.strerror}"
                ) from error
        return target

    def _find(self, path: str) -> HubFile | None:
        return next((file for file in self.files if file.path == path), None)

    def __str__(self) -> str:
        """Return name and commit."""
        return f"{self.name} at {self.revision[:12]}"

    def _inside(self, path: str) -> Path:
        """Return where a file of the listing is kept; the hub is not trusted to name only places inside."""
        if (
            "\\" in path
            or "\0" in path
            or not {"", ".", ".."}.isdisjoint(path.split("/"))
            or PurePosixPath(path).is_absolute()
        ):
            raise ConfigError(f"{self} lists a file {path!r}, which leaves its folder; do not use this repository")
        if any(len(part.encode()) > _LONGEST_NAME for part in path.split("/")):
            raise ConfigError(f"{self} lists a file {shortened(path)!r}, whose name is too long to be kept here")
        return self._folder / "files" / path

    def _list(self) -> tuple[HubFile, ...]:
        with self._asking("its list of files"):
            files = list_files(self.name, self.revision)
            keep_listing(self._folder / "listing.json", files)
        self._has_asked = True
        return files

    def _download(self, file: HubFile, target: Path) -> None:
        unfinished = target.with_name(target.name + ".partial")
        make_room(unfinished)
        while True:
            resumed = unfinished.exists()
            with self._asking(file.path, unfinished):
                self._transfer(file, unfinished)
            if _is_intact(unfinished, file):
                make_room(target)
                unfinished.replace(target)
                return
            unfinished.unlink()
            if not resumed:  # else what was kept may have been damaged: once more from the beginning
                raise NotEvaluableError(
                    f"{self}: {file.path} came with another content than its hash {file.hash[:12]}… says; try again, and if it stays "
                    "so, something between this machine and the hub changes files"
                )

    def _transfer(self, file: HubFile, unfinished: Path) -> None:
        """Append what is missing; nothing is kept of what cannot be the file."""
        import httpx2
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        url = hf_hub_url(self.name, file.path, repo_type="dataset", revision=self.revision)
        try:
            with unfinished.open("ab") as output:
                if output.tell() > file.size:
                    output.truncate(0)
                    output.seek(0)
                http_get(
                    url,
                    _Bounded(output, file.size),
                    resume_size=output.tell(),
                    headers={**build_hf_headers(), "Accept-Encoding": "identity"},  # else no download could be resumed
                    expected_size=file.size,
                    displayed_filename=f"{self.name}/{file.path}",
                    tqdm_class=None if self._progress is None else partial(_Megabytes, self._progress),
                )
        except (_TooLargeError, httpx2.DecodingError):
            unfinished.unlink()
            raise

    @contextmanager
    def _asking(self, what: str, unfinished: Path | None = None) -> Iterator[None]:
        """Turn what goes wrong at the hub into an error that names repository, commit and cure."""
        if self._offline:
            raise NotCachedError(
                f"{self}: {what} is not in {self._folder}, and dataset.offline is set; run once with a network"
            )
        try:
            import httpx2
            import huggingface_hub  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("huggingface_hub", "hf") from error
        try:
            with limiting_waits():
                yield
        except (OSError, httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            has_part = unfinished is not None and unfinished.exists() and unfinished.stat().st_size > 0
            raise explain_hub_error(f"{self}: {what}", error, has_part) from error


class _TooLargeError(HubLimitError):
    """More came than the file has."""


class _Bounded:
    """What http_get asks of a file; it takes no more than `limit` bytes, since what comes may be packed, or have no end."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        """Write to `file`."""
        self._file = file
        self._limit = limit
        self.tell, self.seek, self.truncate = file.tell, file.seek, file.truncate

    def write(self, data: bytes) -> int:
        """Write, within the limit."""
        if self._file.tell() + len(data) > self._limit:
            raise _TooLargeError(
                f"more came than the {self._limit} bytes that the hub lists; nothing of it is kept; try again, and if it stays so, "
                "something between this machine and the hub changes files"
            )
        return self._file.write(data)


class _Megabytes:
    """What http_get asks of a bar, shown on a `Progress` in steps of 1 MB."""

    def __init__(self, progress: Progress, *, desc: str, total: int | None, initial: int, **_: object) -> None:
        """Begin a piece of work; a resumed download begins where it ended."""
        self._progress = progress
        self._done = 0
        progress.start(f"downloading {desc} (MB)", max(1, (total or 0) // _MEGABYTE))
        self.update(initial)

    def update(self, size: int) -> None:
        """Count bytes."""
        before = self._done // _MEGABYTE
        self._done += size
        self._progress.advance(self._done // _MEGABYTE - before)

    def __enter__(self) -> "_Megabytes":
        """Nothing to open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""


def _is_intact(path: Path, file: HubFile) -> bool:
    """Return whether the file is there with the content that the hub lists."""
    try:
        if path.stat().st_size != file.size:
            return False
        if len(file.hash) == 64:
            return file_sha256(path) == file.hash
        with path.open("rb") as content:
            header = b"blob %d\0" % file.size  # https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
            return hashlib.file_digest(content, lambda: hashlib.sha1(header)).hexdigest() == file.hash
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
