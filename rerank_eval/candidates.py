"""From a first-stage run to requests at a depth, and from scores back to a full ranking."""

import math
import sysconfig
import traceback
from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path

from rerank_eval.corpus import Corpus, replace_surrogates
from rerank_eval.errors import DataError, RerankerError, shortened
from rerank_eval.protocols import ReadsFirstStageScores, Reranker
from rerank_eval.types import Document, Query, Ranking, Request, Run, Scores, Usage


def check_candidates(first_stage: Run, corpus: Corpus) -> None:
    """Check that the corpus has every candidate.

    Raises:
        DataError: it lacks one.
    """
    for query_id, ranking in first_stage.items():
        for doc_id in ranking.doc_ids:
            if doc_id not in corpus:
                raise DataError(
                    f"the first stage returned document {doc_id!r} for query {query_id!r}, which the corpus lacks; "
                    "is the run from another dataset?"
                )


def make_request(query: Query, first_stage: Ranking, depth: int, corpus: Corpus) -> Request:
    """Return the request with the first `depth` candidates, or all there are."""
    top = first_stage[:depth]
    return Request(
        query, tuple(Document(doc.doc_id, corpus.text(doc.doc_id)) for doc in top), tuple(doc.score for doc in top)
    )


def shown_to(reranker: Reranker, request: Request) -> Request:
    """Return the request with the first stage's scores only if the reranker says that it reads them.

    So the kept answers of all others can be reused over any first stage that returns the same documents.
    """
    return request if reads_first_stage_scores(reranker) else request._replace(first_stage_scores=())


def reads_first_stage_scores(reranker: Reranker) -> bool:
    """Return whether the reranker says that the first stage's scores count for its own."""
    return isinstance(reranker, ReadsFirstStageScores) and reranker.reads_first_stage_scores


def check_scores(name: str, request: Request, scores: object) -> Scores:
    """Return the scores as plain floats.

    Raises:
        RerankerError: it is no `Scores`, the count is wrong or a value is not a finite number; names query and document.
    """
    query_id = request.query.query_id
    if not isinstance(scores, Scores):
        raise RerankerError(f"{name} returned {type(scores).__name__} for query {query_id} instead of Scores")
    if not isinstance(scores.usage, Usage):
        raise RerankerError(f"{name} returned a usage that is no Usage for query {query_id}")
    values = list_values(scores)
    if len(values) != len(request.documents):
        raise RerankerError(
            f"{name} returned {len(values)} scores for the {len(request.documents)} documents of query {query_id}"
        )
    if scores.truncated is not None and len(scores.truncated) != len(values):
        raise RerankerError(f"{name} returned {len(scores.truncated)} truncation marks for query {query_id}")
    floats = []
    for document, value in zip(request.documents, values, strict=True):
        floats.append(_finite(value))
        if floats[-1] is None:
            raise RerankerError(f"{name} returned {_shown(value)} for query {query_id}, document {document.doc_id}")
    truncated = None if scores.truncated is None else [bool(mark) for mark in scores.truncated]
    return replace(scores, values=[value for value in floats if value is not None], truncated=truncated)


def _shown(value: object) -> str:
    return "NaN" if isinstance(value, Real) and value != value else shortened(repr(value))


def list_values(scores: Scores) -> list[object]:
    """Return the values of an answer, computed and in order; those of arrays and tensors too.

    Raises:
        RerankerError: they are no sequence: a set or mapping has no order, and a generator would compute after the clock has stopped.
    """
    values = scores.values.tolist() if hasattr(scores.values, "tolist") else scores.values
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise RerankerError(f"Scores.values is a {type(values).__name__}; it must be a list, tuple or array of numbers")
    return list(values)


def explain_failure(name: str, request: Request, error: BaseException) -> str:
    """Return one message for whatever a reranker raised, with its name and the query's, and where in the user's own code it was raised."""
    text = f"{error}" if isinstance(error, RerankerError) else explain_exception(error)
    query_id = request.query.query_id
    if not (isinstance(error, RerankerError) and query_id in text):
        text = f"{name} failed on query {query_id}: {text}"
    return replace_surrogates(text[:2000])


def explain_exception(error: BaseException) -> str:
    """Return the kind and the words of an exception, and the innermost line of the user's own code that it passed."""
    text = f"{type(error).__name__}: {error}"
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    not_users = [Path(__file__).parent, *map(Path, installed)]
    passed = [(Path(frame.f_code.co_filename), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    for path, line in reversed(passed):
        if path.is_file() and not any(path.is_relative_to(folder) for folder in not_users):
            return f"{text} ({path.name}:{line})"
    return text


def _finite(value: object) -> float | None:
    """Return a number as float; None for strings, booleans, NaN and infinities."""
    if isinstance(value, str | bytes | bool) or value is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type] # numpy scalars and tensors convert, the rest raises
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def rerank(first_stage: Ranking, values: Sequence[float]) -> Ranking:
    """Return the first `len(values)` candidates ordered by their scores, above the rest in first-stage order."""
    doc_ids = first_stage.doc_ids
    head = Ranking(zip(doc_ids, values, strict=False))
    return Ranking.from_order(head.doc_ids + doc_ids[len(values) :])


def count_tied(values: Sequence[float]) -> int:
    """Return how many of the values are equal to another one."""
    counts: dict[float, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return sum(count for count in counts.values() if count > 1)
