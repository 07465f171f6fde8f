"""What one pass over the texts of a dataset finds: lengths, repetitions, and queries that are documents themselves."""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_eval.corpus import Corpus
from rerank_eval.errors import MissingExtraError
from rerank_eval.models.onnx_models import bundled_model, is_truncated
from rerank_eval.protocols import Progress
from rerank_eval.types import Query

TOKEN_LIMIT = 512
"""What most cross-encoders read, of query and document together."""

_SPECIAL_TOKENS = 2
_STEP = 1000


@dataclass(frozen=True)
class Spread:
    """Where numbers lie; median and p95 are numbers that occur."""

    minimum: int
    median: int
    p95: int
    maximum: int

    @classmethod
    def of(cls, numbers: Sequence[int] | NDArray[np.uint32]) -> "Spread | None":
        """Return the spread, None of no number."""
        if not len(numbers):
            return None
        found = np.percentile(np.asarray(numbers), [0, 50, 95, 100], method="inverted_cdf")
        return cls(*map(int, found))


@dataclass(frozen=True)
class Texts:
    """The documents, or the queries; `over_limit` is None where the tokenizer that would say is not installed."""

    count: int
    blank: int
    words: Spread | None
    over_limit: int | None
    repeated: int
    """Texts that an earlier one equals, byte for byte; blank ones are not among them."""
    repeated_example: tuple[str, str] | None
    """The ids of two with one text."""


@dataclass(frozen=True)
class SelfRetrieval:
    """Queries that a first stage finds as documents, which no reranker is judged on fairly."""

    same_id: int
    """Queries whose id is a document's, which alone may be chance: both may be counted from 1."""
    own_document: int
    """Those of them whose text is part of that document."""
    same_text: int
    """Queries whose text is the whole of a document with another id."""
    examples: tuple[tuple[str, str], ...]
    """Some query_ids, each with the doc_id."""


def read_documents(corpus: Corpus, progress: Progress) -> tuple[Texts, NDArray[np.uint64]]:
    """Return what the documents are, and the hash of each text; 20 bytes of memory per document."""
    progress.start("reading the documents", len(corpus))
    return _read(corpus.doc_ids, corpus.texts(), progress.advance)


def read_queries(queries: Sequence[Query]) -> Texts:
    """Return what the queries are."""
    return _read([query.query_id for query in queries], (query.text for query in queries), lambda _: None)[0]


def _read(ids: Sequence[str], texts: Iterable[str], advance: Callable[[int], None]) -> tuple[Texts, NDArray[np.uint64]]:
    words, hashes = array("I"), array("Q")
    tokenizer = _Tokenizer()
    over_limit: int | None = 0
    number = 0
    for number, text in enumerate(texts, start=1):
        encoded = text.encode()
        words.append(len(text.split()))
        hashes.append(_hash(encoded))
        # a token takes at least one byte, so the short need no tokenizer
        if over_limit is not None and len(encoded) + _SPECIAL_TOKENS > TOKEN_LIMIT:
            is_over = tokenizer.is_over_limit(text)
            over_limit = None if is_over is None else over_limit + is_over
        if number % _STEP == 0:
            advance(_STEP)
    advance(number % _STEP)
    num_words, all_hashes = np.asarray(words, dtype=np.uint32), np.asarray(hashes, dtype=np.uint64)
    positions = np.flatnonzero(num_words)
    order = positions[np.argsort(all_hashes[positions], kind="stable")]
    same = np.flatnonzero(all_hashes[order[1:]] == all_hashes[order[:-1]])
    return Texts(
        count=len(words),
        blank=len(words) - len(positions),
        words=Spread.of(num_words),
        over_limit=over_limit,
        repeated=len(same),
        repeated_example=(ids[order[same[0]]], ids[order[same[0] + 1]]) if len(same) else None,
    ), all_hashes


def _hash(encoded: bytes) -> int:
    """Return 64 bits: two different ones among ten million texts are equal with a probability of 3 in a million."""
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest())


class _Tokenizer:
    """The bundled WordPiece tokenizer, loaded when the first text needs it."""

    def is_over_limit(self, text: str) -> bool | None:
        """Return whether a text has more than `TOKEN_LIMIT` tokens; None where the tokenizer is not installed."""
        return None if self._loaded is None else is_truncated(self._loaded.encode(text))

    @cached_property
    def _loaded(self) -> Any | None:
        try:
            from tokenizers import Tokenizer

            tokenizer = Tokenizer.from_file(str(bundled_model("reranker_en") / "tokenizer.json"))
        except (ImportError, MissingExtraError):
            return None
        tokenizer.no_padding()
        tokenizer.enable_truncation(TOKEN_LIMIT)
        return tokenizer


def find_self_retrieval(queries: Sequence[Query], corpus: Corpus, hashes: NDArray[np.uint64]) -> SelfRetrieval:
    """Return which queries are documents; `hashes` has one per document, as `read_documents` returns it."""
    order = np.argsort(hashes, kind="stable")
    ordered, doc_ids = hashes[order], corpus.doc_ids
    same_id = 0
    own, same_text = [], []
    for query_id, text in queries:
        if query_id in corpus:
            same_id += 1
            if text.strip() and text in corpus.text(query_id):
                own.append((query_id, query_id))
                continue
        hashed = np.uint64(_hash(text.encode()))
        first = int(np.searchsorted(ordered, hashed))
        if first < len(ordered) and ordered[first] == hashed and text.strip():
            same_text.append((query_id, doc_ids[order[first]]))
    return SelfRetrieval(same_id, len(own), len(same_text), tuple(own[:3] + same_text[:3]))
