"""Learned sparse retrieval (SPLADE and its kind): weights over a vocabulary, searched exactly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rerank_eval.cache import cache_root
from rerank_eval.corpus import Corpus
from rerank_eval.encoded_corpus import encode_corpus, make_run, rank_ids
from rerank_eval.errors import NotEvaluableError
from rerank_eval.fingerprint import fingerprint
from rerank_eval.protocols import Progress, SilentProgress, TextEncoder
from rerank_eval.sparse_search import SparseSearch
from rerank_eval.types import Dataset, Run


class _Index(NamedTuple):
    """A corpus that can be searched."""

    corpus_sha256: str
    doc_ids: list[str]
    search: SparseSearch
    truncated: int


class Sparse:
    """Sparse first stage; weights are kept on disk by corpus and encoder, and an interrupted encoding goes on.

    Documents that share no term with the query are not returned.
    """

    searches = True

    def __init__(self, encoder: TextEncoder, name: str = "sparse", index_dir: str | None = None) -> None:
        """Take an encoder whose vectors are SciPy CSR arrays."""
        self.name = name
        self._encoder = encoder
        self._index_dir = cache_root() / "sparse" if index_dir is None else Path(index_dir).expanduser()
        self._loaded: _Index | None = None

    def build_index(self, corpus: Corpus, progress: Progress) -> None:
        """Encode the documents that are not on disk yet.

        Raises:
            DataError: the corpus is empty, or a document's weight is not finite.
            NotEvaluableError: the disk is full, or another process does not come to an end.
        """
        self._index(corpus, progress)

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` documents with a score above 0 for each query, or fewer."""
        index = self._index(dataset.corpus, SilentProgress())
        weights = self._encoder.encode_queries([query.text for query in dataset.queries]).vectors
        for query, usable in zip(dataset.queries, _is_finite(weights), strict=True):
            if not usable:
                raise NotEvaluableError(f"{self.name}: a weight of query {query.query_id!r} is not finite")
        return make_run(dataset.queries, index.search.search(weights, depth), index.doc_ids)

    def identity(self) -> Mapping[str, object]:
        """Return what the encoder depends on."""
        return {"encoder": dict(self._encoder.identity())}

    def findings(self, dataset: Dataset) -> Mapping[str, object]:
        """Return how many texts were cut."""
        index = self._index(dataset.corpus, SilentProgress())
        truncated = self._encoder.encode_queries([query.text for query in dataset.queries]).truncated
        return {"truncated documents": index.truncated, "truncated queries": int(truncated.sum())}

    def _index(self, corpus: Corpus, progress: Progress) -> _Index:
        if self._loaded is None or self._loaded.corpus_sha256 != corpus.sha256:
            identity = {"encoder": dict(self._encoder.document_identity()), "corpus": corpus.sha256}
            folder = self._index_dir / fingerprint(identity)
            blocks = encode_corpus(corpus, self._encoder, _to_arrays, folder, progress, self.name)
            matrices = [
                csr_array((data, indices, indptr), shape=(len(indptr) - 1, len(cut)))
                for data, indices, indptr, cut in blocks
            ]
            truncated = sum(int(cut.sum()) for *_, cut in blocks)
            search = SparseSearch(matrices, rank_ids(corpus.doc_ids))
            self._loaded = _Index(corpus.sha256, corpus.doc_ids, search, truncated)
        return self._loaded


def _to_arrays(weights: csr_array) -> tuple[list[NDArray[Any]], NDArray[np.bool_]]:
    """Return the weights as searched, by terms, and whether each document's are finite."""
    by_term = weights.T.tocsr()
    by_term.sort_indices()
    return [by_term.data, by_term.indices.astype(np.int32), by_term.indptr.astype(np.int32)], _is_finite(weights)


def _is_finite(weights: csr_array) -> NDArray[np.bool_]:
    """Return per row whether all weights are finite."""
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    usable: NDArray[np.bool_] = np.bincount(rows[~np.isfinite(weights.data)], minlength=weights.shape[0]) == 0
    return usable
