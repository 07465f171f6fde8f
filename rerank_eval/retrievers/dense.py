"""Dense retrieval: texts as vectors of an encoder, searched exactly or through an HNSW index."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rerank_eval.cache import index_folder
from rerank_eval.corpus import Corpus
from rerank_eval.errors import ConfigError, nearest
from rerank_eval.findings import Findings, SearchRecall
from rerank_eval.fingerprint import class_name
from rerank_eval.protocols import Progress, SilentProgress, TextEncoder
from rerank_eval.search.best_candidates import Hits
from rerank_eval.search.encoded_corpus import OfLastCorpus, encode_corpus, make_run, rank_ids
from rerank_eval.search.encoded_queries import QueryEncoder
from rerank_eval.search.exact_search import ExactSearch
from rerank_eval.search.hnsw import HNSWIndex, HNSWSettings
from rerank_eval.search.vector_kinds import DenseVectors
from rerank_eval.types import Dataset, Run

_DTYPES = ("float16", "float32")
_INDEXES = ("exact", "hnsw")
_SAMPLE = 100
"""Queries for which the recall of an HNSW index is measured, and the depth at which it is."""


@dataclass(frozen=True)
class _Index:
    """A corpus that can be searched."""

    doc_ids: list[str]
    exact: ExactSearch
    hnsw: HNSWIndex | None
    width: int
    truncated: int

    def search(self, queries: NDArray[np.float32], depth: int) -> list[Hits]:
        if self.hnsw is None:
            return self.exact.search(queries, depth)
        return self.hnsw.search(queries, depth, self.exact)


class Dense:
    """Dense first stage; vectors are kept on disk by corpus, encoder and number type, and an interrupted encoding goes on.

    The score is the inner product of the query's vector and the document's as it is stored, which is the cosine where the encoder
    gives vectors of length 1.
    """

    searches = True

    def __init__(
        self,
        encoder: TextEncoder[NDArray[np.float32]],
        name: str = "dense",
        dtype: str = "float16",
        index: str = "exact",
        connectivity: int = 32,
        expansion_add: int = 256,
        expansion_search: int = 512,
        index_dir: str | None = None,
    ) -> None:
        """Take the encoder; `dtype` is what vectors are stored in, `index` is exact or hnsw, with the three settings after it.

        Raises:
            ConfigError: a parameter is out of range or unknown.
            MissingExtraError: the package for HNSW is not installed.
        """
        if dtype not in _DTYPES:
            raise ConfigError(f"dtype {dtype!r} is unknown: {nearest(dtype, _DTYPES)}")
        if index not in _INDEXES:
            raise ConfigError(f"index {index!r} is unknown: {nearest(index, _INDEXES)}")
        self.name = name
        self._encoder = encoder
        self._kind = DenseVectors(dtype)
        self._queries = QueryEncoder(encoder, self._kind, name)
        self._hnsw = HNSWSettings(connectivity, expansion_add, expansion_search) if index == "hnsw" else None
        if self._hnsw is not None:
            self._hnsw.check()
        self._index_dir = index_folder("dense", index_dir)
        self._index = OfLastCorpus(self._load)

    def build_index(self, corpus: Corpus, progress: Progress) -> None:
        """Encode the documents, and build the HNSW graph, where they are not on disk yet.

        Raises:
            DataError: the corpus is empty, or a document's vector is not finite.
            ConfigError: the encoder gives vectors of another kind, number or width.
            NotEvaluableError: the disk is full, or another process does not come to an end.
        """
        self._index(corpus, progress)

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` documents of each query, or all there are."""
        index = self._index(dataset.corpus, SilentProgress())
        vectors = self._queries.encode(dataset.queries, index.width).vectors
        return make_run(dataset.queries, index.search(vectors, depth), index.doc_ids)

    def identity(self) -> Mapping[str, object]:
        """Return what the encoder depends on, the stored number type and the kind of index with its settings."""
        index = {"kind": "exact"} if self._hnsw is None else dict(self._hnsw.identity())
        return {
            "encoder_class": class_name(self._encoder),
            "encoder": dict(self._encoder.identity()),
            "stored_dtype": self._kind.dtype,
            "index": index,
        }

    def findings(self, dataset: Dataset) -> Findings:
        """Return how many texts were cut and, for HNSW, which share of the exact top 100 it finds, over a sample of the queries."""
        index = self._index(dataset.corpus, SilentProgress())
        vectors, truncated = self._queries.encoded(dataset.queries, index.width)
        return Findings(
            truncated_documents=index.truncated,
            truncated_queries=int(truncated.sum()),
            recall=None if index.hnsw is None else self._measure_recall(index, vectors),
        )

    def _measure_recall(self, index: _Index, vectors: NDArray[np.float32]) -> SearchRecall:
        sample = vectors[np.sort(np.random.default_rng(0).permutation(len(vectors))[:_SAMPLE])]
        shares = [
            len(np.intersect1d(exact.positions, found.positions)) / len(exact.positions)
            for exact, found in zip(index.exact.search(sample, _SAMPLE), index.search(sample, _SAMPLE), strict=True)
        ]
        return SearchRecall(round(math.fsum(shares) / len(shares), 4), _SAMPLE, len(shares))

    def _load(self, corpus: Corpus, progress: Progress) -> _Index:
        encoded = encode_corpus(corpus, self._encoder, self._kind, self._index_dir, progress, self.name)
        vectors = [block[0] for block in encoded.blocks]
        hnsw = None if self._hnsw is None else HNSWIndex(self._hnsw, vectors, encoded.folder, progress, self.name)
        return _Index(
            corpus.doc_ids, ExactSearch(vectors, rank_ids(corpus.doc_ids)), hnsw, encoded.width, encoded.truncated
        )
