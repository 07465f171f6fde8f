"""Several rankings of one query's documents fused into one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rerank_eval.errors import ConfigError, nearest
from rerank_eval.integers import check_integer
from rerank_eval.types import Ranking

_METHODS = ("rrf", "min_max", "z_score")


@dataclass(frozen=True)
class FusionRule:
    """How rankings are fused: a document's score is the weighted sum of what each ranking gives it.

    - `rrf`: 1 / (rrf_k + rank), ranks counted from 1 (Cormack, Clarke and Büttcher, SIGIR 2009); scores do not count.
    - `min_max`: the score brought to [0, 1], lowest to highest of this ranking; 1 where all are equal.
    - `z_score`: the distance from the ranking's mean in standard deviations (of the population); 0 where all are equal.

    A ranking without the document gives it the least it can: 0 with `rrf` and `min_max`, and the lowest value among its own documents with
    `z_score`, as Pyserini's hybrid searcher does; 0, which is the mean, would put a missing document above those found below the mean.

    Raises:
        ConfigError: there is no such method, or `rrf_k` is below 1.
    """

    method: str = "rrf"
    rrf_k: int = 60

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.method not in _METHODS:
            raise ConfigError(f"the fusion method {self.method!r} is unknown: {nearest(str(self.method), _METHODS)}")
        check_integer("rrf_k", self.rrf_k, 1)

    def fuse(self, rankings: Sequence[Ranking], weights: Sequence[float]) -> Ranking:
        """Return the ranking of all documents of `rankings`, of which each has its weight.

        Raises:
            DataError: scores are so far apart (about 1e308) that their difference is no finite number.
        """
        values = [dict(zip(ranking.doc_ids, self._values(ranking), strict=True)) for ranking in rankings]
        missing = [min(found.values(), default=0.0) if self.method == "z_score" else 0.0 for found in values]
        doc_ids = dict.fromkeys(doc_id for ranking in rankings for doc_id in ranking.doc_ids)
        # fsum: the order in which the rankings are given must not decide between documents of one score
        return Ranking(
            (
                doc_id,
                math.fsum(
                    weight * found.get(doc_id, least)
                    for weight, found, least in zip(weights, values, missing, strict=True)
                ),
            )
            for doc_id in doc_ids
        )

    def _values(self, ranking: Ranking) -> list[float]:
        if self.method == "rrf":
            return [1 / (self.rrf_k + rank) for rank in range(1, len(ranking) + 1)]
        if not ranking:
            return []
        highest, lowest = ranking[0].score, ranking[-1].score
        if highest == lowest:
            return [1.0 if self.method == "min_max" else 0.0] * len(ranking)
        values = (np.array(ranking.scores) - lowest) / (highest - lowest)
        if self.method == "z_score":  # of the values in [0, 1]: the same, but tiny scores have no deviation of 0
            values = (values - values.mean()) / values.std()
        scaled: list[float] = values.tolist()
        return scaled
