"""A result read back: what the report and the comparison work on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rerank_eval.fingerprint import fingerprint
from rerank_eval.results.experiment import SystemResult


class Cell(NamedTuple):
    """One column of per-query values; depth 0 is the first stage alone."""

    system: str
    depth: int
    measure: str


@dataclass(frozen=True)
class RecordedResult:
    """What a run found, as its files say: fields as in `result.json`, with the values of every query.

    `scores` maps cell -> query_id -> value, `samples` maps (system, depth) -> (query_id, repetition) -> nanoseconds; the
    first stage's own samples have the retriever's name and depth 0. A baseline file has no texts and no runs.
    """

    path: Path
    status: str
    dataset: Mapping[str, Any]
    retriever: Mapping[str, Any]
    systems: Sequence[SystemResult]
    ceiling: Mapping[int, Mapping[str, float | None]]
    settings: Mapping[str, Any]
    warnings: Sequence[str]
    failures: Sequence[str]
    provenance: Mapping[str, Any]
    scores: Mapping[Cell, Mapping[str, float]] = field(repr=False)
    samples: Mapping[tuple[str, int], Mapping[tuple[str, int], int]] = field(repr=False)

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures in the order of the settings."""
        return tuple(self.settings["measures"])

    @property
    def depths(self) -> tuple[int, ...]:
        """The depths above 0, ascending."""
        return tuple(self.settings["depths"])

    @property
    def is_judged(self) -> bool:
        """Whether the queries have judgments; without, the measures say how far rankings changed, and nothing of quality."""
        return bool(self.dataset.get("is_judged", True))

    @property
    def hardware(self) -> str:
        """The fingerprint of the machine; latencies compare only where it is the same."""
        return fingerprint(self.provenance["hardware"])


class JudgedQuery(NamedTuple):
    """A query's text and the grades of its judged documents."""

    text: str
    grades: Mapping[str, int]
