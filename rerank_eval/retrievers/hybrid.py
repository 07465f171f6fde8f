"""Several first stages fused into one."""

import math
from collections.abc import Mapping
from copy import copy
from dataclasses import asdict, fields
from typing import Self

from rerank_eval.corpus import Corpus
from rerank_eval.errors import ConfigError, nearest
from rerank_eval.protocols import (
    BuildsIndex,
    DatasetRetriever,
    HasFindings,
    HasLoadReport,
    Progress,
    Retriever,
)
from rerank_eval.rank_fusion import FusionRule
from rerank_eval.types import Dataset, LoadReport, Ranking, Run

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
            ConfigError: there is no first stage or one is none; a method, weight or depth is unknown or out of range.
        """
        if not isinstance(retrievers, Mapping) or not retrievers:
            raise ConfigError("retrievers must be a mapping of one first stage or more")
        for key, part in retrievers.items():
            if not all(hasattr(part, attribute) for attribute in ("searches", "retrieve", "identity")):
                raise ConfigError(f"retrievers.{key} is {type(part).__name__}, which is no first stage")
        self.name = name
        self.searches = all(
            part.searches for part in retrievers.values()
        )  # else the sum of the latencies means nothing
        self._retrievers = dict(retrievers)
        self._rule = FusionRule(method, rrf_k)
        weights, depths = weights or {}, depths or {}
        _check_names("weights", weights, retrievers)
        _check_names("depths", depths, retrievers)
        for key, weight in weights.items():
            if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 <= weight < math.inf:
                raise ConfigError(f"weights.{key} is {weight!r}; it must be a number of at least 0")
        for key, depth in depths.items():
            if not isinstance(depth, int) or isinstance(depth, bool) or depth < 1:
                raise ConfigError(f"depths.{key} is {depth!r}; it must be an integer of at least 1")
        self._weights = {key: float(weights.get(key, 1)) for key in retrievers}
        self._depths = dict(depths)
        if not any(self._weights.values()):
            raise ConfigError("every weight is 0; one must be above")

    @property
    def load_report(self) -> LoadReport:
        """What was found when those were read that come from files."""
        reports = [part.load_report for part in self._retrievers.values() if isinstance(part, HasLoadReport)]
        return LoadReport(
            **{field.name: sum(getattr(report, field.name) for report in reports) for field in fields(LoadReport)}
        )

    def for_dataset(self, dataset: Dataset) -> Self:
        """Return the same of first stages that have seen the dataset, where they ask for that."""
        seen = copy(self)
        seen._retrievers = {
            key: part.for_dataset(dataset) if isinstance(part, DatasetRetriever) else part
            for key, part in self._retrievers.items()
        }
        return seen

    def build_index(self, corpus: Corpus, progress: Progress) -> None:
        """Build, or load, the indexes of those that have one."""
        for part in self._retrievers.values():
            if isinstance(part, BuildsIndex):
                part.build_index(corpus, progress)

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` of the fused ranking of each query; empty where no first stage found anything."""
        runs = [
            part.retrieve(dataset, self._depths.get(key, max(depth, _LEAST_DEPTH)))
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

    def findings(self, dataset: Dataset) -> Mapping[str, object]:
        """Return what those first stages have found that have more to say than their run, each under its name."""
        return {
            f"{key}: {name}": value
            for key, part in self._retrievers.items()
            if isinstance(part, HasFindings)
            for name, value in part.findings(dataset).items()
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
