"""The values that flow through an evaluation: Dataset -> Run -> Request -> Scores -> Ranking."""

import hashlib
import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple, overload

from rerank_eval.conventions import Conventions
from rerank_eval.corpus import Corpus
from rerank_eval.errors import DataError

Qrels = Mapping[str, Mapping[str, int]]
"""query_id -> doc_id -> relevance grade."""


class Query(NamedTuple):
    """What is asked."""

    query_id: str
    text: str


class Document(NamedTuple):
    """What is retrieved; title and text are already one string."""

    doc_id: str
    text: str


class ScoredDoc(NamedTuple):
    """A document and its score; higher is better."""

    doc_id: str
    score: float


class Ranking(Sequence[ScoredDoc]):
    """One query's documents, best first: sorted by (score, doc_id) descending, which is trec_eval's rule.

    Every ranking is sorted here, in float64; a search over vectors picks its candidates by the same rule. A ranking with a NaN or a repeated document cannot exist.

    Raises:
        DataError: a score is not finite, or a document comes twice.
    """

    __slots__ = ("_doc_ids", "_scores")

    def __init__(self, docs: Iterable[tuple[str, float]]) -> None:
        """Sort `docs`, pairs of doc_id and score in any order."""
        pairs = [(float(score), doc_id) for doc_id, score in docs]
        if len({doc_id for _, doc_id in pairs}) < len(pairs) or not all(math.isfinite(score) for score, _ in pairs):
            raise _first_fault(pairs)
        pairs.sort(reverse=True)
        self._doc_ids = tuple([doc_id for _, doc_id in pairs])
        self._scores = tuple([score for score, _ in pairs])

    @classmethod
    def from_order(cls, doc_ids: Sequence[str]) -> "Ranking":
        """Return the ranking with this order; the scores are `n - rank`, so no two are equal."""
        return cls((doc_id, float(len(doc_ids) - rank)) for rank, doc_id in enumerate(doc_ids))

    @property
    def doc_ids(self) -> tuple[str, ...]:
        """The documents, best first."""
        return self._doc_ids

    @property
    def scores(self) -> tuple[float, ...]:
        """Their scores, in the same order."""
        return self._scores

    @overload
    def __getitem__(self, index: int) -> ScoredDoc: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[ScoredDoc, ...]: ...

    def __getitem__(self, index: int | slice) -> ScoredDoc | tuple[ScoredDoc, ...]:
        """Return the document at a rank, counted from 0, or a tuple of them for a slice."""
        if isinstance(index, slice):
            return tuple(_pair(self._doc_ids[index], self._scores[index]))
        return ScoredDoc(self._doc_ids[index], self._scores[index])

    def __iter__(self) -> Iterator[ScoredDoc]:
        """Return the documents, best first."""
        return _pair(self._doc_ids, self._scores)

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self._doc_ids)

    def __eq__(self, other: object) -> bool:
        """Return whether order and scores are the same."""
        return isinstance(other, Ranking) and self._doc_ids == other._doc_ids and self._scores == other._scores

    def __hash__(self) -> int:
        """Hash order and scores."""
        return hash((self._doc_ids, self._scores))

    def __repr__(self) -> str:
        """Show the first documents."""
        return f"Ranking({len(self)} documents, first {self[:3]})"


def _first_fault(pairs: Sequence[tuple[float, str]]) -> DataError:
    seen: set[str] = set()
    for score, doc_id in pairs:
        if not math.isfinite(score):
            return DataError(f"document {doc_id!r} has the score {score}")
        if doc_id in seen:
            break
        seen.add(doc_id)
    return DataError(f"document {doc_id!r} comes twice")


def _pair(doc_ids: Sequence[str], scores: Sequence[float]) -> Iterator[ScoredDoc]:
    return map(ScoredDoc._make, zip(doc_ids, scores, strict=True))


Run = Mapping[str, Ranking]
"""query_id -> ranking: one system's result for all queries."""


@dataclass(frozen=True)
class LoadReport:
    """What loading changed or found; every count is shown to the user when it is not 0."""

    skipped_lines: int = 0
    dropped_duplicates: int = 0
    replaced_surrogates: int = 0
    blank_documents: int = 0
    blank_queries: int = 0
    unjudged_queries: int = 0
    unknown_judged_queries: int = 0
    unused_columns: tuple[str, ...] = ()
    """Of a table without judgments: one of them may have them."""
    named_columns: Mapping[str, str] = field(default_factory=dict)
    """What the user said of the columns of such a table: ours -> that of the source."""


