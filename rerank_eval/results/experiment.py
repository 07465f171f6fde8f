"""What an evaluation found.

Unknown is None (`null`), never 0. Field names may grow, not change, within a `FORMAT_VERSION`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from rerank_eval.latency import LatencySample
from rerank_eval.results.depth_results import DepthResult
from rerank_eval.types import Run

FORMAT_VERSION = 1

Status = Literal["complete", "incomplete", "not_evaluable"]


class ScoreRow(NamedTuple):
    """One value of one measure for one query."""

    query_id: str
    system: str
    depth: int
    measure: str
    value: float


@dataclass(frozen=True)
class SystemResult:
    """A reranker over the first stage, at every depth.

    `saw_judgments` marks one that was shown them, as the oracle is: a bound, not a choice. `asks_provider` marks one whose answers
    may cost something.
    """

    name: str
    config: Mapping[str, object]
    fingerprint: str | None
    load_seconds: float | None
    tie_rate: float | None
    reused_answers: int
    depths: Sequence[DepthResult]
    saw_judgments: bool = False
    asks_provider: bool = False

    @property
    def has_no_value(self) -> bool:
        """Whether a measure at some depth has no query left to be the mean of."""
        return any(measure.mean is None for depth in self.depths for measure in depth.measures.values())


class Top(NamedTuple):
    """The first documents of one ranking, as (doc_id, score, rank in the first stage counted from 1).

    The score is the model's own, None for a document that was not reranked at this depth.
    """

    query_id: str
    system: str
    depth: int
    documents: Sequence[tuple[str, float | None, int]]


class AnswerRow(NamedTuple):
    """What a language model answered to one query from these documents, and how right that is.

    `answer` is empty where the documents do not hold it, None where there is no usable one; the measures are None where the call failed.
    """

    query_id: str
    system: str
    depth: int
    doc_ids: Sequence[str]
    answer: str | None
    exact_match: float | None
    token_f1: float | None
    nanoseconds: int | None


class Excerpts(NamedTuple):
    """query_id -> text; the grades of the documents shown; doc_id -> beginning of the text; the tops of all rankings."""

    queries: Mapping[str, str]
    grades: Mapping[str, Mapping[str, int]]
    documents: Mapping[str, str]
    tops: Sequence[Top]


@dataclass(frozen=True)
class ExperimentResult:
    """Everything that a result folder holds, except the resolved configuration."""

    status: Status
    dataset: Mapping[str, object]
    retriever: Mapping[str, object]
    systems: Sequence[SystemResult]
    ceiling: Mapping[int, Mapping[str, float | None]]
    settings: Mapping[str, object]
    warnings: Sequence[str]
    failures: Sequence[str]
    provenance: Mapping[str, object]
    scores: Sequence[ScoreRow] = field(repr=False)
    latency: Sequence[LatencySample] = field(repr=False)
    runs: Mapping[tuple[str, int], Run] = field(repr=False)
    excerpts: Excerpts | None = field(default=None, repr=False)
    answers: Sequence[AnswerRow] = field(default=(), repr=False)

    def as_json(self) -> dict[str, object]:
        """Return the content of `result.json`."""
        return {
            "format_version": FORMAT_VERSION,
            "status": self.status,
            "dataset": dict(self.dataset),
            "retriever": dict(self.retriever),
            "systems": [
                {**{name: value for name, value in vars(system).items() if name != "depths"}}
                | {"depths": [depth.as_json() for depth in system.depths]}
                for system in self.systems
            ],
            "ceiling": [{"depth": depth, "measures": dict(means)} for depth, means in self.ceiling.items()],
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
            "failures": list(self.failures),
            "provenance": dict(self.provenance),
        }
