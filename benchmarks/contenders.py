"""Two other ways to score a request with the weights of the bundled cross-encoder, without the harness."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime
import tokenizers

from rerank_eval.models.onnx_models import bundled_model
from rerank_eval.types import Request

Contender = Callable[[Request], list[float]]


def padded_batch() -> Contender:
    """Return what FlashRank does: all pairs of a query padded to the longest, one call, onnxruntime's own defaults."""
    tokenizer = _load_tokenizer()
    tokenizer.enable_padding()
    run = _load_model(onnxruntime.SessionOptions())
    return lambda request: run(tokenizer.encode_batch(_pairs(request)))


def bare_loop(threads: int) -> Contender:
    """Return the least code for one pair per call on a single-threaded session that `threads` workers share."""
    tokenizer = _load_tokenizer()
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    run = _load_model(options)
    pool = ThreadPoolExecutor(threads)
    return lambda request: list(pool.map(lambda encoding: run([encoding])[0], tokenizer.encode_batch(_pairs(request))))


def _pairs(request: Request) -> list[tuple[str, str]]:
    return [(request.query.text, document.text) for document in request.documents]


def _load_tokenizer() -> Any:
    tokenizer = tokenizers.Tokenizer.from_file(str(bundled_model("reranker_en") / "tokenizer.json"))
    tokenizer.enable_truncation(512)
    return tokenizer


def _load_model(options: Any) -> Callable[[list[Any]], list[float]]:
    session = onnxruntime.InferenceSession(
        str(bundled_model("reranker_en") / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )

    def run(encodings: list[Any]) -> list[float]:
        feed = {
            "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64),
            "token_type_ids": np.array([encoding.type_ids for encoding in encodings], dtype=np.int64),
        }
        return [float(row[0]) for row in session.run(None, feed)[0]]

    return run
