"""The documents with the largest inner products of sparse vectors, found exactly."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from rerank_eval.errors import NotEvaluableError
from rerank_eval.search.best_candidates import BestCandidates, Hits, Ints

_QUERIES = 256
"""Queries per pass over the documents: bounds the scores in memory at once."""


class SparseSearch:
    """Searches blocks of weights, arrays of (terms, documents): a product touches only the documents that share a term.

    A score is summed in float32 in the order of the query's terms, so it depends neither on blocks nor on other queries.
    """

    def __init__(self, blocks: Sequence[csr_array], tie_ranks: Ints) -> None:
        """Take the weights, and per document a rank: of documents with equal scores the one with the larger rank is better."""
        self._blocks = blocks
        self._tie_ranks = tie_ranks

    def search(self, queries: csr_array, depth: int) -> list[Hits]:
        """Return up to `depth` documents with a score above 0 for each row of `queries`.

        Raises:
            NotEvaluableError: a score is too large for float32.
        """
        queries.sort_indices()
        return [
            hits
            for start in range(0, queries.shape[0], _QUERIES)
            for hits in self._search(queries[start : start + _QUERIES], min(depth, len(self._tie_ranks)))
        ]

    def _search(self, queries: csr_array, depth: int) -> list[Hits]:
        best = BestCandidates(queries.shape[0], depth, max(block.shape[1] for block in self._blocks), self._tie_ranks)
        start = 0
        for block in self._blocks:
            found = (queries @ block).tocsr()
            if not np.isfinite(found.data).all():
                raise NotEvaluableError("a sparse score is too large for float32; scale the encoder's weights down")
            rows = np.repeat(np.arange(queries.shape[0]), np.diff(found.indptr))
            promising = (found.data > 0) & (found.data >= best.thresholds[rows])
            best.add(rows[promising], found.indices[promising].astype(np.int64) + start, found.data[promising])
            start += block.shape[1]
        return best.best()
