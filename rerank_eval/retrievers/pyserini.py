"""BM25 by Lucene through Pyserini (https://github.com/castorini/pyserini), for those who have Java 21."""

import hashlib
import importlib.util
import math
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rerank_eval.errors import ConfigError, MissingExtraError
from rerank_eval.types import Dataset, Ranking, Run


class Pyserini:
    """The index of a folder, or a prebuilt one by its name, searched by Lucene's BM25.

    A prebuilt index is downloaded by Pyserini into its own cache. The ids in the index must be those of the dataset's corpus. Documents of
    one score are ordered by doc_id, descending, as everywhere here, which is not Lucene's order.
    """

    searches = True

    def __init__(self, index: str, name: str = "pyserini", k1: float = 0.9, b: float = 0.4, threads: int = 1) -> None:
        """Open the index.

        Raises:
            MissingExtraError: pyserini is not installed.
            ConfigError: a parameter is out of range, Java cannot be started, or there is no such index.
        """
        if not 0 <= k1 < math.inf or not 0 <= b <= 1:
            raise ConfigError(f"k1 is {k1} and b is {b}; k1 must be at least 0, b between 0 and 1")
        if threads < 1:
            raise ConfigError(f"threads is {threads}; at least 1")
        folder = Path(index).expanduser()
        if not folder.is_dir() and index.startswith((".", "/", "~")):
            raise ConfigError(f"the index folder {index} does not exist")
        self.name = name
        self._threads = threads
        self._searcher = _open(_import_searcher(), index, folder)
        self._searcher.set_bm25(k1, b)
        self._identity = {
            "index_sha256": _hash_commit(Path(self._searcher.index_dir)),
            "k1": float(k1),
            "b": float(b),
            "pyserini": version("pyserini"),
        }

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` of each query, or fewer; nothing for a blank query."""
        queries = [query for query in dataset.queries if query.text.strip()]
        hits = self._searcher.batch_search(
            [query.text for query in queries], [query.query_id for query in queries], k=depth, threads=self._threads
        )
        return {query_id: Ranking((hit.docid, hit.score) for hit in found) for query_id, found in hits.items()}

    def identity(self) -> Mapping[str, object]:
        """Return the hash of the index, the parameters and Pyserini's version."""
        return self._identity


def _import_searcher() -> Any:
    if importlib.util.find_spec("pyserini") is None:
        raise MissingExtraError("pyserini", "pyserini")
    try:
        from pyserini.search.lucene import LuceneSearcher
    except Exception as error:  # pyjnius raises errors of many kinds where Java is missing, or too old for the classes
        raise ConfigError(
            f"pyserini cannot be used: {' '.join(str(error).split())}; it needs a JDK of version 21 or later, and JAVA_HOME "
            "must name its folder"
        ) from error
    return LuceneSearcher


def _open(searcher: Any, index: str, folder: Path) -> Any:
    try:
        opened = searcher(str(folder)) if folder.is_dir() else searcher.from_prebuilt_index(index)
    except Exception as error:  # Java's exceptions have no common kind
        raise ConfigError(f"the index {index!r} cannot be opened: {' '.join(str(error).split())}") from error
    if opened is None:
        # what Pyserini returns, after printing why, for a name it does not know and for a failed download
        raise ConfigError(
            f"the index {index!r} is no folder, and Pyserini has no prebuilt index of this name or could not download it"
        )
    return opened


def _hash_commit(folder: Path) -> str:
    """Return the hash of Lucene's commit file, which has the random id and the generation of every segment."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("segments_*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
