"""An encoder for tests: vectors from a hash of the text, and the faults that a test asks for."""

import hashlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rerank_eval.protocols import EncodedTexts


class HashedEncoder:
    """Gives 8 numbers, multiples of 1/8 that float16 holds; texts of more than 40 characters count as cut."""

    def __init__(
        self, prompt: str = "", revision: str = "r1", kill_at: int | None = None, sparse: bool = False
    ) -> None:
        self.prompt = prompt
        self.revision = revision
        self.kill_at = kill_at
        self.sparse = sparse
        self.calls = 0

    def encode_documents(self, texts: Sequence[str]) -> EncodedTexts[Any]:
        self.calls += 1
        if self.calls == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> EncodedTexts[Any]:
        return self._encode([self.prompt + text for text in texts])

    def document_identity(self) -> Mapping[str, object]:
        return {"revision": self.revision}

    def identity(self) -> Mapping[str, object]:
        return {"revision": self.revision, "prompt": self.prompt}

    def _encode(self, texts: Sequence[str]) -> EncodedTexts[Any]:
        vectors = np.array([self.vector(text) for text in texts], np.float32).reshape(len(texts), 8)
        cut = np.array([len(text) > 40 for text in texts], np.bool_)
        return EncodedTexts(csr_array(vectors.clip(0)) if self.sparse else vectors, cut)

    def vector(self, text: str) -> NDArray[np.float32]:
        return np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], np.int8).astype(np.float32) / np.float32(8)