@dataclass(frozen=True)
class Dataset(Conventions):
    """A corpus, the queries to run, and the judgments of exactly these queries; or none at all, for a query log.

    `first_stage` is the run that came with the data, where one did: candidates that `retriever=candidates` returns; no part of the
    content. `reference_answers` has, for some queries, the texts that are right as an answer; no ranking depends on them, and so
    `sha256` does not either. What `Conventions` has is given by name.

    Raises:
        DataError: a query comes twice or has no judgment, or there are judgments or reference answers of another query.
        ConfigError: as `Conventions`.
    """

    name: str
    split: str
    corpus: Corpus
    queries: tuple[Query, ...]
    qrels: Qrels
    load_report: LoadReport = field(default_factory=LoadReport)
    first_stage: Run | None = None
    reference_answers: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that queries, judgments and reference answers belong together."""
        super().__post_init__()
        query_ids = {query.query_id for query in self.queries}
        if len(query_ids) != len(self.queries):
            raise DataError(f"{self.name} has a query_id twice")
        for query_id in query_ids ^ self.qrels.keys() if self.qrels else ():
            fault = "has no judgment" if query_id in query_ids else "has judgments but is not among the queries"
            raise DataError(f"{self.name}: query {query_id!r} {fault}; leave it out")
        for query_id in self.reference_answers.keys() - query_ids:
            raise DataError(f"{self.name}: query {query_id!r} has reference answers but is not among the queries")

    def only(self, query: Query) -> "Dataset":
        """Return this dataset with a single query, to be searched for."""
        qrels = {query.query_id: self.qrels[query.query_id]} if self.is_judged else {}
        return replace(self, queries=(query,), qrels=qrels, reference_answers={})

    def without_judgments(self) -> "Dataset":
        """Return this dataset as those see it that must not know what is relevant."""
        return replace(self, qrels={}, reference_answers={})

    def candidates(self, query_id: str, ranking: Ranking) -> Ranking:
        """Return the ranking without the query's own document where that is no candidate (https://github.com/beir-cellar/beir/pull/91)."""
        if not self.removes_query_document:
            return ranking
        return Ranking(doc for doc in ranking if doc.doc_id != query_id)

    @property
    def is_judged(self) -> bool:
        """Whether there are judgments; without them quality is unknown, and only latency and rank change are measured."""
        return bool(self.qrels)

    @cached_property
    def sha256(self) -> str:
        """A fingerprint of the content: documents, queries and judgments, whatever files they came from."""
        digest = hashlib.sha256(self.corpus.sha256.encode())
        for query in sorted(self.queries):
            digest.update(f"\nq {query.query_id}\0{query.text}".encode())
        for query_id in sorted(self.qrels):
            for doc_id, relevance in sorted(self.qrels[query_id].items()):
                digest.update(f"\nr {query_id}\0{doc_id}\0{relevance}".encode())
        return digest.hexdigest()


class Request(NamedTuple):
    """What a reranker is given: a query and its candidates in first-stage order.

    `first_stage_scores` has the first stage's score of each document, for rerankers that ask for them; otherwise it is empty.
    """

    query: Query
    documents: tuple[Document, ...]
    first_stage_scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Usage:
    """What an answer took; None where the reranker cannot know."""

    calls: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    search_units: int | None = None
    retries: int = 0
    repairs: int = 0
    cached_tokens: int | None = None
    """The part of `input_tokens` that the provider read from its cache."""
    fallbacks: int = 0
    """How often no answer to a question could be used, and its documents stayed in candidate order among themselves."""
    refusals: int = 0
    """How often a model declined to answer."""

    def __post_init__(self) -> None:
        """Make plain integers of what counts like one, such as numpy's."""
        for name, value in vars(self).items():
            if value is not None:
                object.__setattr__(self, name, operator.index(value))

    def __add__(self, other: "Usage") -> "Usage":
        """Return what two answers took together."""
        return Usage.total((self, other))

    @classmethod
    def total(cls, usages: "Iterable[Usage]") -> "Usage":
        """Return what all of them took, nothing for none; a count that one of them does not know is unknown."""
        known = list(usages)
        counts = {field.name: [getattr(usage, field.name) for usage in known] for field in fields(cls)}
        sums: dict[str, Any] = {name: None if None in found else sum(found) for name, found in counts.items()}
        return cls(**sums)


NO_USAGE = Usage.total(())
"""Of what asked nobody: every count is known, and 0."""


class CallTiming(NamedTuple):
    """How long one call of a provider took: the successful attempt alone, without waiting or retries; None where it was asked in a batch.

    `started` is its time of day (UTC, ISO 8601), `concurrency` how many attempts, it included, were in flight; `reused` marks an answer
    that was asked for earlier. `provider`, `model` and `usage` say what was billed, `key` for which question: calls of one key are one
    answer, billed once. It is empty where an adapter does not tell.
    """

    nanoseconds: int | None
    started: str
    concurrency: int
    reused: bool
    provider: str = ""
    model: str = ""
    usage: Usage = Usage()
    key: str = ""


def total_nanoseconds(calls: "Sequence[CallTiming]") -> int | None:
    """Return what the calls took, one after the other; None where that of one is not known, or there is none."""
    known = [call.nanoseconds for call in calls if call.nanoseconds is not None]
    return sum(known) if known and len(known) == len(calls) else None


@dataclass(frozen=True)
class Scores:
    """A reranker's answer to a `Request`.

    `values` has one finite number per document in the order given; higher is better. `truncated` says per document
    whether the model did not see all of the text; None where the reranker cannot know. `calls` are the calls of a provider
    that were made for it, one after the other; none for a reranker that asks nobody. `is_timed` says whether they are all that takes
    time; it is False where something runs on this machine as well, or where answers do not come one by one.
    """

    values: Sequence[float]
    usage: Usage = field(default_factory=Usage)
    truncated: Sequence[bool] | None = None
    calls: Sequence[CallTiming] = ()
    is_timed: bool = True
