"""What a dataset holds, what a first stage leaves of it to a reranker, and what its queries can show."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rerank_eval.check_data.texts import SelfRetrieval, Spread, Texts, find_self_retrieval, read_documents, read_queries
from rerank_eval.evaluation.caveats import (
    about_data_and_candidates,
    about_few_queries,
    about_no_judgments,
    about_unused_columns,
)
from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.losses import find_bounds
from rerank_eval.protocols import Progress
from rerank_eval.statistics import FEWEST_FOR_INTERVAL, has_difference, minimum_detectable_effect
from rerank_eval.types import Dataset, Run

CORRELATIONS = (0.9, 0.7, 0.5)
"""Of the values of two systems over queries: much alike, as two rerankers of the same candidates can be, and less and less so."""

_EXAMPLES = 5


@dataclass(frozen=True)
class Judgments:
    """The judgments of all queries; relevant means a grade of at least the dataset's relevance level."""

    count: int
    relevant: int
    per_query: Spread | None
    relevant_per_query: Spread | None
    grades: Mapping[int, int]
    without_relevant: tuple[str, ...]
    """The query_ids that have no relevant document."""
    missing: int
    """Judgments of documents that the corpus lacks."""
    missing_relevant: int
    missing_examples: tuple[str, ...]


@dataclass(frozen=True)
class Reach:
    """What the top `depth` candidates hold; `ceiling` is each measure's mean if they were ordered by their judgments, where that is a bound."""

    depth: int
    relevant_found: int
    ceiling: Mapping[str, float]


@dataclass(frozen=True)
class Unjudged:
    """How many of the candidates of all queries have no judgment, and so count as not relevant."""

    candidates: int
    of_candidates: int
    top_10: int
    of_top_10: int


@dataclass(frozen=True)
class FirstStage:
    """What the first stage gives a reranker; `means` is its own order, `unjudged` None where nothing is judged."""

    name: str
    depth: int
    candidates: Spread | None
    means: Mapping[str, float]
    reach: tuple[Reach, ...]
    unjudged: Unjudged | None


@dataclass(frozen=True)
class Detectable:
    """The true difference of a measure's mean that one paired test shows with 80% power.

    For two systems whose values spread over the queries as the first stage's do, and have this correlation.
    """

    measure: str
    correlation: float
    deviation: float
    effect: float


@dataclass(frozen=True)
class DataReport:
    """All that `check-data` finds; without judgments there is no ceiling and nothing to detect."""

    name: str
    split: str
    sha256: str
    relevance_level: int
    documents: Texts
    queries: Texts
    judgments: Judgments | None
    reference_answers: int
    """How many queries have some."""
    self_retrieval: SelfRetrieval
    first_stage: FirstStage
    published_bm25: Mapping[str, float]
    """The published value of BM25 on these data, by measure."""
    detectable: tuple[Detectable, ...]
    undetectable: str | None
    """Why there is no `detectable`; None where there is, or where nothing is judged."""
    notes: tuple[str, ...]
    """What a reader must know although it is as it was asked for."""
    problems: tuple[str, ...]


def describe_data(evaluation: Evaluation, progress: Progress) -> DataReport:
    """Return what there is to say about a dataset and its first stage; the texts are read once, in order."""
    dataset = evaluation.dataset
    documents, hashes = read_documents(dataset.corpus, progress)
    queries = read_queries(dataset.queries)
    self_retrieval = find_self_retrieval(dataset.queries, dataset.corpus, hashes)
    progress.start("judging the first stage", 1)
    detectable = _find_detectable(evaluation) if dataset.is_judged else ()
    too_few = about_few_queries(len(dataset.queries)) if dataset.is_judged else []
    shows_nothing = len(dataset.queries) < FEWEST_FOR_INTERVAL
    return DataReport(
        name=dataset.name,
        split=dataset.split,
        sha256=dataset.sha256,
        relevance_level=dataset.relevance_level,
        documents=documents,
        queries=queries,
        judgments=_describe_judgments(dataset) if dataset.is_judged else None,
        reference_answers=len(dataset.reference_answers),
        self_retrieval=self_retrieval,
        first_stage=_describe_first_stage(evaluation),
        published_bm25=dict(dataset.published_bm25),
        detectable=detectable if isinstance(detectable, tuple) else (),
        undetectable=detectable if isinstance(detectable, str) else None,
        notes=(*about_no_judgments(dataset), *about_unused_columns(dataset), *(() if shows_nothing else too_few)),
        problems=(
            *about_data_and_candidates(evaluation),
            *(too_few if shows_nothing else ()),
            *_about_texts(documents, queries),
            *_about_self_retrieval(self_retrieval, dataset.removes_query_document),
        ),
    )


