"""The failure browser's entries in the words of the HTML report."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rerank_eval.report.formats import UNKNOWN, format_difference, format_score
from rerank_eval.report.model import DatasetReport, QueryChange, RankedDocument


class DocumentView(NamedTuple):
    """A document of a ranking: where it stands, where it came from or went, what it is worth, what it says."""

    rank: int
    movement: str
    direction: str
    grade: str
    score: str
    doc_id: str
    text: str | None


class ChangeView(NamedTuple):
    """A query that gained or lost much, `direction` being "gained" or "lost"."""

    series: int
    system: str
    depth: int
    direction: str
    difference: str
    values: str
    query_id: str
    text: str
    before: Sequence[DocumentView]
    after: Sequence[DocumentView]


def make_changes(dataset: DatasetReport, labels: Mapping[str, str], most: int) -> list[ChangeView]:
    """Return at most `most` entries, those of the largest change first."""
    largest = sorted(
        range(len(dataset.changes)),
        key=lambda number: -abs(dataset.changes[number].after - dataset.changes[number].before),
    )
    return [_make_change(dataset.changes[number], dataset, labels) for number in largest[:most]]


def _make_change(change: QueryChange, dataset: DatasetReport, labels: Mapping[str, str]) -> ChangeView:
    ranks_after = {document.doc_id: document.rank for document in change.top_after}
    return ChangeView(
        series=change.series,
        system=labels[dataset.series[change.series].label],
        depth=change.depth,
        direction="gained" if change.after >= change.before else "lost",
        difference=format_difference(change.after - change.before),
        values=f"{change.measure} {format_score(change.before)} → {format_score(change.after)}",
        query_id=change.query_id,
        text=change.text,
        before=[
            _make_document(document, *_describe_fate(document, ranks_after.get(document.doc_id), len(ranks_after)))
            for document in change.top_before
        ],
        after=[_make_document(document, *_describe_origin(document)) for document in change.top_after],
    )


def _make_document(document: RankedDocument, movement: str, direction: str) -> DocumentView:
    return DocumentView(
        rank=document.rank,
        movement=movement,
        direction=direction,
        grade="unjudged" if document.grade is None else f"grade {document.grade}",
        score=f"score {UNKNOWN if document.score is None else f'{document.score:.4g}'}",
        doc_id=document.doc_id,
        text=document.text,
    )


def _describe_origin(document: RankedDocument) -> tuple[str, str]:
    if document.rank_before is None:
        return "rank before unknown", "same"
    moved = document.rank_before - document.rank
    if moved == 0:
        return "same rank as before", "same"
    return (
        f"{'up' if moved > 0 else 'down'} {abs(moved)} from rank {document.rank_before}",
        "up" if moved > 0 else "down",
    )


def _describe_fate(document: RankedDocument, rank_after: int | None, num_after: int) -> tuple[str, str]:
    if num_after == 0:
        return "rank after unknown", "same"
    if rank_after is None:
        return f"below rank {num_after} after", "down"
    if rank_after == document.rank:
        return "same rank after", "same"
    return f"rank {rank_after} after", "up" if rank_after < document.rank else "down"
