"""The nearest vectors by inner product, found exactly: blocked matrix products choose, exact scores decide."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_eval.hardware import available_cores
from rerank_eval.search.best_candidates import BestCandidates, Floats, Hits, Ints

_STACK = 4096
"""Documents per matrix product: enough for the product to run at full rate."""
_QUERIES = 1024
"""Queries per pass over the documents: each pass converts all of them to float32 anew."""
_FEW = 8
"""So few queries are multiplied without BLAS: waking its threads for every stack would take longer than the products."""
_ROWS = 512
"""Documents that are multiplied at once for few queries: their vectors in float32 fit a processor's cache."""
_PAIRS = 2048
"""Exact scores computed at once: their vectors in float64 fit a processor's cache."""


class ExactSearch:
    """Searches the rows of `blocks`, float16 or float32 arrays of one width; the position of a row counts through all blocks.

    A float32 matrix product may be off by dim x 2^-24 x |query| x |document| (Higham, Accuracy and Stability of Numerical
    Algorithms, 3.5), and by another amount for another shape. So it only chooses, with this margin, the few that can be
    among the best; their scores are then computed in float64, each pair by itself. Results depend neither on blocks and threads
    nor on the other queries, and equal documents have equal scores. No finite vector is too long or too short for that.
    """

    def __init__(self, blocks: Sequence[NDArray[Any]], tie_ranks: Ints) -> None:
        """Take the vectors, and per position a rank: of documents with equal scores the one with the larger rank is better."""
        self._blocks = blocks
        self._ends = np.cumsum([len(block) for block in blocks])
        self._tie_ranks = tie_ranks
        self._pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="exact-search")

    def search(self, queries: NDArray[np.float32], depth: int) -> list[Hits]:
        """Return the `depth` rows with the largest inner products, or all there are, for each row of `queries`."""
        return [
            hits
            for start in range(0, len(queries), _QUERIES)
            for hits in self._search(queries[start : start + _QUERIES], min(depth, int(self._ends[-1])))
        ]

    def rank(self, query: NDArray[np.float32], positions: Ints) -> Hits:
        """Return the rows at `positions` with their exact scores, best first."""
        scores = self._scores(query[None], np.zeros(len(positions), np.int64), positions)
        order = np.lexsort((-self._tie_ranks[positions], -scores))
        return Hits(positions[order], scores[order])

    def _search(self, queries: NDArray[np.float32], depth: int) -> list[Hits]:
        best = BestCandidates(
            len(queries), depth, _STACK, self._tie_ranks, lambda chosen, at: self._scores(queries, chosen, at)
        )
        scaled, lengths = _scale(queries)
        rounding = 2 * queries.shape[1] * 2.0**-24 * lengths
        underflow = 2 * queries.shape[1] * float(np.finfo(np.float32).tiny)
        longest = 0.0
        start = 0
        for products, length in (self._few_products if len(queries) <= _FEW else self._products)(scaled):
            longest = max(longest, length)
            best.widen((1.01 * longest * rounding + underflow).astype(np.float32))
            best.add_matrix(products, start)
            start += products.shape[1]
        return best.best()

    def _products(self, queries: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.float32], float]]:
        """Yield, stack by stack, the products of all queries and its documents, valid until the next, and its largest vector's length."""
        end = int(self._ends[-1])
        stacks = np.empty((available_cores(), min(_STACK, end), queries.shape[1]), np.float32)
        products = np.empty((len(queries), stacks.shape[1]), np.float32)
        starts = range(0, end, _STACK)
        coming = [self._pool.submit(self._fill, *first) for first in zip(stacks, starts, strict=False)]
        for number in range(len(starts)):
            vectors, length = coming[number].result()
            found = products if len(vectors) == _STACK else np.empty((len(queries), len(vectors)), np.float32)
            np.matmul(queries, vectors.T, out=found)
            if len(coming) < len(starts):  # is converted while these scores are sifted
                coming.append(self._pool.submit(self._fill, stacks[number % len(stacks)], starts[len(coming)]))
            yield found, length

    def _few_products(self, queries: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.float32], float]]:
        """Yield the same for few queries: each thread converts and multiplies stacks of its own."""
        end = int(self._ends[-1])

        def multiply(start: int) -> tuple[NDArray[np.float32], float]:
            products = np.empty((len(queries), min(_STACK, end - start)), np.float32)
            rows = np.empty((_ROWS, queries.shape[1]), np.float32)
            longest = 0.0
            for first in range(0, products.shape[1], _ROWS):
                vectors, length = self._fill(rows[: products.shape[1] - first], start + first)
                np.einsum("qj,dj->qd", queries, vectors, out=products[:, first : first + len(vectors)])
                longest = max(longest, length)
            return products, longest

        yield from self._pool.map(multiply, range(0, end, _STACK))

    def _fill(self, stack: NDArray[np.float32], start: int) -> tuple[NDArray[np.float32], float]:
        """Return the vectors from position `start` on, as many as `stack`, which holds them, has rows; and the largest length."""
        filled = 0
        index = int(np.searchsorted(self._ends, start, side="right"))
        while filled < len(stack) and index < len(self._blocks):
            block = self._blocks[index]
            first = start + filled - (int(self._ends[index]) - len(block))
            taken = block[first : first + len(stack) - filled]
            stack[filled : filled + len(taken)] = taken
            filled += len(taken)
            index += 1
        vectors = stack[:filled]
        return vectors, _largest_length(vectors)

    def _scores(self, queries: NDArray[np.float32], chosen: Ints, positions: Ints) -> Floats:
        """Return the exact inner product of row `chosen[i]` of `queries` and the vector at `positions[i]`, for each i."""
        exact_queries = queries.astype(np.float64)
        scores = np.empty(len(positions))
        order = np.argsort(positions, kind="stable")
        limits = np.searchsorted(positions[order], self._ends).tolist()

        def compute(slices: Sequence[tuple[int, int, int]]) -> None:
            for index, first, last in slices:
                pairs = order[first:last]
                block = self._blocks[index]
                vectors = block[positions[pairs] - (self._ends[index] - len(block))].astype(np.float64)
                # not a matrix product: BLAS rounds differently for another number of rows
                scores[pairs] = np.einsum("ij,ij->i", vectors, exact_queries[chosen[pairs]])

        slices = [
            (index, first, min(first + _PAIRS, limit))
            for index, (start, limit) in enumerate(zip([0, *limits], limits, strict=False))
            for first in range(start, limit, _PAIRS)
        ]
        threads = available_cores()
        list(self._pool.map(compute, [slices[thread::threads] for thread in range(threads)]))
        return scores


def _scale(queries: NDArray[np.float32]) -> tuple[NDArray[np.float32], Floats]:
    """Return the queries and their lengths, each times a power of two with which no product with a float32 vector is infinite."""
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
    exponents = -np.frexp(lengths)[1] - queries.shape[1].bit_length() // 2 - 2
    return np.ldexp(queries, exponents[:, None]), np.ldexp(lengths, exponents)


def _largest_length(vectors: NDArray[np.float32]) -> float:
    squares = np.einsum("ij,ij->i", vectors, vectors).max()
    if not 2.0**-100 < squares < np.inf:  # float32 may have lost it
        squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64).max()
    return float(np.sqrt(squares))
