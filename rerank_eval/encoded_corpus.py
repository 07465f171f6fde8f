"""A corpus as vectors on disk, and rankings from positions in it."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_eval.best_candidates import Hits, Ints
from rerank_eval.blocks import Arrays, complete_blocks
from rerank_eval.corpus import Corpus
from rerank_eval.errors import DataError
from rerank_eval.protocols import Progress, TextEncoder
from rerank_eval.types import Query, Ranking, Run

BLOCK = 1024
"""Documents per block: what an interruption loses at most."""


def encode_corpus(
    corpus: Corpus,
    encoder: TextEncoder,
    to_arrays: Callable[[Any], tuple[Sequence[NDArray[Any]], NDArray[np.bool_]]],
    folder: Path,
    progress: Progress,
    name: str,
) -> list[Arrays]:
    """Return per block of documents the arrays that `to_arrays` makes of their vectors, and whether each document was cut.

    What lies in `folder` is not encoded again. `to_arrays` also tells of each document whether its vector can be used.

    Raises:
        DataError: the corpus is empty, or a vector has a number that is not finite.
        NotEvaluableError: the disk is full, or another process does not come to an end.
    """
    if not len(corpus):
        raise DataError("the corpus has no document")
    doc_ids = corpus.doc_ids
    starts = range(0, len(doc_ids), BLOCK)

    def compute(index: int) -> Sequence[NDArray[Any]]:
        chosen = doc_ids[starts[index] : starts[index] + BLOCK]
        encoded = encoder.encode_documents([corpus.text(doc_id) for doc_id in chosen])
        arrays, usable = to_arrays(encoded.vectors)
        if not usable.all():
            doc_id = chosen[int(np.argmin(usable))]
            raise DataError(
                f"{name}: the vector of document {doc_id!r} has a number that is not finite, or too large to store; "
                "look at the document's text, or choose a wider dtype"
            )
        return *arrays, encoded.truncated

    sizes = [min(BLOCK, len(doc_ids) - start) for start in starts]
    return complete_blocks(folder, sizes, compute, progress, f"{name}: encoding documents")


def rank_ids(doc_ids: Sequence[str]) -> Ints:
    """Return per position the place of its id in ascending order: with equal scores, the larger one is better."""
    ranks = np.empty(len(doc_ids), np.int64)
    ranks[sorted(range(len(doc_ids)), key=doc_ids.__getitem__)] = np.arange(len(doc_ids))
    return ranks


def make_run(queries: Sequence[Query], found: Iterable[Hits], doc_ids: Sequence[str]) -> Run:
    """Return the ranking of each query."""
    return {
        query.query_id: Ranking(
            (doc_ids[position], score)
            for position, score in zip(hits.positions.tolist(), hits.scores.tolist(), strict=True)
        )
        for query, hits in zip(queries, found, strict=True)
    }
