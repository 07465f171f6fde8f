"""Several first stages fused into one."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Self

from rerank_eval.errors import ConfigError, nearest
from rerank_eval.integers import check_integer
from rerank_eval.protocols import Retriever
from rerank_eval.rank_fusion import FusionRule
from rerank_eval.types import Dataset, Ranking, Run

_LEAST_DEPTH = 1000


class Hybrid:
    """The fused ranking of several first stages, each asked for its own depth; see `rank_fusion.FusionRule` for the methods.

    They are asked one after the other, so the latency is their sum.
    """

    def __init__(
        self,
        retrievers: Mapping[str, Retriever],
        name: str = "hybrid",
        method: str = "rrf",
        rrf_k: int = 60,
        weights: Mapping[str, float] | None = None,
        depths: Mapping[str, int] | None = None,
    ) -> None:
        """Take the first stages by name; a weight is 1 where none is given, a depth 1000 or what is asked of all, whichever is more.

        Raises:
            ConfigError: there is no first stage; a method, weight or depth is unknown or out of range.
        """
        if not isinstance(retrievers, Mapping) or not retrievers:
            raise ConfigError("retrievers must be a mapping of one first stage or more")
        self.name = name
        # else the sum of the latencies means nothing; what is no first stage is told when all parts are checked
        self.searches = all(getattr(part, "searches", False) for part in retrievers.values())
        self._retrievers = dict(retrievers)
        self._rule = FusionRule(method, rrf_k)
        weights, depths = weights or {}, depths or {}
        _check_names("weights", weights, retrievers)
        _check_names("depths", depths, retrievers)
        for key, weight in weights.items():
            if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 <= weight < math.inf:
                raise ConfigError(f"weights.{key} is {weight!r}; it must be a number of at least 0")
        for key, depth in depths.items():
            check_integer(f"depths.{key}", depth, 1)
        self._weights = {key: float(weights.get(key, 1)) for key in retrievers}
        self._depths = dict(depths)
        if not any(self._weights.values()):
            raise ConfigError("every weight is 0; one must be above")

    @property
    def parts(self) -> Mapping[str, Retriever]:
        """The first stages."""
        return self._retrievers

    def with_parts(self, parts: Mapping[str, Retriever]) -> Self:
        """Return the fusion of other first stages."""
        return type(self)(parts, self.name, self._rule.method, self._rule.rrf_k, self._weights, self._depths)

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` of the fused ranking of each query; empty where no first stage found anything."""
        # one more of each part, since the query's own document may be among them
        own = int(dataset.removes_query_document)
        runs = [
            part.retrieve(dataset, self._depths[key] + own if key in self._depths else max(depth, _LEAST_DEPTH + own))
            for key, part in self._retrievers.items()
        ]
        weights = [self._weights[key] for key in self._retrievers]
        nothing = Ranking(())
        return {
            query.query_id: Ranking(
                self._rule.fuse(
                    # before fusing, since a document that is no candidate would take a rank, and the maximum of scores
                    [dataset.candidates(query.query_id, run.get(query.query_id, nothing)) for run in runs],
                    weights,
                )[:depth]
            )
            for query in dataset.queries
        }

    def identity(self) -> Mapping[str, object]:
        """Return method, weights, depths and the identity of each first stage."""
        return {
            **asdict(self._rule),
            "weights": self._weights,
            "depths": self._depths,
            "retrievers": {
                key: {"class": f"{type(part).__module__}.{type(part).__qualname__}", **part.identity()}
                for key, part in self._retrievers.items()
            },
        }


def _check_names(setting: str, values: Mapping[str, object], retrievers: Mapping[str, Retriever]) -> None:
    for name in values:
        if name not in retrievers:
            raise ConfigError(f"{setting} has {name!r}, which is none of the retrievers: {nearest(name, retrievers)}")
