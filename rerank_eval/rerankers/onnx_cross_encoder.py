"""Any cross-encoder in an ONNX file, on the CPU, without torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rerank_eval.errors import DataError
from rerank_eval.integers import check_integer
from rerank_eval.models.onnx_models import OnnxEncoder, is_truncated
from rerank_eval.types import Request, Scores, Usage


class OnnxCrossEncoder:
    """Scores each (query, document) pair by the model's logit; of two logits, by the second less the first.

    Two logits are those of "not relevant" and "relevant": their difference orders like the probability that softmax makes of them,
    without saturating into ties. On a CPU without AVX-512 VNNI the products of an int8 model can saturate and scores differ slightly.
    """

    pointwise = True
    concurrency = 1  # the threads work inside one request, which is also what a user waits for

    def __init__(
        self,
        model: str | Path,
        name: str = "onnx_cross_encoder",
        max_length: int | None = None,
        batch_size: int = 1,
        threads: int | None = None,
    ) -> None:
        """Load the model; pairs of more than `max_length` tokens (None: the model's own limit) are cut and counted.

        `model` is an .onnx file, or a folder with model.onnx or onnx/model.onnx, and a tokenizer.json. A `batch_size` above 1 makes the
        scores of an int8 model depend on what else is in the batch.

        Raises:
            MissingExtraError: onnxruntime or tokenizers is not installed.
            ConfigError: there is no model or tokenizer at this place, or a parameter is out of range.
            DataError: a file cannot be loaded, or the model is no cross-encoder with one or two logits.
        """
        check_integer("batch_size", batch_size, 1)
        self.name = name
        self._batch_size = batch_size
        self._encoder = OnnxEncoder(Path(model).expanduser(), max_length, threads)
        self._check_output()
        self._identity = {
            **self._encoder.files.identity(),
            "max_length": self._encoder.max_length,
            "batch_size": batch_size,
            **self._encoder.environment(),
        }

    def score(self, request: Request) -> Scores:
        """Return one logit per document."""
        encodings = self._encoder.tokenize([(request.query.text, document.text) for document in request.documents])
        sizes = [len(encoding.ids) for encoding in encodings]
        by_size = sorted(range(len(encodings)), key=lambda index: -sizes[index])
        batches = [by_size[start : start + self._batch_size] for start in range(0, len(by_size), self._batch_size)]
        answers = self._encoder.map(
            lambda batch: self._logits([encodings[index] for index in batch]),
            batches,
            [sizes[batch[0]] for batch in batches],
        )
        values = dict(zip(by_size, (value for answer in answers for value in answer), strict=True))
        usage = Usage(calls=len(batches), input_tokens=sum(sizes))
        return Scores(
            [values[index] for index in range(len(encodings))],
            usage,
            [is_truncated(encoding) for encoding in encodings],
        )

    def _logits(self, encodings: list[Any]) -> list[float]:
        output = self._encoder.run_batch(encodings).reshape(len(encodings), -1)
        return [float(row[0] if len(row) == 1 else row[1] - row[0]) for row in output]

    def _check_output(self) -> None:
        """Run one pair, so that a model of another kind is refused before the first query."""
        (encoding,) = self._encoder.tokenize([("a", "b")])
        model = self._encoder.files.model
        try:
            shape = self._encoder.run_batch([encoding]).shape
        except Exception as error:  # each of onnxruntime's exceptions derives from Exception alone
            raise DataError(f"onnxruntime cannot run this model: {error}", model) from error
        if shape not in ((1,), (1, 1), (1, 2)):
            raise DataError(
                f"this is no cross-encoder: for one pair it returns numbers of shape {shape}, not one logit or two",
                model,
            )

    def identity(self) -> Mapping[str, object]:
        """Return the hashes of the files, the maximum length, the batch size and the library versions."""
        return self._identity
