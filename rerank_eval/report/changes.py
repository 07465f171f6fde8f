"""The failure browser's content: the queries that gained and lost most, with the documents before and after."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rerank_eval.report.model import QueryChange, RankedDocument
from rerank_eval.results.experiment import Top
from rerank_eval.results.reading import read_documents, read_queries, read_tops
from rerank_eval.results.recorded import Cell, JudgedQuery, RecordedResult

SHOWN_DOCUMENTS = 5
SHOWN_CHARACTERS = 400


class Choice(NamedTuple):
    """Whose queries are shown: a system at the depth that is recommended for it."""

    series: int
    system: str
    depth: int


def find_changes(
    result: RecordedResult, choices: Sequence[Choice], measure: str, num_queries: int
) -> list[QueryChange]:
    """Return per choice the `num_queries` that lost most and as many that gained most, the largest change first.

    Queries without a change are not among them. Texts are None for a result that keeps none.
    """
    selected = [(choice, query_id) for choice in choices for query_id in _select(result, choice, measure, num_queries)]
    queries, documents = read_queries(result), read_documents(result)
    first_stage = result.retriever["name"]
    wanted = {(choice.system, choice.depth, query_id) for choice, query_id in selected}
    tops = read_tops(result, wanted | {(first_stage, 0, query_id) for _, query_id in selected})
    changes = []
    for choice, query_id in selected:
        query = queries.get(query_id, JudgedQuery("", {}))
        before = tops.get((first_stage, 0, query_id))
        changes.append(
            QueryChange(
                query_id=query_id,
                text=query.text,
                series=choice.series,
                depth=choice.depth,
                measure=measure,
                before=result.scores[Cell(choice.system, 0, measure)][query_id],
                after=result.scores[Cell(choice.system, choice.depth, measure)][query_id],
                top_before=_describe_top(before, query, documents, is_first_stage=True),
                top_after=_describe_top(tops.get((choice.system, choice.depth, query_id)), query, documents),
            )
        )
    return changes


def _select(result: RecordedResult, choice: Choice, measure: str, num_queries: int) -> list[str]:
    before = result.scores[Cell(choice.system, 0, measure)]
    after = result.scores[Cell(choice.system, choice.depth, measure)]
    changed = sorted((value - before[query_id], query_id) for query_id, value in after.items() if query_id in before)
    lost = [query_id for difference, query_id in changed[:num_queries] if difference < 0]
    gained = [query_id for difference, query_id in changed[::-1][:num_queries] if difference > 0]
    return lost + gained


def _describe_top(
    top: Top | None, query: JudgedQuery, documents: Mapping[str, str], *, is_first_stage: bool = False
) -> list[RankedDocument]:
    if top is None:
        return []
    return [
        RankedDocument(
            doc_id=doc_id,
            grade=query.grades.get(doc_id),
            score=score,
            rank=rank,
            rank_before=None if is_first_stage else rank_before,
            text=_shorten(documents.get(doc_id)),
        )
        for rank, (doc_id, score, rank_before) in enumerate(top.documents[:SHOWN_DOCUMENTS], start=1)
    ]


def _shorten(text: str | None) -> str | None:
    return text if text is None or len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
