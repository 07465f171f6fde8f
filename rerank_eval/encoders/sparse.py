"""Any sparse encoder (SPLADE and its kind) that sentence-transformers can load, by model id or folder."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from rerank_eval.encoders.prompted_model import ModelSettings, PromptedModel
from rerank_eval.integers import check_integer
from rerank_eval.protocols import EncodedTexts


class SparseEncoder:
    """Gives texts weights over a vocabulary, most of them 0, by `SparseEncoder.encode_query` and `encode_document`.

    The score is the inner product. Only safetensors weights are loaded, and code from a model repository only with `trust_remote_code`.
    """

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        max_active_dims: int | None = None,
        device: str | None = None,
        dtype: str = "float32",
        max_length: int | None = None,
        batch_size: int = 32,
        local_files_only: bool = False,
        trust_remote_code: bool = False,
    ) -> None:
        """Load the model from the hub or, where `model` is a folder, from disk.

        A prompt is the name of one of the model's own, or the text itself; None is the one that the model has for queries or documents,
        if any. `max_active_dims` keeps only so many of a text's largest weights; None is the model's own number.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            ConfigError: the model cannot be loaded, or a parameter is out of range.
        """
        check_integer("max_active_dims", max_active_dims, 1, may_be_none=True)
        settings = ModelSettings(
            model, revision, query_prompt, document_prompt, device, dtype, max_length, batch_size, local_files_only, trust_remote_code
        )  # fmt: skip
        self._loaded = PromptedModel("SparseEncoder", settings)
        self._max_active_dims = max_active_dims or self._loaded.model.max_active_dims

    def encode_documents(self, texts: Sequence[str]) -> EncodedTexts[csr_array]:
        """Return the weights of each document."""
        return self._encode(self._loaded.model.encode_document, texts, self._loaded.document_prompt)

    def encode_queries(self, texts: Sequence[str]) -> EncodedTexts[csr_array]:
        """Return the weights of each query."""
        return self._encode(self._loaded.model.encode_query, texts, self._loaded.query_prompt)

    def document_identity(self) -> Mapping[str, object]:
        """Return model, revision or file hash, prompt, device, dtype, lengths and library versions."""
        return {**self._loaded.document_identity, "max_active_dims": self._max_active_dims}

    def identity(self) -> Mapping[str, object]:
        """Return the same and the query's prompt."""
        return {**self.document_identity(), "query_prompt": self._loaded.query_prompt}

    def _encode(self, encode: Any, texts: Sequence[str], prompt: str) -> EncodedTexts[csr_array]:
        found = encode(
            list(texts),
            prompt=prompt,
            batch_size=self._loaded.batch_size,
            show_progress_bar=False,
            save_to_cpu=True,
            max_active_dims=self._max_active_dims,
        ).coalesce()
        weights = csr_array(
            (found.values().float().numpy().astype(np.float32), tuple(found.indices().numpy())),
            shape=tuple(found.shape),
        )
        return EncodedTexts(weights, self._loaded.truncated(prompt, texts))
