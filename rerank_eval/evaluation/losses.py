"""Where quality is lost: by the first stage, by the order, by cut texts, by missing judgments."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rerank_eval.candidates import rerank
from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.quality import Answers
from rerank_eval.measures import has_best_order, score_run
from rerank_eval.results.depth_results import Loss
from rerank_eval.types import Dataset, Ranking, Run

QueryValues = Mapping[str, Mapping[str, float]]
"""measure -> query_id -> value."""


@dataclass(frozen=True)
class Bounds:
    """What no reranker can pass: `perfect` over all judged documents, `reachable` over the candidates of each depth.

    Neither has a measure that the best order does not make the largest.
    """

    perfect: QueryValues
    reachable: Mapping[int, QueryValues]

    def ceiling(self) -> dict[int, dict[str, float]]:
        """Return per depth the mean of each measure if the candidates were ordered by their judgments, where that is a bound."""
        return {
            depth: {name: float(np.mean(list(values.values()))) for name, values in by_measure.items()}
            for depth, by_measure in self.reachable.items()
        }


def find_bounds(evaluation: Evaluation) -> Bounds:
    """Return the values of every query if its judged documents, or its candidates, were ordered by their judgments.

    Without judgments there is no bound.
    """
    dataset = evaluation.dataset
    measures = [name for name in evaluation.measures if dataset.is_judged and has_best_order(name)]
    if not measures:
        return Bounds({}, {})
    perfect = {
        query_id: Ranking((doc_id, float(grade)) for doc_id, grade in grades.items())
        for query_id, grades in dataset.qrels.items()
    }
    reachable = {}
    for depth in evaluation.settings.depths:
        run = {}
        for query_id, ranking in evaluation.first_stage.items():
            grades = dataset.qrels.get(query_id, {})
            run[query_id] = rerank(ranking, [float(grades.get(doc_id, 0)) for doc_id in ranking.doc_ids[:depth]])
        reachable[depth] = score_run(run, dataset.qrels, measures)
    return Bounds(score_run(perfect, dataset.qrels, measures), reachable)


def find_losses(
    bounds: Bounds, depth: int, values: QueryValues, without_unjudged: QueryValues, cut: Collection[str] | None
) -> Mapping[str, Loss]:
    """Return per measure what is lost at a depth, as means over the queries of `values`; empty where there is none.

    `without_unjudged` has the values of the same run without its unjudged documents (Sakai, Alternatives to Bpref, SIGIR 2007);
    `cut` the queries of which a relevant candidate was cut, None where unknown.
    """
    losses = {}
    for name, achieved in values.items():
        if not achieved or name not in bounds.perfect:
            continue
        perfect, reachable = bounds.perfect[name], bounds.reachable[depth][name]
        ordering = {query_id: reachable[query_id] - value for query_id, value in achieved.items()}
        losses[name] = Loss(
            first_stage=_mean([perfect[query_id] - reachable[query_id] for query_id in achieved]),
            ordering=_mean(list(ordering.values())),
            truncation=None
            if cut is None
            else _mean([max(loss, 0.0) if query_id in cut else 0.0 for query_id, loss in ordering.items()]),
            unjudged=_mean([without_unjudged[name][query_id] - value for query_id, value in achieved.items()]),
        )
    return losses


def drop_unjudged(run: Run, dataset: Dataset) -> Run:
    """Return the run without the documents that have no judgment for their query."""
    return {
        query_id: Ranking.from_order(
            [doc_id for doc_id in ranking.doc_ids if doc_id in dataset.qrels.get(query_id, {})]
        )
        for query_id, ranking in run.items()
    }


def queries_with_cut_relevant(answers: Answers, dataset: Dataset, first_stage: Run, depth: int) -> set[str] | None:
    """Return the queries of which the model did not see all of a relevant candidate; None where a reranker cannot know."""
    cut = set()
    for query in dataset.queries:
        scores = answers.at(depth, query.query_id)
        if scores is None or not scores.values:
            continue
        if scores.truncated is None:
            return None
        grades = dataset.qrels.get(query.query_id, {})
        candidates = first_stage[query.query_id].doc_ids
        if any(mark and grades.get(doc_id, 0) > 0 for doc_id, mark in zip(candidates, scores.truncated, strict=False)):
            cut.add(query.query_id)
    return cut


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
