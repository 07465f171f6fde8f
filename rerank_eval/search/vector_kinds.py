"""The two kinds of vectors that texts are searched by: how each is told from the other, checked, and kept on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from rerank_eval.errors import ConfigError
from rerank_eval.protocols import EncodedTexts

Vectors = TypeVar("Vectors")
Vectors_contra = TypeVar("Vectors_contra", contravariant=True)
Flags = NDArray[np.bool_]


class VectorKind(Protocol[Vectors_contra]):
    """One kind of vectors, one row per text."""

    @property
    def cure(self) -> str:
        """What to do with an encoder whose vectors are of another kind."""
        ...

    def is_kind(self, vectors: object) -> bool:
        """Return whether these are of this kind."""
        ...

    def is_finite(self, vectors: Vectors_contra) -> Flags:
        """Return per row whether all its numbers are finite."""
        ...

    def to_arrays(self, vectors: Vectors_contra) -> tuple[Sequence[NDArray[Any]], Flags]:
        """Return the arrays that are kept of a block of documents, and per row whether its numbers are finite as kept."""
        ...

    def width(self, arrays: Sequence[NDArray[Any]]) -> int:
        """Return how many numbers a vector has, from the arrays that are kept."""
        ...

    def identity(self) -> Mapping[str, object]:
        """Return what the arrays depend on."""
        ...


@dataclass(frozen=True)
class DenseVectors:
    """Arrays of (texts, dimensions), kept as `dtype`."""

    dtype: str

    @property
    def cure(self) -> str:
        """What to do with an encoder whose vectors are of another kind."""
        return "dense takes NumPy arrays of float32, (texts, dimensions); for SciPy arrays use retriever=sparse"

    def is_kind(self, vectors: object) -> bool:
        """Return whether it is an array of floating point numbers and two dimensions."""
        return isinstance(vectors, np.ndarray) and _is_table_of_floats(vectors)

    def is_finite(self, vectors: NDArray[Any]) -> Flags:
        """Return per row whether all its numbers are finite."""
        finite: Flags = np.isfinite(vectors).all(axis=1)
        return finite

    def to_arrays(self, vectors: NDArray[Any]) -> tuple[Sequence[NDArray[Any]], Flags]:
        """Return the array as it is kept, and per row whether no number was too large for that."""
        with np.errstate(over="ignore"):
            kept = vectors.astype(self.dtype)
        return [kept], self.is_finite(kept)

    def width(self, arrays: Sequence[NDArray[Any]]) -> int:
        """Return the number of dimensions."""
        return int(arrays[0].shape[1])

    def identity(self) -> Mapping[str, object]:
        """Return kind and type of numbers."""
        return {"kind": "dense", "dtype": self.dtype}


@dataclass(frozen=True)
class SparseWeights:
    """SciPy arrays of (texts, terms), kept as compressed rows of (terms, texts), which is how they are searched."""

    @property
    def cure(self) -> str:
        """What to do with an encoder whose vectors are of another kind."""
        return "sparse takes SciPy CSR arrays of float32, (texts, terms); for NumPy arrays use retriever=dense"

    def is_kind(self, vectors: object) -> bool:
        """Return whether it is a SciPy array of floating point numbers in compressed rows."""
        return issparse(vectors) and getattr(vectors, "format", None) == "csr" and _is_table_of_floats(vectors)

    def is_finite(self, vectors: csr_array) -> Flags:
        """Return per row whether all weights are finite."""
        rows = np.repeat(np.arange(vectors.shape[0]), np.diff(vectors.indptr))
        finite: Flags = np.bincount(rows[~np.isfinite(vectors.data)], minlength=vectors.shape[0]) == 0
        return finite

    def to_arrays(self, vectors: csr_array) -> tuple[Sequence[NDArray[Any]], Flags]:
        """Return weights, texts and row ends, and per text whether its weights are finite."""
        by_term = vectors.T.tocsr()
        by_term.sort_indices()
        return [by_term.data, by_term.indices.astype(np.int32), by_term.indptr.astype(np.int32)], self.is_finite(
            vectors
        )

    def width(self, arrays: Sequence[NDArray[Any]]) -> int:
        """Return the number of terms."""
        return len(arrays[2]) - 1

    def identity(self) -> Mapping[str, object]:
        """Return the kind."""
        return {"kind": "sparse"}


def check_encoded(
    encoded: EncodedTexts[Vectors],
    kind: VectorKind[Vectors],
    num_texts: int,
    encoder: object,
    name: str,
    width: int | None = None,
) -> int:
    """Return how many numbers a vector has, having checked that there is one vector of the kind searched, and one mark, for each text.

    `name` is the first stage, `width` what other vectors of this encoder have.

    Raises:
        ConfigError: the encoder gave something else; the message names it, what it gave and what is needed.
    """
    who = f"{name}: the encoder {type(encoder).__name__}"
    if not isinstance(encoded, EncodedTexts):
        raise ConfigError(f"{who} gives {type(encoded).__name__}, not EncodedTexts(vectors, truncated)")
    vectors, truncated = encoded
    if not kind.is_kind(vectors):
        raise ConfigError(f"{who} gives {_describe(vectors)}, which this first stage cannot search; {kind.cure}")
    if not isinstance(truncated, np.ndarray) or truncated.dtype != np.bool_ or truncated.ndim != 1:
        raise ConfigError(
            f"{who} gives {_describe(truncated)} as marks of truncation; it needs a NumPy array of bool, one per text"
        )
    num_vectors, found = vectors.shape  # type: ignore[attr-defined]
    if (num_vectors, len(truncated)) != (num_texts, num_texts):
        raise ConfigError(
            f"{who} gave {num_vectors} vectors and {len(truncated)} marks of truncation for {num_texts} texts"
        )
    if width not in (None, found):
        raise ConfigError(
            f"{who} gives some texts vectors of {found} numbers and others of {width}; those of queries and documents all need one width"
        )
    return int(found)


def _is_table_of_floats(vectors: Any) -> bool:
    return bool(vectors.ndim == 2 and vectors.shape[1] > 0 and vectors.dtype.kind == "f")


def _describe(value: object) -> str:
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    return type(value).__name__ + (f" of {dtype} and shape {shape}" if dtype is not None else "")
