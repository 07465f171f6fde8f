"""What a report shows, free of how: the values that HTML, PDF, figures and tables are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rerank_eval.paired import Difference
from rerank_eval.results.depth_results import Loss, Reliability, Stability


class Estimate(NamedTuple):
    """A mean with its 95% interval; the bounds are None where fewer than six queries give none."""

    mean: float
    low: float | None
    high: float | None


class Milliseconds(NamedTuple):
    """A latency percentile with its 95% interval; a bound is None where the samples are too few for one."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ContextAnswers:
    """What a language model answered from the first `context` documents, to the queries with reference answers.

    `gain` is the difference of `token_f1` to the first stage; None there. `without_answer` is the share of queries to which the model
    gave none. Tokens, cost and the chain's latency are of reranking and answering together, the latter with the first stage.
    """

    context: int
    num_queries: int
    failures: int
    precision: Estimate | None
    recall: Estimate | None
    exact_match: Estimate | None
    token_f1: Estimate | None
    gain: Estimate | None
    without_answer: float | None
    tokens_per_query: float | None
    usd_per_1000: float | None
    own_p50: Milliseconds | None
    chain_p50: Milliseconds | None
    chain_p95: Milliseconds | None


@dataclass(frozen=True)
class Point:
    """A system at one depth; depth 0 is the first stage alone.

    `usd_per_1000` is what providers get: 0 where none is asked, None where it is not known. A total needs a query whose first stage was
    timed: of what is recorded for all queries it has fewer samples than the reranker's own latency, and its p95 may then be the lower.
    """

    depth: int
    num_queries: int
    estimates: Mapping[str, Estimate]
    to_first_stage: Mapping[str, Difference]
    to_best: Mapping[str, Difference]
    losses: Mapping[str, Loss]
    total_p50: Milliseconds | None
    total_p95: Milliseconds | None
    own_p50: Milliseconds | None
    own_p95: Milliseconds | None
    own_samples_ms: Sequence[float]
    num_total_samples: int
    usd_per_1000: float | None
    judged_at_10: float | None
    tie_rate: float | None
    failures: int
    truncated_share: float | None
    reliability: Reliability | None = None
    stability: Mapping[str, Stability] = field(default_factory=dict)
    answers: ContextAnswers | None = None


def is_total_of_fewer(point: Point) -> bool:
    """Return whether the total latency is over fewer samples than the reranker's own."""
    return 0 < point.num_total_samples < len(point.own_samples_ms)


def makes_calls(point: Point) -> bool:
    """Return whether the reranker was asked at this depth and counts its calls, as those behind an API do."""
    return point.reliability is not None and point.reliability.retry_rate is not None


class Knee(NamedTuple):
    """Per measure: the best depth, the cheapest depth within the noise of it, and the deeper ones that are worse than it."""

    best: int
    cheapest: int
    decayed: Sequence[int]


@dataclass(frozen=True)
class Series:
    """One system of one run: a reranker over a first stage; `index` picks colour and marker.

    `label` is unique in the dataset, and the same system has it on other datasets; `whole_label` has every value uncut. `reranker` and
    `retriever` are names with the settings that differ between those of one name; `reranker_key` and `retriever_key` are equal only
    where name and settings are.
    """

    index: int
    label: str
    whole_label: str
    system: str
    reranker: str
    reranker_key: str
    retriever: str
    retriever_key: str
    started: str
    hardware: str
    first_stage: Point
    points: Sequence[Point]
    knees: Mapping[str, Knee]
    ceiling: Mapping[int, Mapping[str, float | None]]


class Place(NamedTuple):
    """A point of a report by its series; depth 0 of any series is the first stage of its retriever."""

    series: int
    depth: int


class RankedDocument(NamedTuple):
    """A document in a ranking before or after: 1-based ranks, None where it is not in the recorded ranking."""

    doc_id: str
    grade: int | None
    score: float | None
    rank: int
    rank_before: int | None
    text: str | None


@dataclass(frozen=True)
class QueryChange:
    """A query that gained or lost much: its text, the values before and after, and the top documents of both rankings."""

    query_id: str
    text: str
    series: int
    depth: int
    measure: str
    before: float
    after: float
    top_before: Sequence[RankedDocument]
    top_after: Sequence[RankedDocument]


class MatrixCell(NamedTuple):
    """A reranker over a first stage at its best depth for the first measure, for the matrix of several first stages."""

    retriever: str
    system: str
    depth: int
    estimate: Estimate


@dataclass(frozen=True)
class DatasetReport:
    """All that is shown of one dataset.

    `fronts` maps measure -> the Pareto-optimal places for quality against total p95 latency; `cost_fronts` against cost, none where
    nothing is paid.
    Without judgments (`is_judged` is False) the estimates say how far rankings changed, and nothing is compared or chosen.
    Datasets that are `part_of` one collection count as one in an average. `same_hardware` is False where latencies come from several machines and are not on one axis.
    """

    name: str
    split: str
    num_documents: int
    num_queries: int
    series: Sequence[Series]
    fronts: Mapping[str, Sequence[Place]]
    cost_fronts: Mapping[str, Sequence[Place]]
    same_hardware: bool
    changes: Sequence[QueryChange]
    warnings: Sequence[str]
    matrix: Sequence[MatrixCell] = ()
    is_judged: bool = True
    part_of: str | None = None


class MacroRow(NamedTuple):
    """The mean over datasets of one system at one depth, each dataset counting the same, or each collection that they are parts of."""

    label: str
    depth: int
    means: Mapping[str, float]


class NotAveraged(NamedTuple):
    """What has no mean over datasets, a first stage or a system over one, and why."""

    label: str
    reason: str


class RunDescription(NamedTuple):
    """Where one result comes from, as (name, value) lines: time, commit, packages, hardware, command, settings."""

    title: str
    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Report:
    """A whole report. `answer` is one paragraph of plain text; `made` is the time of the newest result."""

    title: str
    answer: str
    constraint: str | None
    measures: Sequence[str]
    num_comparisons: int
    datasets: Sequence[DatasetReport]
    macro: Sequence[MacroRow]
    not_averaged: Sequence[NotAveraged]
    runs: Sequence[RunDescription]
    made: str
