"""Dense retrieval: texts as vectors of an encoder, searched exactly or through an HNSW index."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rerank_eval.best_candidates import Hits
from rerank_eval.cache import cache_root
from rerank_eval.corpus import Corpus
from rerank_eval.encoded_corpus import encode_corpus, make_run, rank_ids
from rerank_eval.errors import ConfigError, NotEvaluableError, nearest
from rerank_eval.exact_search import ExactSearch
from rerank_eval.fingerprint import fingerprint
from rerank_eval.hnsw import HNSWIndex, HNSWSettings
from rerank_eval.protocols import Progress, SilentProgress, TextEncoder
from rerank_eval.types import Dataset, Query, Run

_DTYPES = {"float16": np.float16, "float32": np.float32}
_INDEXES = ("exact", "hnsw")
_SAMPLE = 100
"""Queries for which the recall of an HNSW index is measured, and the depth at which it is."""


@dataclass(frozen=True)
class _Index:
    """A corpus that can be searched."""

    doc_ids: list[str]
    exact: ExactSearch
    hnsw: HNSWIndex | None
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
        encoder: TextEncoder,
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
        self._dtype = dtype
        self._hnsw = HNSWSettings(connectivity, expansion_add, expansion_search) if index == "hnsw" else None
        if self._hnsw is not None:
            self._hnsw.check()
        self._index_dir = cache_root() / "dense" if index_dir is None else Path(index_dir).expanduser()
        self._loaded: tuple[str, _Index] | None = None

    def build_index(self, corpus: Corpus, progress: Progress) -> None:
        """Encode the documents, and build the HNSW graph, where they are not on disk yet.

        Raises:
            DataError: the corpus is empty, or a document's vector is not finite.
            NotEvaluableError: the disk is full, or another process does not come to an end.
        """
        self._index(corpus, progress)

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` documents of each query, or all there are."""
        index = self._index(dataset.corpus, SilentProgress())
        vectors = self._encoder.encode_queries([query.text for query in dataset.queries]).vectors
        self._check_queries(dataset.queries, vectors)
        return make_run(dataset.queries, index.search(vectors, depth), index.doc_ids)

    def identity(self) -> Mapping[str, object]:
        """Return what the encoder depends on, the stored number type and the kind of index with its settings."""
        index = {"kind": "exact"} if self._hnsw is None else dict(self._hnsw.identity())
        return {"encoder": dict(self._encoder.identity()), "stored_dtype": self._dtype, "index": index}

    def findings(self, dataset: Dataset) -> Mapping[str, object]:
        """Return how many texts were cut and, for HNSW, which share of the exact top 100 it finds, over a sample of the queries."""
        index = self._index(dataset.corpus, SilentProgress())
        encoded = self._encoder.encode_queries([query.text for query in dataset.queries])
        found = {"truncated documents": index.truncated, "truncated queries": int(encoded.truncated.sum())}
        if index.hnsw is None:
            return found
        sample = np.sort(np.random.default_rng(0).permutation(len(dataset.queries))[:_SAMPLE])
        exact = index.exact.search(encoded.vectors[sample], _SAMPLE)
        approximate = index.search(encoded.vectors[sample], _SAMPLE)
        shares = [
            len(np.intersect1d(whole.positions, hits.positions)) / len(whole.positions)
            for whole, hits in zip(exact, approximate, strict=True)
        ]
        recall = f"recall@{_SAMPLE} of HNSW against exact search, over {len(shares)} queries"
        return {**found, recall: round(math.fsum(shares) / len(shares), 4)}

    def _index(self, corpus: Corpus, progress: Progress) -> _Index:
        if self._loaded is None or self._loaded[0] != corpus.sha256:
            self._loaded = corpus.sha256, self._load(corpus, progress)
        return self._loaded[1]

    def _load(self, corpus: Corpus, progress: Progress) -> _Index:
        identity = {"encoder": dict(self._encoder.document_identity()), "dtype": self._dtype, "corpus": corpus.sha256}
        folder = self._index_dir / fingerprint(identity)
        blocks = encode_corpus(corpus, self._encoder, self._to_arrays, folder, progress, self.name)
        vectors = [block[0] for block in blocks]
        hnsw = None if self._hnsw is None else HNSWIndex(self._hnsw, vectors, folder, progress, self.name)
        truncated = sum(int(block[1].sum()) for block in blocks)
        return _Index(corpus.doc_ids, ExactSearch(vectors, rank_ids(corpus.doc_ids)), hnsw, truncated)

    def _to_arrays(self, vectors: NDArray[np.float32]) -> tuple[list[NDArray[np.floating]], NDArray[np.bool_]]:
        with np.errstate(over="ignore"):
            stored = vectors.astype(_DTYPES[self._dtype])
        return [stored], np.isfinite(stored).all(axis=1)

    def _check_queries(self, queries: Sequence[Query], vectors: NDArray[np.float32]) -> None:
        for query, vector in zip(queries, vectors, strict=True):
            if not np.isfinite(vector).all():
                raise NotEvaluableError(f"{self.name}: the vector of query {query.query_id!r} is not finite")
