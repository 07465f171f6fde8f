"""What rerank APIs have in common: documents in calls of a bounded number, and answers as a list of index and score."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from rerank_eval.calls.json_paths import read_number
from rerank_eval.calls.types import Answer, Body, Calls, Endpoint
from rerank_eval.errors import RerankerError, shortened
from rerank_eval.types import Scores, Usage

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
    return Scores(values, Usage.total(answer.usage for answer in answers), calls=[answer.timing for answer in answers])


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
        index, score = row.get(index_field), read_number(row.get(score_field))
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
