"""Any bi-encoder that sentence-transformers can load, by model id or folder."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_eval.encoders.prompted_model import ModelSettings, PromptedModel
from rerank_eval.errors import ConfigError, nearest
from rerank_eval.protocols import EncodedTexts

_SIMILARITIES = ("cosine", "dot")


class SentenceTransformer:
    """Gives texts vectors by `SentenceTransformer.encode_query` and `encode_document`; for cosine they have length 1.

    Only safetensors weights are loaded, and code from a model repository only with `trust_remote_code`.
    """

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        similarity: str | None = None,
        device: str | None = None,
        dtype: str = "float32",
        max_length: int | None = None,
        batch_size: int = 32,
        local_files_only: bool = False,
        trust_remote_code: bool = False,
    ) -> None:
        """Load the model from the hub or, where `model` is a folder, from disk.

        A prompt is the name of one of the model's own, or the text itself; None is the one that the model has for queries or documents,
        if any. `similarity` is cosine or dot; None is the model's own.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            ConfigError: the model cannot be loaded, compares by something else, or a parameter is out of range.
        """
        if similarity not in (None, *_SIMILARITIES):
            raise ConfigError(f"similarity {similarity!r} is unknown: {nearest(str(similarity), _SIMILARITIES)}")
        settings = ModelSettings(
            model, revision, query_prompt, document_prompt, device, dtype, max_length, batch_size, local_files_only, trust_remote_code
        )  # fmt: skip
        self._loaded = PromptedModel("SentenceTransformer", settings)
        self._similarity = similarity or str(self._loaded.model.similarity_fn_name)
        if self._similarity not in _SIMILARITIES:
            raise ConfigError(
                f"the model {model!r} compares by {self._similarity}; this search knows {' and '.join(_SIMILARITIES)}"
            )

    def encode_documents(self, texts: Sequence[str]) -> EncodedTexts[NDArray[np.float32]]:
        """Return the vector of each document."""
        return self._encode(self._loaded.model.encode_document, texts, self._loaded.document_prompt)

    def encode_queries(self, texts: Sequence[str]) -> EncodedTexts[NDArray[np.float32]]:
        """Return the vector of each query."""
        return self._encode(self._loaded.model.encode_query, texts, self._loaded.query_prompt)

    def document_identity(self) -> Mapping[str, object]:
        """Return model, revision or file hash, prompt, similarity, device, dtype, lengths and library versions."""
        return {**self._loaded.document_identity, "similarity": self._similarity}

    def identity(self) -> Mapping[str, object]:
        """Return the same and the query's prompt."""
        return {**self.document_identity(), "query_prompt": self._loaded.query_prompt}

    def _encode(self, encode: Any, texts: Sequence[str], prompt: str) -> EncodedTexts[NDArray[np.float32]]:
        vectors = encode(
            list(texts),
            prompt=prompt,
            batch_size=self._loaded.batch_size,
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=self._similarity == "cosine",
        )
        return EncodedTexts(np.asarray(vectors, dtype=np.float32), self._loaded.truncated(prompt, texts))
