"""Queries as vectors, encoded once for the search and for what is to be said of it."""

from collections.abc import Sequence
from typing import Any, Generic

import numpy as np

from rerank_eval.errors import NotEvaluableError
from rerank_eval.protocols import EncodedTexts, TextEncoder
from rerank_eval.search.vector_kinds import VectorKind, Vectors, check_encoded
from rerank_eval.types import Query


class QueryEncoder(Generic[Vectors]):
    """Encodes queries, and keeps what it made of those it encoded last.

    `encode` never answers from what is kept, since it is timed; `encoded` gives the same vectors, kept or not.
    """

    def __init__(self, encoder: TextEncoder[Vectors], kind: VectorKind[Vectors], name: str) -> None:
        """Take the encoder, the kind of vectors that are searched, and the name of the first stage."""
        self._encoder = encoder
        self._kind = kind
        self._name = name
        self._last: tuple[tuple[Query, ...], EncodedTexts[Vectors]] | None = None

    def encode(self, queries: Sequence[Query], width: int) -> EncodedTexts[Vectors]:
        """Return one vector of float32 per query; `width` is how many numbers a document's has.

        Raises:
            ConfigError: the encoder gives vectors of another kind, number or width.
            NotEvaluableError: a vector has a number that is not finite.
        """
        encoded = self._encoder.encode_queries([query.text for query in queries])
        check_encoded(encoded, self._kind, len(queries), self._encoder, self._name, width)
        vectors: Any = encoded.vectors
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and named below
            encoded = EncodedTexts(vectors.astype(np.float32, copy=False), encoded.truncated)
        for query, usable in zip(queries, self._kind.is_finite(encoded.vectors), strict=True):
            if not usable:
                raise NotEvaluableError(f"{self._name}: the vector of query {query.query_id!r} is not finite")
        self._last = tuple(queries), encoded
        return encoded

    def encoded(self, queries: Sequence[Query], width: int) -> EncodedTexts[Vectors]:
        """Return one vector per query, without encoding those again that were encoded last."""
        if self._last is not None and self._last[0] == tuple(queries):
            return self._last[1]
        return self.encode(queries, width)
