"""A corpus as vectors on disk, and rankings from positions in it."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from rerank_eval.corpus import Corpus
from rerank_eval.errors import ConfigError, DataError
from rerank_eval.fingerprint import SCHEMA_VERSION, class_name, fingerprint
from rerank_eval.protocols import Progress, TextEncoder
from rerank_eval.search.best_candidates import Hits, Ints
from rerank_eval.search.blocks import Arrays, complete_blocks
from rerank_eval.search.vector_kinds import VectorKind, Vectors, check_encoded
from rerank_eval.types import Query, Ranking, Run

BLOCK = 1024
"""Documents per block: what an interruption loses at most."""

Index = TypeVar("Index")


class EncodedCorpus(NamedTuple):
    """The vectors of all documents, memory-mapped."""

    folder: Path
    """Where they lie; its name is the fingerprint of everything that can change them."""
    blocks: list[Arrays]
    """Of each block of documents: what the kind of vectors makes of it, and last whether the model did not see all of each document."""
    width: int
    """How many numbers a vector has."""

    @property
    def truncated(self) -> int:
        """The number of documents of which the model did not see all."""
        return sum(int(block[-1].sum()) for block in self.blocks)


class OfLastCorpus(Generic[Index]):
    """The index of the corpus that was asked for last."""

    def __init__(self, load: Callable[[Corpus, Progress], Index]) -> None:
        """Take what makes an index of a corpus."""
        self._load = load
        self._last: tuple[str, Index] | None = None

    def __call__(self, corpus: Corpus, progress: Progress) -> Index:
        """Return the index of this corpus."""
        if self._last is None or self._last[0] != corpus.sha256:
            self._last = corpus.sha256, self._load(corpus, progress)
        return self._last[1]


def encode_corpus(
    corpus: Corpus,
    encoder: TextEncoder[Vectors],
    kind: VectorKind[Vectors],
    index_dir: Path,
    progress: Progress,
    name: str,
) -> EncodedCorpus:
    """Return the vectors of a corpus; those that lie in their folder below `index_dir` are not made again.

    Raises:
        DataError: the corpus is empty, or a vector has a number that is not finite.
        ConfigError: the encoder gives vectors of another kind, number or width.
        NotEvaluableError: the disk is full, or another process does not come to an end.
    """
    if not len(corpus):
        raise DataError("the corpus has no document")
    doc_ids = corpus.doc_ids
    starts = range(0, len(doc_ids), BLOCK)
    width: int | None = None

    def compute(index: int) -> Sequence[NDArray[Any]]:
        nonlocal width
        chosen = doc_ids[starts[index] : starts[index] + BLOCK]
        encoded = encoder.encode_documents([corpus.text(doc_id) for doc_id in chosen])
        width = check_encoded(encoded, kind, len(chosen), encoder, name, width)
        arrays, usable = kind.to_arrays(encoded.vectors)
        if not usable.all():
            doc_id = chosen[int(np.argmin(usable))]
            raise DataError(
                f"{name}: the vector of document {doc_id!r} has a number that is not finite, or too large to store; "
                "look at the document's text, or choose a wider dtype"
            )
        return *arrays, encoded.truncated

    folder = index_dir / fingerprint(
        {
            "schema": SCHEMA_VERSION,
            "block": BLOCK,
            "encoder_class": class_name(encoder),
            "encoder": dict(encoder.document_identity()),
            "vectors": dict(kind.identity()),
            "corpus": corpus.sha256,
        }
    )
    sizes = [min(BLOCK, len(doc_ids) - start) for start in starts]
    blocks = complete_blocks(folder, sizes, compute, progress, f"{name}: encoding documents")
    widths = {kind.width(block) for block in blocks}
    if len(widths) > 1:
        raise ConfigError(
            f"{name}: the vectors in {folder} have {' and '.join(map(str, sorted(widths)))} numbers: the encoder "
            f"{type(encoder).__name__} has changed and its document_identity() has not; let it, or remove the folder"
        )
    return EncodedCorpus(folder, blocks, widths.pop())


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
