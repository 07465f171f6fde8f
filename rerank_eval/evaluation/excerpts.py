"""What the result folder keeps for reading query by query: texts, grades, and the top of each ranking with its scores."""

from collections.abc import Iterator, Mapping

from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.quality import Answers
from rerank_eval.results.experiment import Excerpts, Top
from rerank_eval.types import Ranking, Run

TOP = 10
EXCERPT_CHARACTERS = 1000


def collect_excerpts(
    evaluation: Evaluation, answers: Mapping[str, Answers], runs: Mapping[tuple[str, int], Run]
) -> Excerpts:
    """Return the excerpts of the first stage and of every system at every depth above 0."""
    dataset, first_stage = evaluation.dataset, evaluation.first_stage
    tops = [
        Top(query_id, evaluation.retriever.name, 0, _first_stage_top(ranking))
        for query_id, ranking in first_stage.items()
    ]
    for (system, depth), run in runs.items():
        if depth:
            tops += _tops(system, depth, run, first_stage, answers[system])
    shown: dict[str, set[str]] = {}
    for top in tops:
        shown.setdefault(top.query_id, set()).update(doc_id for doc_id, _, _ in top.documents)
    return Excerpts(
        queries={query.query_id: query.text for query in dataset.queries},
        grades={
            query.query_id: {
                doc_id: grade
                for doc_id, grade in sorted(dataset.qrels.get(query.query_id, {}).items())
                if doc_id in shown.get(query.query_id, ())
            }
            for query in dataset.queries
        },
        documents={
            doc_id: dataset.corpus.text(doc_id)[:EXCERPT_CHARACTERS] for doc_id in sorted(set().union(*shown.values()))
        },
        tops=tops,
    )


def _first_stage_top(ranking: Ranking) -> list[tuple[str, float | None, int]]:
    return [(doc.doc_id, doc.score, rank) for rank, doc in enumerate(ranking[:TOP], start=1)]


def _tops(system: str, depth: int, run: Run, first_stage: Run, answers: Answers) -> Iterator[Top]:
    for query_id, ranking in run.items():
        candidates = first_stage[query_id].doc_ids
        scores = answers.at(depth, query_id)
        values = dict(zip(candidates, scores.values if scores else (), strict=False))
        ranks = {doc_id: rank for rank, doc_id in enumerate(candidates, start=1)}
        top = [(doc_id, values.get(doc_id), ranks[doc_id]) for doc_id in ranking.doc_ids[:TOP]]
        yield Top(query_id, system, depth, top)
