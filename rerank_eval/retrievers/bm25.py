"""BM25 by bm25s (Lù, 2024, https://arxiv.org/abs/2407.03618), Lucene's variant."""

import heapq
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from rerank_eval.cache import build_folder, index_folder
from rerank_eval.corpus import Corpus
from rerank_eval.errors import ConfigError, DataError, nearest
from rerank_eval.fingerprint import fingerprint
from rerank_eval.protocols import Progress, SilentProgress
from rerank_eval.retrievers.bm25_index import load_index, write_index
from rerank_eval.types import Dataset, Ranking, Run

_GROUP_SIZE = 64
_LARGEST_K1 = 1_000_000  # the scores are float32, and vanish above


class BM25:
    """Lexical first stage; the index is kept on disk by corpus fingerprint and parameters, and reused.

    Documents that share no term with the query are not returned.
    """

    name = "bm25"
    searches = True

    def __init__(
        self,
        k1: float = 0.9,
        b: float = 0.4,
        stopwords: str | list[str] | None = "en",
        stemmer: str | None = "english",
        index_dir: str | None = None,
    ) -> None:
        """Take `stopwords` as a language or a list, `stemmer` as a Snowball algorithm; None switches either off.

        Raises:
            ConfigError: a parameter is out of range or unknown.
        """
        if not 0 <= k1 <= _LARGEST_K1 or not 0 <= b <= 1:
            raise ConfigError(
                f"retriever.k1 is {k1} and retriever.b is {b}; k1 must be between 0 and {_LARGEST_K1}, b between 0 and 1"
            )
        if stemmer is not None and stemmer not in Stemmer.algorithms():
            raise ConfigError(f"retriever.stemmer {stemmer!r} is unknown: {nearest(stemmer, Stemmer.algorithms())}")
        self._k1, self._b = float(k1), float(b)
        self._parameters = {"k1": self._k1, "b": self._b, "stopwords": stopwords, "stemmer": stemmer}
        self._stopwords = [] if stopwords is None else stopwords
        self._stemmer = None if stemmer is None else Stemmer.Stemmer(stemmer)
        try:
            self._tokenize(["a"])
        except ValueError as error:
            raise ConfigError(f"retriever.stopwords {stopwords!r} cannot be used: {error}") from error
        self._index_dir = index_folder("bm25", index_dir)
        self._loaded: tuple[str, bm25s.BM25, list[str]] | None = None

    def build_index(self, corpus: Corpus, progress: Progress) -> None:
        """Load the index of this corpus, or build it; a build that was interrupted is gone on with.

        Raises:
            DataError: the corpus is empty, or has no word.
            NotEvaluableError: the disk is full, or another process has been building the same index for an hour.
        """
        self._index(corpus, progress)

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` documents with a score above 0, or fewer; the index is built if it is missing.

        Raises:
            DataError: the corpus is empty, or has no word.
            NotEvaluableError: as for `build_index`.
        """
        index, doc_ids = self._index(dataset.corpus, SilentProgress())
        run = {}
        for query, tokens in zip(dataset.queries, self._tokenize([q.text for q in dataset.queries]), strict=True):
            known = index.get_tokens_ids(tokens)
            if known:
                run[query.query_id] = _top(index.get_scores_from_ids(known), doc_ids, depth)
            else:  # bm25s would return arbitrary documents
                run[query.query_id] = Ranking(())
        return run

    def identity(self) -> Mapping[str, object]:
        """Return the parameters and the versions of the libraries that tokenise and score."""
        return self._parameters | {name: version(name) for name in ("bm25s", "PyStemmer")}

    def _tokenize(self, texts: list[str], return_ids: bool = False) -> Any:
        return bm25s.tokenize(
            texts, stopwords=self._stopwords, stemmer=self._stemmer, return_ids=return_ids, show_progress=False
        )

    def _index(self, corpus: Corpus, progress: Progress) -> tuple[bm25s.BM25, list[str]]:
        if self._loaded is None or self._loaded[0] != corpus.sha256:
            if not len(corpus):
                raise DataError("the corpus has no document")
            folder = self._index_dir / fingerprint({**self.identity(), "corpus": corpus.sha256})
            build_folder(
                folder,
                lambda unfinished: self._build(unfinished, corpus, progress),
                description={**self.identity(), "corpus_sha256": corpus.sha256, "num_documents": len(corpus)},
                resumable=True,
                note=progress.note,
            )
            self._loaded = (corpus.sha256, load_index(folder), corpus.doc_ids)
        return self._loaded[1], self._loaded[2]

    def _build(self, folder: Path, corpus: Corpus, progress: Progress) -> None:
        write_index(folder, corpus, partial(self._tokenize, return_ids=True), self._k1, self._b, progress)


def _top(scores: NDArray[Any], doc_ids: list[str], depth: int) -> Ranking:
    """Return the `depth` best by (score, doc_id) descending; a tie at the cut is decided by doc_id too."""
    reached = _reached(scores, depth)
    positions = np.flatnonzero(scores >= reached if reached > 0 else scores > 0)
    if len(positions) > depth:
        found = scores[positions]
        last = np.partition(found, -depth)[-depth]
        above, tied = positions[found > last], positions[found == last].tolist()
        positions = np.append(above, heapq.nlargest(depth - len(above), tied, key=doc_ids.__getitem__))
    return Ranking(zip([doc_ids[position] for position in positions.tolist()], scores[positions].tolist(), strict=True))


def _reached(scores: NDArray[Any], depth: int) -> float:
    """Return a score that at least `depth` documents reach, near the best such; 0 where there are few documents.

    The maximum of each group of documents is reached in that group, and taken much faster than all scores are sorted.
    """
    num_groups = len(scores) // _GROUP_SIZE
    if num_groups < depth:
        return 0.0
    maxima = scores[: num_groups * _GROUP_SIZE].reshape(_GROUP_SIZE, num_groups).max(axis=0)
    return float(np.partition(maxima, -depth)[-depth])
