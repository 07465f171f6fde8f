"""An approximate index: hierarchical navigable small worlds (Malkov and Yashunin, https://arxiv.org/abs/1603.09320) by usearch."""

import errno
import shutil
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rerank_eval.cache import PARTS, build_folder, find_parts, keep_part
from rerank_eval.errors import ConfigError, MissingExtraError
from rerank_eval.fingerprint import fingerprint
from rerank_eval.protocols import Progress
from rerank_eval.search.best_candidates import Hits
from rerank_eval.search.exact_search import ExactSearch

_FILE = "graph.usearch"
_DTYPES = {"float16": "f16", "float32": "f32"}
_RANGES = {"connectivity": (2, 1024), "expansion_add": (1, 1_000_000), "expansion_search": (1, 1_000_000)}
"""What each setting may be; far above it usearch asks for more memory than there is."""
_LEAST_PART, _SHARE_OF_PART = 48, 10
"""A part of the graph is this many blocks of vectors, or this fraction of those before it, whichever is more.

Each part is kept with all before it: parts of one size would write hundreds of times what a large graph has in the end.
"""


class HNSWSettings(NamedTuple):
    """Neighbours per document in the graph, and how many are looked at when one is added and when one is searched."""

    connectivity: int
    expansion_add: int
    expansion_search: int

    def check(self) -> None:
        """Check the values, and that usearch is there.

        Raises:
            ConfigError: one is out of range.
            MissingExtraError: usearch is not installed.
        """
        for name, value in self._asdict().items():
            least, most = _RANGES[name]
            if not least <= value <= most:
                raise ConfigError(f"{name} is {value}; it must be between {least} and {most}")
        try:
            version("usearch")
        except PackageNotFoundError:
            raise MissingExtraError("usearch", "hnsw") from None

    def graph_identity(self) -> Mapping[str, object]:
        """Return what the graph depends on."""
        return {
            "kind": "hnsw",
            "connectivity": self.connectivity,
            "expansion_add": self.expansion_add,
            "parts": [_LEAST_PART, _SHARE_OF_PART],
            "usearch": version("usearch"),
        }

    def identity(self) -> Mapping[str, object]:
        """Return what the graph and the search depend on."""
        return {**self.graph_identity(), "expansion_search": self.expansion_search}


class HNSWIndex:
    """A graph over the vectors, on disk and memory-mapped; one thread builds it, so that equal vectors give equal bytes.

    It is built in parts, and an interrupted build goes on from the last one.
    The graph chooses documents; their scores are the exact ones.
    """

    def __init__(
        self,
        settings: HNSWSettings,
        blocks: Sequence[NDArray[Any]],
        vectors_folder: Path,
        progress: Progress,
        name: str,
    ) -> None:
        """Open the graph of the vectors that are kept in `vectors_folder`, beside which it lies; build it where it is missing.

        Raises:
            NotEvaluableError: the disk is full, or another process does not come to an end.
        """
        self._settings = settings
        self._index = self._new(blocks[0])
        described = {"vectors": vectors_folder.name, **settings.graph_identity()}
        folder = vectors_folder.parent / fingerprint(described)
        build_folder(
            folder,
            lambda unfinished: self._build(unfinished, blocks, progress, name),
            description=described,
            resumable=True,
            note=progress.note,
        )
        self._index.view(str(folder / _FILE))

    def search(self, queries: NDArray[np.float32], depth: int, exact: ExactSearch) -> list[Hits]:
        """Return up to `depth` documents per query, with their exact scores."""
        depth = min(depth, len(self._index))
        self._index.expansion_search = max(self._settings.expansion_search, depth)
        hits = []
        for query in queries:
            keys = np.sort(self._index.search(query, depth).keys.astype(np.int64))
            hits.append(exact.rank(query, keys))
        return hits

    def _new(self, block: NDArray[Any]) -> Any:
        with suppress(ImportError):
            import onnxruntime  # noqa: F401 - imported after usearch 2.26, onnxruntime 1.32 ends the process by a segmentation fault
        from usearch.index import Index

        return Index(
            ndim=block.shape[1],
            metric="ip",
            dtype=_DTYPES[str(block.dtype)],
            connectivity=self._settings.connectivity,
            expansion_add=self._settings.expansion_add,
            expansion_search=self._settings.expansion_search,
        )

    def _build(self, folder: Path, blocks: Sequence[NDArray[Any]], progress: Progress, name: str) -> None:
        progress.start(f"{name}: building the HNSW graph", sum(len(block) for block in blocks))
        index = self._new(blocks[0])
        ends = _part_ends(len(blocks))
        start, path = _last_part(folder / PARTS, ends)
        if path:
            index.load(str(path))
            progress.advance(len(index))
            progress.note(f"{name}: {len(index)} vectors were in the graph from an interrupted run")
        for end in ends[bisect_right(ends, start) :]:
            for block in blocks[start:end]:
                index.add(np.arange(len(index), len(index) + len(block), dtype=np.uint64), block, threads=1)
                progress.advance(len(block))
            before, path = path, keep_part(folder / PARTS, str(end), partial(_save, index))
            index.load(str(path))  # usearch draws its random numbers anew from here, as it would after an interruption
            if before:
                before.unlink()
            start = end
        if path:  # a corpus has at least one block
            shutil.copyfile(path, folder / _FILE)


def _part_ends(num_blocks: int) -> list[int]:
    """Return the number of blocks with which each part ends."""
    ends = [0]
    while ends[-1] < num_blocks:
        ends.append(min(ends[-1] + max(_LEAST_PART, ends[-1] // _SHARE_OF_PART), num_blocks))
    return ends[1:]


def _last_part(folder: Path, ends: Sequence[int]) -> tuple[int, Path | None]:
    """Return how many blocks an interrupted build has left in the graph, and where; 0 if none."""
    parts = find_parts(folder)
    return next(((end, parts[str(end)]) for end in reversed(ends) if str(end) in parts), (0, None))


def _save(index: Any, file: BinaryIO) -> None:
    """Write the graph by the file's name, since as bytes it would be in memory twice.

    Raises:
        OSError: not all of it was written; usearch itself does not say so where only the end is missing.
    """
    try:
        index.save(file.name)
    except RuntimeError as error:
        raise OSError(errno.ENOSPC, f"usearch: {error}", file.name) from error
    size = Path(file.name).stat().st_size
    if size != index.serialized_length:
        raise OSError(errno.ENOSPC, f"{size} of {index.serialized_length} bytes written", file.name)
