"""Files of a dataset repository on the Hugging Face hub, at one commit: downloaded once, verified whenever they are fetched.

huggingface_hub checks the size of what it downloads but no hash, and begins anew after an interruption; here a file is compared with
the hash that the hub lists for the commit, and an interrupted download goes on where it ended.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from filelock import FileLock

from rerank_eval.cache import cache_root
from rerank_eval.datasets.hub_errors import explain_hub_error
from rerank_eval.datasets.hub_waits import refusing_long_waits
from rerank_eval.errors import ConfigError, MissingExtraError, NotCachedError, NotEvaluableError
from rerank_eval.fingerprint import file_sha256, fingerprint
from rerank_eval.protocols import Progress
from rerank_eval.whole_files import write_whole

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_COMMIT = re.compile("[0-9a-f]{40}")
_MEGABYTE = 1_000_000


class HubFile(NamedTuple):
    """A file as the hub lists it: its path in the repository, its size in bytes, and the hash of its content."""

    path: str
    size: int
    hash: str
    """The SHA-256 of a file in large-file storage, else the SHA-1 of the git blob."""


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

    @cached_property
    def files(self) -> tuple[HubFile, ...]:
        """All files, by path; from the cache where they were listed before, since a commit does not change.

        Raises:
            ConfigError: there is no such repository or commit, or it needs a login.
            NotCachedError: it must be downloaded and may not be.
            NotEvaluableError: the hub cannot be reached or does not answer.
        """
        kept = self._folder / "listing.json"
        files = read_listing(kept)
        if files is None:
            with self._asking("its list of files"):
                files = self._list()
                write_whole({kept: json.dumps({"files": files, "sha256": fingerprint({"files": files})}, indent=1)})
        return files

    def fetch(self, path: str) -> Path:
        """Return the file, downloaded if it is missing or not what the hub lists.

        Raises:
            ConfigError: the repository has no such file, or it needs a login.
            NotCachedError: it must be downloaded and may not be.
            NotEvaluableError: the hub cannot be reached or sends something else, or the disk is full. What has come is kept,
                and the next call goes on from there.
        """
        file = next((file for file in self.files if file.path == path), None)
        if file is None:
            raise ConfigError(f"{self} has no file {path!r}")
        target = self._inside(path)
        if not _is_intact(target, file):
            target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(target.with_name(f".{target.name}.lock")):
                if not _is_intact(target, file):
                    self._download(file, target)
        return target

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
        return self._folder / "files" / path

    def _list(self) -> tuple[HubFile, ...]:
        from huggingface_hub import constants
        from huggingface_hub.utils import build_hf_headers, paginate

        entries = (
            paginate(  # HfApi.list_repo_tree does the same, but would wait for ever for a hub that does not answer
                f"{constants.ENDPOINT}/api/datasets/{self.name}/tree/{self.revision}",
                params={"recursive": True},
                headers=build_hf_headers(),
                timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
            )
        )
        try:
            return tuple(sorted(_as_file(entry) for entry in entries if entry["type"] == "file"))
        except (KeyError, TypeError) as error:
            raise ValueError("the answer is of another form than the hub's") from error

    def _download(self, file: HubFile, target: Path) -> None:
        unfinished = target.with_name(target.name + ".partial")
        while True:
            resumed = unfinished.exists()
            with self._asking(file.path):
                self._transfer(file, unfinished)
            if _is_intact(unfinished, file):
                unfinished.replace(target)
                return
            unfinished.unlink()
            if not resumed:  # else what was kept may have been damaged: once more from the beginning
                raise NotEvaluableError(
                    f"{self}: {file.path} came with another content than its hash {file.hash[:12]}… says; try again, and if it stays "
                    "so, something between this machine and the hub changes files"
                )

    def _transfer(self, file: HubFile, unfinished: Path) -> None:
        """Append what is missing."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        url = hf_hub_url(self.name, file.path, repo_type="dataset", revision=self.revision)
        with unfinished.open("ab") as output:
            if output.tell() > file.size:
                output.truncate(0)
                output.seek(0)
            http_get(
                url,
                output,
                resume_size=output.tell(),
                headers=build_hf_headers(),
                expected_size=file.size,
                displayed_filename=f"{self.name}/{file.path}",
                tqdm_class=None if self._progress is None else partial(_Megabytes, self._progress),
            )

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
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
            with refusing_long_waits(f"{self}: {what}"):
                yield
        except (OSError, httpx2.HTTPError, ValueError) as error:
            raise explain_hub_error(f"{self}: {what}", error) from error


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


def _as_file(entry: Mapping[str, Any]) -> HubFile:
    return HubFile(entry["path"], entry["size"], entry["lfs"]["oid"] if entry.get("lfs") else entry["oid"])


def read_listing(path: Path) -> tuple[HubFile, ...] | None:
    """Return the kept listing; None where there is none, or it is damaged."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(HubFile(*file) for file in kept["files"])
        is_whole = kept["sha256"] == fingerprint({"files": kept["files"]})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return files if is_whole and all(map(_is_plain, files)) else None


def _is_plain(file: HubFile) -> bool:
    return [type(field) for field in file] == [str, int, str]


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
    except FileNotFoundError:
        return False
