"""Late interaction: any ColBERT-like model that sentence-transformers can load, by model id or folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rerank_eval.errors import ConfigError
from rerank_eval.integers import check_integer
from rerank_eval.models.torch_models import (
    check_length,
    find_model,
    import_torch,
    loading,
    torch_dtype,
    torch_environment,
)
from rerank_eval.types import Request, Scores, Usage


class ColBERT:
    """Scores by MaxSim: for each token of the query the best dot product with a token of the document, summed.

    From Khattab and Zaharia 2020 (arXiv:2004.12832). Prefixes, expansion of the query by [MASK] and the document tokens that are left out
    are the model's own, as `sentence_transformers.MultiVectorEncoder` reads them from PyLate, Stanford and its own checkpoints.
    Every text is embedded when it is asked for: the latency is that of a service without stored vectors.
    Only safetensors weights are loaded, and code from a model repository only with `trust_remote_code`.
    """

    pointwise = True
    concurrency = 1

    def __init__(
        self,
        model: str,
        name: str = "colbert",
        revision: str | None = None,
        device: str | None = None,
        dtype: str = "float32",
        query_length: int | None = None,
        document_length: int | None = None,
        batch_size: int = 32,
        local_files_only: bool = False,
        trust_remote_code: bool = False,
    ) -> None:
        """Load the model from the hub or, where `model` is a folder, from disk; lengths are in tokens, None means the model's own.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            ConfigError: the model cannot be loaded, has no trained projection, or a parameter is out of range.
        """
        check_integer("batch_size", batch_size, 1)
        self.name = name
        self._batch_size = batch_size
        torch, sentence_transformers = import_torch("sentence_transformers")
        number_type = torch_dtype(torch, dtype)
        files = find_model(model, revision, local_files_only, trust_remote_code)
        with loading(model):
            _check_projection(model, files.folder)
            self._model = sentence_transformers.MultiVectorEncoder(
                str(files.folder),
                device=device,
                local_files_only=local_files_only,
                trust_remote_code=trust_remote_code,
                model_kwargs={"dtype": number_type, "use_safetensors": True},
            )
            self._set_lengths(query_length, document_length)
        self._identity = {
            **files.identity(),
            "query_length": self._query_length,
            "document_length": self._document_length,
            "batch_size": batch_size,
            **torch_environment(self._model.device, dtype),
        }

    def _set_lengths(self, query_length: int | None, document_length: int | None) -> None:
        transformer = self._model[0]
        for setting, length in (("query_length", query_length), ("document_length", document_length)):
            if length is not None:
                check_length(setting, length, transformer.config)
                setattr(transformer, setting, length)
        expansion = transformer.query_expansion
        if expansion is not None and query_length is not None:
            is_fixed = expansion["strategy"] == "fixed"
            length = query_length if is_fixed else min(expansion["length"], query_length)
            transformer.query_expansion = expansion = {**expansion, "length": length}
        longest: int = transformer.max_seq_length
        self._document_length: int = transformer.document_length or longest
        self._query_length: int = transformer.query_length or longest
        if expansion is not None and expansion["strategy"] == "fixed":
            self._query_length = expansion["length"]

    def score(self, request: Request) -> Scores:
        """Return one MaxSim per document; tokens are not counted here, since that would be timed as latency."""
        return Scores(self._score([request])[0], Usage(calls=1))

    def score_many(self, requests: Sequence[Request]) -> Sequence[Scores]:
        """Return the same scores, with tokens counted; a text that several requests share is embedded once.

        Rounding can differ from `score` in the last digits.
        """
        queries = self._count_tokens("query", [request.query.text for request in requests])
        documents = self._count_tokens("document", [d.text for request in requests for d in request.documents])
        answers = []
        for request, values in zip(requests, self._score(requests), strict=True):
            query = queries[request.query.text]
            lengths = [documents[document.text] for document in request.documents]
            tokens = min(query, self._query_length) + sum(min(length, self._document_length) for length in lengths)
            is_cut = query > self._query_length
            truncated = [is_cut or length > self._document_length for length in lengths]
            answers.append(Scores(values, Usage(calls=1, input_tokens=tokens), truncated))
        return answers

    def _score(self, requests: Sequence[Request]) -> list[list[float]]:
        queries = self._embed(self._model.encode_query, [r.query.text for r in requests if r.documents])
        documents = self._embed(self._model.encode_document, [d.text for r in requests for d in r.documents])
        return [
            self._model.similarity([queries[r.query.text]], [documents[d.text] for d in r.documents])[0].tolist()
            if r.documents
            else []
            for r in requests
        ]

    def _embed(self, encode: Any, texts: Sequence[str]) -> dict[str, Any]:
        """Return a float32 tensor of shape (tokens, dimensions) for each different text."""
        unique = list(dict.fromkeys(texts))
        if not unique:
            return {}
        vectors = encode(unique, batch_size=self._batch_size, show_progress_bar=False)
        return {text: tokens.float() for text, tokens in zip(unique, vectors, strict=True)}

    def _count_tokens(self, task: str, texts: Sequence[str]) -> dict[str, int]:
        """Return the tokens of each different text, prefix included, not cut."""
        prefix = self._model.prompts.get(task) or ""
        unique = list(dict.fromkeys(texts))
        if not unique:
            return {}
        encoded = self._model.tokenizer(
            [prefix + text for text in unique], truncation=False, padding=False, verbose=False
        )
        return {text: len(ids) for text, ids in zip(unique, encoded["input_ids"], strict=True)}

    def identity(self) -> Mapping[str, object]:
        """Return model, revision or file hash, lengths, device, type of numbers and library versions."""
        return self._identity


def _check_projection(model: str, folder: Path) -> None:
    """Refuse a model without a trained projection: sentence-transformers would add a random one and score with it."""
    architectures = _read(folder / "config.json", {}).get("architectures") or []
    saved = _read(folder / "config_sentence_transformers.json", {})
    modules = _read(folder / "modules.json", None)
    is_stanford = "HF_ColBERT" in architectures
    is_pylate = saved.get("model_type") == "ColBERT" or "query_prefix" in saved
    if modules is None:
        has_projection = is_stanford
    else:
        has_projection = (is_stanford or is_pylate) and any(module["type"].endswith("Dense") for module in modules)
    is_native = saved.get("model_type") == "MultiVectorEncoder" or any(
        a.endswith("ForRetrieval") for a in architectures
    )
    if not (has_projection or is_native):
        raise ConfigError(
            f"the model {model!r} is no late-interaction model: it has no trained projection of its tokens"
        )


def _read(path: Path, missing: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else missing
