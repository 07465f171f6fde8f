"""The list of a dataset repository's files at one commit: asked of the hub page by page, checked, and kept."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rerank_eval.files.whole_files import write_whole
from rerank_eval.fingerprint import fingerprint

_HASH = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_MOST_PAGES = 1000
_LARGEST_PAGE = 16 * 1024 * 1024


class HubFile(NamedTuple):
    """A file as the hub lists it: its path in the repository, its size in bytes, and the hash of its content."""

    path: str
    size: int
    hash: str
    """The SHA-256 of a file in large-file storage, else the SHA-1 of the git blob."""


def list_files(name: str, revision: str) -> tuple[HubFile, ...]:
    """Return all files, by path, as the hub lists them now.

    HfApi.list_repo_tree does the same, but waits for ever for a hub that does not answer, and follows every next page.

    Raises:
        ValueError: the answer is no such list.
        OSError: the hub refuses.
        httpx2.HTTPError: the hub cannot be reached, or breaks off; it was asked twice.
    """
    from huggingface_hub import constants

    files: list[HubFile] = []
    url: str | None = f"{constants.ENDPOINT}/api/datasets/{name}/tree/{revision}?recursive=True"
    asked: set[str] = set()
    while url is not None:
        if url in asked or len(asked) == _MOST_PAGES or not url.startswith(f"{constants.ENDPOINT}/"):
            raise ValueError("its next page is one that came before, at another host, or one of too many")
        asked.add(url)
        page, url = _read_page(url)
        files += _as_files(page)
    files.sort()
    _check(files)
    return tuple(files)


def _read_page(url: str) -> tuple[object, str | None]:
    """Return the JSON of a page, and the address of the next."""
    import httpx2

    try:
        return _ask(url)
    except httpx2.TransportError:  # once more, at once: huggingface_hub by itself would try for half a minute
        return _ask(url)


def _ask(url: str) -> tuple[object, str | None]:
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_stream_backoff

    content = bytearray()
    with http_stream_backoff(
        "GET", url, headers=build_hf_headers(), timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT, retry_on_exceptions=()
    ) as response:
        hf_raise_for_status(response)
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > _LARGEST_PAGE:
                raise ValueError("a page of it has more than 16 MiB")
    try:
        return json.loads(content), response.links.get("next", {}).get("url")
    except (ValueError, RecursionError) as error:
        raise ValueError("the answer is no JSON") from error


def _as_files(page: object) -> Iterator[HubFile]:
    if not isinstance(page, list) or not all(isinstance(entry, dict) for entry in page):
        raise ValueError("the answer is no list of files")
    for entry in page:
        if entry.get("type") != "directory":
            large = entry.get("lfs")
            hash = large.get("oid") if isinstance(large, dict) else entry.get("oid")
            yield HubFile(*_checked(entry.get("path"), entry.get("size"), hash))


def _checked(path: object, size: object, hash: object) -> tuple[str, int, str]:
    if not isinstance(path, str) or not path or not path.isprintable():
        raise ValueError("it has a file without a path")
    if type(size) is not int or size < 0:
        raise ValueError(f"it has no size of {path}")
    if not isinstance(hash, str) or not _HASH.fullmatch(hash):
        raise ValueError(f"it has no hash of {path}")
    return path, size, hash


def _check(files: Iterable[HubFile]) -> None:
    paths = [file.path for file in files]
    if not paths:
        raise ValueError("it is empty")
    known = set(paths)
    folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents}
    wrong = [path for path in paths if path in folders]
    if wrong or len(known) < len(paths):
        raise ValueError(f"it has {wrong[0]} both as a file and as a folder" if wrong else "it has a file twice")


def read_listing(path: Path) -> tuple[HubFile, ...] | None:
    """Return the kept list; None where there is none, or it is damaged."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(HubFile(*_checked(*file)) for file in kept["files"])
        _check(files)
        is_whole = kept["sha256"] == fingerprint({"files": kept["files"]})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return files if is_whole else None


def keep_listing(path: Path, files: tuple[HubFile, ...]) -> None:
    """Write the list for `read_listing`."""
    make_room(path)
    write_whole({path: json.dumps({"files": files, "sha256": fingerprint({"files": files})}, indent=1)})


def make_room(path: Path) -> None:
    """Remove a link or a folder that is where a file is to be, so that nothing is written elsewhere."""
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
