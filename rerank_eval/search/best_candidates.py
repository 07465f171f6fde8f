"""The best documents of many queries, picked out of scores that come block by block."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
ExactScores = Callable[[Ints, Ints], Floats]
"""(query, position) pairs -> the score of each; equal documents must get equal scores."""


class Hits(NamedTuple):
    """One query's best documents by their positions in the corpus, best first."""

    positions: Ints
    scores: Floats


class BestCandidates:
    """Keeps, per query, the documents that can still be among its `depth` best.

    Scores are added in float32. Without `exact_scores` they are taken as they are; with it each may be off by half the query's margin, and
    the exact ones decide in the end. Of documents with equal scores the one with the larger tie rank is better.
    Memory is bounded by (3 x depth + most_added) per query, however many documents tie.
    """

    def __init__(
        self, num_queries: int, depth: int, most_added: int, tie_ranks: Ints, exact_scores: ExactScores | None = None
    ) -> None:
        """Begin with nothing; `most_added` is how many documents one addition may bring per query."""
        self._depth = depth
        self._tie_ranks = tie_ranks
        self._exact_scores = exact_scores
        self._scores = np.full((num_queries, 3 * depth + most_added), -np.inf, np.float32)
        self._positions = np.zeros(self._scores.shape, np.int64)
        self._counts = np.zeros(num_queries, np.int64)
        self._last_scores = np.full(num_queries, -np.inf, np.float32)
        self._margins = np.zeros(num_queries, np.float32)

    def widen(self, margins: NDArray[np.float32]) -> None:
        """Set the margin of each query, before scores are added that need it; a margin never becomes smaller."""
        self._margins = margins

    @property
    def thresholds(self) -> NDArray[np.float32]:
        """Per query the score below which a document has no chance any more."""
        return self._last_scores - self._margins

    def add_matrix(self, scores: NDArray[np.float32], first_position: int) -> None:
        """Add neighbouring documents; `scores` has one row per query."""
        if not self._counts.any() and scores.shape[1] > self._depth:
            self._last_scores = _kth_largest(scores, self._depth)
        # np.nonzero of two dimensions is ten times slower
        hits = np.flatnonzero(scores >= self.thresholds[:, None])
        queries, columns = np.divmod(hits, scores.shape[1])
        self.add(queries, columns + first_position, scores.ravel()[hits])

    def add(self, queries: Ints, positions: Ints, scores: NDArray[np.float32]) -> None:
        """Add documents one by one: `queries` ascending, `positions` and `scores` beside it."""
        added = np.bincount(queries, minlength=len(self._counts))
        slots = np.arange(len(queries)) - (np.cumsum(added) - added - self._counts)[queries]
        self._scores[queries, slots] = scores
        self._positions[queries, slots] = positions
        self._counts += added
        if self._counts.max(initial=0) > 3 * self._depth:
            self._shrink()

    def best(self) -> list[Hits]:
        """Return the best of each query, `depth` or all there are, by (score, tie rank) descending."""
        self._shrink()
        starts = np.cumsum(self._counts) - self._counts
        queries = np.repeat(np.arange(len(self._counts)), self._counts)
        slots = np.arange(len(queries)) - starts[queries]
        positions = self._positions[queries, slots]
        scores = self._final_scores(queries, slots)
        hits = []
        for start, count in zip(starts.tolist(), self._counts.tolist(), strict=True):
            order = start + self._order(positions[start : start + count], scores[start : start + count])
            hits.append(Hits(positions[order], scores[order]))
        return hits

    def _final_scores(self, queries: Ints, slots: Ints) -> Floats:
        if self._exact_scores is None:
            return self._scores[queries, slots].astype(np.float64)
        return self._exact_scores(queries, self._positions[queries, slots])

    def _shrink(self) -> None:
        full = np.flatnonzero(self._counts > self._depth)
        if not len(full):
            return
        self._last_scores[full] = _kth_largest(self._scores[full, : self._counts.max()], self._depth)
        thresholds = self.thresholds
        for query in full.tolist():
            self._keep(query, np.flatnonzero(self._scores[query, : self._counts[query]] >= thresholds[query]))
            count = int(self._counts[query])
            if count > 2 * self._depth:
                scores = self._final_scores(np.full(count, query), np.arange(count))
                self._keep(query, np.sort(self._order(self._positions[query, :count], scores)))

    def _order(self, positions: Ints, scores: Floats) -> Ints:
        return np.lexsort((-self._tie_ranks[positions], -scores))[: self._depth]

    def _keep(self, query: int, slots: Ints) -> None:
        for row in (self._scores[query], self._positions[query]):
            row[: len(slots)] = row[slots]
        self._scores[query, len(slots) : self._counts[query]] = -np.inf
        self._counts[query] = len(slots)


def _kth_largest(scores: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Return the k-th largest value of each row."""
    place = scores.shape[1] - k
    values: NDArray[np.float32] = np.partition(scores, place, axis=1)[:, place]
    return values
