"""What rerank APIs have in common: documents in calls of a bounded number, and answers as a list of index and score."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from rerank_eval.calls.types import Answer, Body, Calls, Endpoint
from rerank_eval.errors import RerankerError, shortened
from rerank_eval.types import Scores, Usage

_PIECES = re.compile(r"[A-Za-z]{1,9}|[0-9]{1,3}|[!-/:-@\[-`{-~]")
_TOKENS_BEYOND_ASCII = 0.7
ESTIMATE_ACCURACY = "within 10% for English, by a factor of about two wrong in other scripts"
"""How near `estimate_tokens` comes to a tokenizer; measured by benchmarks/token_estimate.py."""
DOCUMENTS_PER_SEARCH = 100
"""A search, as a unit of prices, is a query with up to so many documents: cohere.com/pricing, as a third party quotes it
(https://www.developersdigest.tech/models/rerankers/cohere, read on 2026-11-23)."""

MakeBody = Callable[[Sequence[str]], Body]


def ask_for_scores(
    calls: Calls,
    endpoint: Endpoint,
    documents: Sequence[str],
    documents_per_call: int,
    make_body: MakeBody,
    read_scores: Callable[[int, Any], list[float]],
) -> Scores:
    """Return the scores of all documents, of one call or of several put together; `Usage.calls` counts them.

    Raises:
        RerankerError: an answer is none, or cannot be used.
    """
    values: list[float] = []
    answers: list[Answer] = []
    for start in range(0, len(documents), documents_per_call):
        part = documents[start : start + documents_per_call]
        read = partial(read_scores, len(part))
        answer = calls.ask(endpoint, make_body(part), read)
        answers.append(answer)
        values += read(answer.body)
    return Scores(values, add_usages([answer.usage for answer in answers]), calls=[answer.timing for answer in answers])


def add_usages(usages: Sequence[Usage]) -> Usage:
    """Return the sum; a count that one usage does not know is not known of the sum."""

    def total(name: str) -> int | None:
        counts = [getattr(usage, name) for usage in usages]
        return None if None in counts else sum(counts)

    return Usage(**{name: total(name) for name in vars(Usage())} | {"calls": len(usages)})  # type: ignore[arg-type]


def read_rows(provider: str, rows: object, num_documents: int, index_field: str, score_field: str) -> list[float]:
    """Return one score per document in the order sent, from rows in any order.

    Raises:
        RerankerError: it is no list of such rows, an index comes twice, is missing or out of range, or a score is no finite number.
    """
    if not isinstance(rows, list):
        raise RerankerError(f"{provider} returned {type(rows).__name__} where the list of results should be")
    scores: dict[int, float] = {}
    for row in rows:
        if not isinstance(row, Mapping):
            raise RerankerError(f"{provider} returned a result that is no object: {shortened(repr(row))}")
        index, score = row.get(index_field), _read_number(row.get(score_field))
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < num_documents:
            raise RerankerError(f"{provider} returned the index {shortened(repr(index))} for {num_documents} documents")
        if index in scores:
            raise RerankerError(f"{provider} returned document {index} twice")
        if score is None:
            raise RerankerError(
                f"{provider} returned the score {shortened(repr(row.get(score_field)))} for document {index}"
            )
        scores[index] = score
    if len(scores) != num_documents:
        missing = next(index for index in range(num_documents) if index not in scores)
        raise RerankerError(
            f"{provider} returned {len(scores)} of {num_documents} documents; document {missing} is missing"
        )
    return [scores[index] for index in range(num_documents)]


def find(decoded: object, path: str) -> object:
    """Return what is at a path of field names with dots between them; the whole for an empty one, None where there is nothing."""
    found = decoded
    for name in path.split(".") if path else ():
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def find_count(decoded: object, path: str | None) -> int | None:
    """Return the count at a path, rounded up; None where there is no number."""
    number = None if path is None else _read_number(find(decoded, path))
    return None if number is None or number < 0 else math.ceil(number)


def _read_number(value: object) -> float | None:
    """Return a finite number; None for anything else, such as a boolean, or an integer that no float can be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has; `ESTIMATE_ACCURACY` says how nearly.

    Nine letters of a word, three digits and a sign of punctuation are a token each, and ten characters beyond ASCII are seven: a
    middle between tokenizers, which differ most there.
    """
    tokens = float(len(_PIECES.findall(text)))
    if not text.isascii():
        tokens += _TOKENS_BEYOND_ASCII * (len(text) - len(text.encode("ascii", "ignore")))
    return math.ceil(tokens)
