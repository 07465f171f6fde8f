"""Judgments gathered from records, with the rules that every source shares."""

import re
from typing import NamedTuple

from rerank_eval.errors import DataError
from rerank_eval.files.text_files import Place
from rerank_eval.types import Qrels


class _Judgment(NamedTuple):
    relevance: int | None
    place: Place


class QrelsGatherer:
    """The relevance by query_id and doc_id, in the order the pairs came; None for a pair that is listed and not judged."""

    def __init__(self) -> None:
        """Begin without a pair."""
        self._found: dict[str, dict[str, _Judgment]] = {}

    def add(self, place: Place, query_id: str, doc_id: str, relevance: int | None) -> bool:
        """Return whether the pair is new; one that came before must have the same relevance.

        Raises:
            DataError: it has another; names both places.
        """
        first = self._found.setdefault(query_id, {}).setdefault(doc_id, _Judgment(relevance, place))
        if first.relevance != relevance:
            raise DataError(
                f"query {query_id!r}, document {doc_id!r} is {_shown(relevance)} here and {_shown(first.relevance)} "
                f"{first.place.seen_from(place)}; keep one of the two",
                *place,
            )
        return first.place == place

    @property
    def doc_ids(self) -> dict[str, list[str]]:
        """The documents listed for each query, in the order they came."""
        return {query_id: list(judgments) for query_id, judgments in self._found.items()}

    @property
    def qrels(self) -> Qrels:
        """The pairs that are judged; a query of which none is judged is not there."""
        judged = {
            query_id: {doc_id: grade for doc_id, (grade, _) in judgments.items() if grade is not None}
            for query_id, judgments in self._found.items()
        }
        return {query_id: grades for query_id, grades in judged.items() if grades}


def check_relevance(value: object, name: str) -> int:
    """Return `value` as a grade: an integer, also one written as 1.0, "1" or "1.0", as tables have it.

    Raises:
        ValueError: it is none, or not between -9999 and 9999.
    """
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    found = re.fullmatch(r"(-?[0-9]{1,4})(?:\.0*)?", text)
    if found is None:
        raise ValueError(f"{name} must be an integer between -9999 and 9999")
    return int(found[1])


def _shown(relevance: int | None) -> str:
    return "not judged" if relevance is None else f"judged {relevance}"
