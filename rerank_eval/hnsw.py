"""An approximate index: hierarchical navigable small worlds (Malkov and Yashunin, https://arxiv.org/abs/1603.09320) by usearch."""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rerank_eval.best_candidates import Hits
from rerank_eval.cache import build_folder
from rerank_eval.errors import ConfigError, MissingExtraError
from rerank_eval.exact_search import ExactSearch
from rerank_eval.fingerprint import fingerprint
from rerank_eval.protocols import Progress

_FILE = "graph.usearch"
_DTYPES = {"float16": "f16", "float32": "f32"}


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
        if self.connectivity < 2 or min(self.expansion_add, self.expansion_search) < 1:
            raise ConfigError(
                f"connectivity is {self.connectivity}, expansion_add {self.expansion_add} and expansion_search {self.expansion_search}; "
                "at least 2, 1 and 1"
            )
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
            "usearch": version("usearch"),
        }

    def identity(self) -> Mapping[str, object]:
        """Return what the graph and the search depend on."""
        return {**self.graph_identity(), "expansion_search": self.expansion_search}


class HNSWIndex:
    """A graph over the vectors, on disk and memory-mapped; one thread builds it, so that equal vectors give equal bytes.

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
        from usearch.index import Index

        self._settings = settings

        def new_index() -> Any:
            return Index(
                ndim=blocks[0].shape[1],
                metric="ip",
                dtype=_DTYPES[str(blocks[0].dtype)],
                connectivity=settings.connectivity,
                expansion_add=settings.expansion_add,
                expansion_search=settings.expansion_search,
            )

        def build(unfinished: Path) -> None:
            index = new_index()
            start = 0
            progress.start(f"{name}: building the HNSW graph", sum(len(block) for block in blocks))
            for block in blocks:
                index.add(np.arange(start, start + len(block), dtype=np.uint64), block, threads=1)
                start += len(block)
                progress.advance(len(block))
            index.save(str(unfinished / _FILE))

        described = {"vectors": vectors_folder.name, **settings.graph_identity()}
        folder = vectors_folder.parent / fingerprint(described)
        build_folder(folder, build, description=described, note=progress.note)
        self._index = new_index()
        self._index.view(str(folder / _FILE))

    def search(self, queries: NDArray[np.float32], depth: int, exact: ExactSearch) -> list[Hits]:
        """Return up to `depth` documents per query, with their exact scores."""
        self._index.expansion_search = max(self._settings.expansion_search, depth)
        hits = []
        for query in queries:
            keys = np.sort(self._index.search(query, min(depth, len(self._index))).keys.astype(np.int64))
            hits.append(exact.rank(query, keys))
        return hits
