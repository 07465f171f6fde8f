"""Any cross-encoder that sentence-transformers can load, by model id or folder."""

from collections.abc import Mapping, Sequence
from typing import Any

from rerank_eval.errors import ConfigError
from rerank_eval.integers import check_integer
from rerank_eval.models.torch_models import find_model, import_torch, loading, torch_dtype, torch_environment
from rerank_eval.types import Request, Scores, Usage


class CrossEncoder:
    """Scores pairs by `sentence_transformers.CrossEncoder.predict`; the score is the raw logit of the one label.

    The default activation of sentence-transformers for one label is a sigmoid, which saturates into ties, so it is replaced by the identity.
    Only safetensors weights are loaded, and code from a model repository only with `trust_remote_code`.
    """

    pointwise = True
    concurrency = 1

    def __init__(
        self,
        model: str,
        name: str = "cross_encoder",
        revision: str | None = None,
        device: str | None = None,
        dtype: str = "float32",
        max_length: int | None = None,
        batch_size: int = 32,
        local_files_only: bool = False,
        trust_remote_code: bool = False,
    ) -> None:
        """Load the model from the hub or, where `model` is a folder, from disk.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            ConfigError: the model cannot be loaded, is no cross-encoder, has more than one label, or a parameter is out of range.
        """
        check_integer("batch_size", batch_size, 1)
        check_integer("max_length", max_length, 4, may_be_none=True)
        self.name = name
        self._batch_size = batch_size
        self._torch, sentence_transformers = import_torch("sentence_transformers")
        number_type = torch_dtype(self._torch, dtype)
        files = find_model(model, revision, local_files_only, trust_remote_code)
        with loading(model):
            self._model = sentence_transformers.CrossEncoder(
                str(files.folder),
                device=device,
                max_length=max_length,
                local_files_only=local_files_only,
                trust_remote_code=trust_remote_code,
                model_kwargs={"dtype": number_type, "use_safetensors": True},
            )
        if self._model.num_labels != 1:
            raise ConfigError(f"the model {model!r} has {self._model.num_labels} labels; a reranker has one")
        _check_head(model, self._model)
        self._identity = {
            **files.identity(),
            "max_length": self._model.max_seq_length,
            "batch_size": batch_size,
            **torch_environment(self._model.device, dtype),
        }

    def score(self, request: Request) -> Scores:
        """Return one logit per document; tokens are not counted here, since that would be timed as latency."""
        return Scores(
            self._predict([(request.query.text, document.text) for document in request.documents]), Usage(calls=1)
        )

    def score_many(self, requests: Sequence[Request]) -> Sequence[Scores]:
        """Return the scores of all requests, batched together; rounding can differ from `score` in the last digits."""
        pairs = [(r.query.text, document.text) for r in requests for document in r.documents]
        logits = self._predict(pairs)
        limit = self._model.max_seq_length
        lengths = self._count_tokens(pairs)
        answers, start = [], 0
        for request in requests:
            end = start + len(request.documents)
            truncated = None if limit is None else [length > limit for length in lengths[start:end]]
            tokens = sum(length if limit is None else min(length, limit) for length in lengths[start:end])
            answers.append(Scores(logits[start:end], Usage(calls=1, input_tokens=tokens), truncated))
            start = end
        return answers

    def _predict(self, pairs: list[tuple[str, str]]) -> list[float]:
        if not pairs:
            return []
        logits = self._model.predict(
            pairs,
            batch_size=self._batch_size,
            show_progress_bar=False,
            activation_fn=self._torch.nn.Identity(),
            convert_to_numpy=False,
            convert_to_tensor=True,
        )
        return [float(logit) for logit in logits.reshape(-1).float().cpu()]

    def _count_tokens(self, pairs: list[tuple[str, str]]) -> list[int]:
        """Return the tokens of each pair, not cut."""
        if not pairs:
            return []
        encoded = self._model.tokenizer(
            [query for query, _ in pairs], [text for _, text in pairs], truncation=False, padding=False, verbose=False
        )
        return [len(ids) for ids in encoded["input_ids"]]

    def identity(self) -> Mapping[str, object]:
        """Return model, revision or file hash, device, dtype, lengths and library versions."""
        return self._identity


def _check_head(name: str, model: Any) -> None:
    """Refuse an encoder without a trained head: sentence-transformers would add a random one and score with it."""
    loaded = model.transformers_model
    saved_as = getattr(model.config, "architectures", None) or []
    kind = "ForSequenceClassification"
    if type(loaded).__name__.endswith(kind) and saved_as and not any(saved.endswith(kind) for saved in saved_as):
        raise ConfigError(
            f"the model {name!r} is no cross-encoder: it was saved as {saved_as[0]}, without a head that scores a pair"
        )