def _describe_judgments(dataset: Dataset) -> Judgments:
    relevant_per_query = {
        query_id: sum(grade >= dataset.relevance_level for grade in grades.values())
        for query_id, grades in dataset.qrels.items()
    }
    missing = {
        (query_id, doc_id): grade
        for query_id, grades in dataset.qrels.items()
        for doc_id, grade in grades.items()
        if doc_id not in dataset.corpus
    }
    grades = Counter(grade for grades in dataset.qrels.values() for grade in grades.values())
    return Judgments(
        count=grades.total(),
        relevant=sum(relevant_per_query.values()),
        per_query=Spread.of([len(grades) for grades in dataset.qrels.values()]),
        relevant_per_query=Spread.of(list(relevant_per_query.values())),
        grades=dict(sorted(grades.items())),
        without_relevant=tuple(query_id for query_id, count in relevant_per_query.items() if not count),
        missing=len(missing),
        missing_relevant=sum(grade >= dataset.relevance_level for grade in missing.values()),
        missing_examples=tuple(dict.fromkeys(doc_id for _, doc_id in missing))[:_EXAMPLES],
    )


def _describe_first_stage(evaluation: Evaluation) -> FirstStage:
    dataset, first_stage = evaluation.dataset, evaluation.first_stage
    means: Mapping[str, float] = {}
    reach = []
    if dataset.is_judged:
        values = evaluation.score(first_stage, evaluation.measures)
        means = {name: float(np.mean(list(column.values()))) for name, column in values.items()}
        for depth, ceiling in find_bounds(evaluation).ceiling().items():
            found = sum(
                dataset.qrels[query_id].get(doc_id, 0) >= dataset.relevance_level
                for query_id, ranking in first_stage.items()
                for doc_id in ranking.doc_ids[:depth]
            )
            reach.append(Reach(depth, found, ceiling))
    return FirstStage(
        name=evaluation.retriever.name,
        depth=evaluation.settings.first_stage_depth,
        candidates=Spread.of([len(ranking) for ranking in first_stage.values()]),
        means=means,
        reach=tuple(reach),
        unjudged=_count_unjudged(dataset, first_stage) if dataset.is_judged else None,
    )


def _count_unjudged(dataset: Dataset, first_stage: Run) -> Unjudged:
    counts = []
    for depth in (None, 10):
        tops = [(query_id, doc_id) for query_id, ranking in first_stage.items() for doc_id in ranking.doc_ids[:depth]]
        counts += [sum(doc_id not in dataset.qrels[query_id] for query_id, doc_id in tops), len(tops)]
    return Unjudged(*counts)


def _find_detectable(evaluation: Evaluation) -> tuple[Detectable, ...] | str:
    """Return the effects for a range of correlations, since the systems that will be compared are not known yet, or why there are none.

    Differences of two columns with the deviation s and the correlation r have the deviation s * sqrt(2 * (1 - r)).
    """
    measure = evaluation.measures[0]
    values = np.array(list(evaluation.score(evaluation.first_stage, [measure])[measure].values()))
    centred = values - values.mean()
    effect = minimum_detectable_effect(centred, num_comparisons=1)
    if len(values) < FEWEST_FOR_INTERVAL or effect is None:
        return f"fewer than {FEWEST_FOR_INTERVAL} queries show no difference, however large it is"
    if not has_difference(centred):
        return f"all {len(values)} queries have the same {measure}, so how far they spread is not known"
    scales = {correlation: math.sqrt(2 * (1 - correlation)) for correlation in CORRELATIONS}
    return tuple(
        Detectable(
            measure,
            correlation,
            deviation=scale * float(values.std(ddof=1)),
            effect=scale * effect,
        )
        for correlation, scale in scales.items()
    )


def _about_texts(documents: Texts, queries: Texts) -> list[str]:
    problems = []
    for what, texts in (("documents", documents), ("queries", queries)):
        if texts.repeated and texts.repeated_example:
            first, second = texts.repeated_example
            problems.append(
                f"data: {texts.repeated} {what} ({texts.repeated / texts.count:.1%}) repeat the text of another, e.g. {second} "
                f"that of {first}"
            )
    return problems


def _about_self_retrieval(found: SelfRetrieval, own_are_removed: bool) -> list[str]:
    shown = ", ".join(
        query_id if query_id == doc_id else f"{query_id} (document {doc_id})" for query_id, doc_id in found.examples
    )
    problems = []
    if found.own_document and not own_are_removed:
        problems.append(
            f"data: {found.own_document} queries are part of the document that has their id, and find it first; dataset.removes_query_document=true takes it out: {shown}"
        )
    if found.same_text:
        problems.append(f"data: {found.same_text} queries are the whole text of a document: {shown}")
    return problems
