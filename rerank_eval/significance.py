"""The p of a family of paired differences: randomisation and t test, adjusted by Holm, with more resamples where they decide.

Smucker, Allan & Carterette, A Comparison of Statistical Significance Tests for Information Retrieval Evaluation, CIKM 2007 (the
randomisation test); Clopper & Pearson, The Use of Confidence or Fiducial Limits, Biometrika 26(4), 1934 (what so many resamples can
say of p); Besag & Clifford, Sequential Monte Carlo p-values, Biometrika 78(2), 1991 (as many resamples as the decision needs).
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rerank_eval.statistics import (
    ALPHA,
    RESAMPLES,
    has_difference,
    holm_where_different,
    t_test_p_values,
)

_BLOCK = 500
_LARGE_BLOCK = 20_000
_MOST_ENUMERATED = 13
_PER_COMPARISON = 110
_MOST_RESAMPLES = 10_000_000
_MOST_LOOKUPS = 300_000_000
_DOUBT = 0.005
_TIE = 1e-12


class PValue(NamedTuple):
    """A p; `is_at_most`: none of the resamples was as extreme, so that p is not known, only that it is no larger than this."""

    value: float
    is_at_most: bool = False


def family_p_values(stacks: Sequence[NDArray[np.float64]], seed: int) -> list[list[PValue]]:
    """Return for each column of each stack the larger p of the paired randomisation and the paired t test, adjusted by Holm over all.

    A stack has the differences over the same queries (num_queries, num_columns). Each test errs where the other does not: where nearly
    all queries lose the same little and a few differ much, all signs alike are no evidence of a drop, but the least likely flip; where
    only a handful of queries differ at all, t takes their mean for normal. Columns that do not differ at all have p = 1.

    Every column gets 10,000 resamples, and at least 110 for each comparison, because Holm multiplies the smallest p by their number.
    Where these leave open on which side of 0.05 the adjusted p is, the column gets ten times as many, and ten times again, up to 10
    million or as many as take a few seconds in all. `benchmarks/gate.py` has the error rates.

    Raises:
        ValueError: a stack has no query.
    """
    if not stacks:
        return []
    is_different = [has_difference(column) for stack in stacks for column in stack.T]
    by_t = np.array([p for stack in stacks for p in t_test_p_values(stack)])
    resamples = max(RESAMPLES, _PER_COMPARISON * sum(is_different))
    flips = [SignFlips(stack, seed, resamples) for stack in stacks]
    ends = np.cumsum([stack.shape[1] for stack in stacks])[:-1]

    can_extend = np.concatenate([np.full(own.num_columns, not own.is_exact) for own in flips])

    def adjust(randomised: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.array(holm_where_different(np.maximum(np.concatenate([*randomised]), by_t).tolist(), is_different))

    is_open = np.ones(len(by_t), dtype=bool)
    while True:
        least, most = zip(*(own.bounds() for own in flips), strict=True)
        is_open &= (adjust(least) <= ALPHA) != (adjust(most) <= ALPHA)
        is_open &= can_extend  # an exact p is known; it can be open for the others' sake only
        chosen = [np.flatnonzero(own) for own in np.split(is_open, ends)]
        work = sum(len(columns) * own.num_bytes for columns, own in zip(chosen, flips, strict=True))
        affordable = min(10 * resamples, _MOST_RESAMPLES, _MOST_LOOKUPS // max(work, 1))
        if not work or affordable <= resamples:
            break
        resamples = affordable
        for columns, own in zip(chosen, flips, strict=True):
            own.extend(columns, resamples)
    is_at_most = np.concatenate([own.is_at_most() for own in flips])
    is_at_most &= np.concatenate([own.p_values() for own in flips]) > by_t
    adjusted = map(PValue, adjust(own.p_values() for own in flips).tolist(), is_at_most.tolist())
    return [list(islice(adjusted, stack.shape[1])) for stack in stacks]


class SignFlips:
    """The paired randomisation test of columns of differences over the same queries, with as many resamples as are asked for.

    Every sign is a coin's, and all columns see the same flips, so that no p depends on the other columns. Up to 13 queries every
    assignment of signs is counted, and p is exact.
    """

    def __init__(self, columns: NDArray[np.float64], seed: int, resamples: int) -> None:
        """Take an array (num_queries, num_columns) and draw the first resamples.

        Raises:
            ValueError: there is no query.
        """
        num_queries, num_columns = columns.shape
        if num_queries == 0:
            raise ValueError("there is no query to test")
        self._columns = columns
        self._totals = columns.sum(axis=0)
        # sums of equal terms differ by rounding
        self._at_least = np.abs(self._totals) - _TIE * np.abs(columns).sum(axis=0)
        self._random = np.random.default_rng(seed)
        self.is_exact = num_queries <= _MOST_ENUMERATED
        self._resamples = np.full(num_columns, 2**num_queries if self.is_exact else resamples, dtype=np.int64)
        self._extreme = np.zeros(num_columns, dtype=np.int64)
        for start in range(0, int(self._resamples.max(initial=0)), _BLOCK):
            size = min(_BLOCK, int(self._resamples[0]) - start)
            kept = _enumerate_signs(start, size, num_queries) if self.is_exact else self._draw_signs(size)
            self._extreme += (np.abs(2 * (kept @ columns) - self._totals) >= self._at_least).sum(axis=0)

    @property
    def num_columns(self) -> int:
        """How many columns are tested."""
        return len(self._totals)

    @property
    def num_bytes(self) -> int:
        """How many bytes hold the signs of a resample."""
        return -(-len(self._columns) // 8)

    def p_values(self) -> NDArray[np.float64]:
        """Return p per column: (1 + as extreme) / (1 + resamples), or the exact share; 1 for columns of zeros."""
        one = 0 if self.is_exact else 1
        return (one + self._extreme) / (one + self._resamples)

    def is_at_most(self) -> NDArray[np.bool_]:
        """Return per column whether no resample was as extreme; never so where p is exact."""
        return np.asarray((self._extreme == 0) & (not self.is_exact))

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the least and the largest p per column that these resamples leave open, each but for a doubt of 0.5%."""
        if self.is_exact:
            return self.p_values(), self.p_values()
        from scipy import special

        others = self._resamples - self._extreme
        low = special.betaincinv(np.maximum(self._extreme, 1), others + 1, _DOUBT)
        high = special.betaincinv(self._extreme + 1, np.maximum(others, 1), 1 - _DOUBT)
        return np.where(self._extreme > 0, low, 0.0), np.where(others > 0, high, 1.0)

    def extend(self, chosen: NDArray[np.int64], resamples: int) -> None:
        """Draw for the chosen columns, which have had as many as each other, until they have this many resamples; nothing where p is exact.

        The sums come from tables of all signs of eight queries: an eighth of the work of a product.
        """
        if self.is_exact or not len(chosen):
            return
        pad = np.zeros((8 * self.num_bytes, len(chosen)))
        pad[: len(self._columns)] = self._columns[:, chosen]
        signs = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1).astype(np.float64)
        tables = [signs @ pad[place : place + 8] for place in range(0, len(pad), 8)]
        for start in range(int(self._resamples[chosen[0]]), resamples, _LARGE_BLOCK):
            size = min(_LARGE_BLOCK, resamples - start)
            drawn = self._random.integers(0, 256, (self.num_bytes, size), dtype=np.uint8)
            for number, column in enumerate(chosen):
                kept = np.zeros(size)
                for table, places in zip(tables, drawn, strict=True):
                    kept += table[:, number][places]
                flipped = 2 * kept - self._totals[column]
                self._extreme[column] += int((np.abs(flipped) >= self._at_least[column]).sum())
        self._resamples[chosen] = resamples

    def _draw_signs(self, size: int) -> NDArray[np.float64]:
        """Return assignments of signs at random; in blocks of bytes, since the draw would take longer than the test."""
        drawn = self._random.integers(0, 256, (size, self.num_bytes), dtype=np.uint8)
        return np.unpackbits(drawn, axis=1)[:, : len(self._columns)].astype(np.float64)


def _enumerate_signs(start: int, size: int, num_queries: int) -> NDArray[np.float64]:
    """Return the assignments of signs with these numbers: 1 where a difference keeps its sign, 0 where it is turned."""
    return (np.arange(start, start + size)[:, None] >> np.arange(num_queries) & 1).astype(np.float64)
