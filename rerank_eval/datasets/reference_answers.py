"""Reference answers as JSONL: a query_id and the texts that are right, one query a line."""

from pathlib import Path

from rerank_eval.corpus import replace_surrogates
from rerank_eval.datasets.gathering import QueryTexts
from rerank_eval.datasets.json_objects import parse_object
from rerank_eval.errors import DataError
from rerank_eval.files.text_files import LineReader, Place, check_id


def read_reference_answers(path: Path, reader: LineReader, queries: QueryTexts) -> dict[str, tuple[str, ...]]:
    """Return query_id -> the texts that are right, each of which has a word.

    Raises:
        DataError: a line is wrong, names no query, or has other answers for a query than one before (file:line).
    """
    answers: dict[str, tuple[str, ...]] = {}
    places: dict[str, Place] = {}
    for number, (query_id, texts) in reader.records(path, lambda line: _read(parse_object(line))):
        place = Place(path, number)
        if query_id not in queries.texts:
            raise DataError(f"these are answers to query_id {query_id!r}, which is not among the queries", *place)
        if answers.setdefault(query_id, texts) != texts:
            first = places[query_id].seen_from(place)
            raise DataError(
                f"query_id {query_id!r} comes twice with different answers (first {first}); put all into one line",
                *place,
            )
        reader.dropped_duplicates += query_id in places
        places.setdefault(query_id, place)
    return answers


def _read(fields: dict[str, object]) -> tuple[str, tuple[str, ...]]:
    texts = fields.get("answers")
    if not isinstance(texts, list) or not texts:
        raise ValueError("'answers' must be a list of at least one text")
    for text in texts:
        if not isinstance(text, str) or not any(letter.isalnum() for letter in text):
            raise ValueError("an answer must be a text with a letter or a digit")
    return check_id(fields.get("query_id"), "query_id"), tuple(map(replace_surrogates, texts))
