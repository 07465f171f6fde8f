"""What every encoder of sentence-transformers needs: the loaded model, its prompts, and what its vectors depend on."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rerank_eval.integers import check_integer
from rerank_eval.models.torch_models import find_model, import_torch, loading, torch_dtype, torch_environment


class ModelSettings(NamedTuple):
    """Settings that the encoders of sentence-transformers have in common; see the YAML files for each."""

    model: str
    revision: str | None
    query_prompt: str | None
    document_prompt: str | None
    device: str | None
    dtype: str
    max_length: int | None
    batch_size: int
    local_files_only: bool
    trust_remote_code: bool


class PromptedModel:
    """A loaded model with the prompts as texts: those of the settings, or else the model's own."""

    def __init__(self, kind: str, settings: ModelSettings) -> None:
        """Load the model as the class `kind` of sentence_transformers, from a folder or the hub, safetensors only.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            ConfigError: the model cannot be loaded, or a setting is out of range.
        """
        check_integer("batch_size", settings.batch_size, 1)
        check_integer("max_length", settings.max_length, 4, may_be_none=True)
        torch, sentence_transformers = import_torch("sentence_transformers")
        number_type = torch_dtype(torch, settings.dtype)
        files = find_model(settings.model, settings.revision, settings.local_files_only, settings.trust_remote_code)
        with loading(settings.model):
            self.model: Any = getattr(sentence_transformers, kind)(
                str(files.folder),
                device=settings.device,
                local_files_only=settings.local_files_only,
                trust_remote_code=settings.trust_remote_code,
                model_kwargs={"dtype": number_type, "use_safetensors": True},
            )
        if settings.max_length is not None:
            self.model.max_seq_length = settings.max_length
        self.batch_size = settings.batch_size
        self.query_prompt = self._resolve(settings.query_prompt, "query")
        self.document_prompt = self._resolve(settings.document_prompt, "document", "passage", "corpus")
        self.document_identity: Mapping[str, object] = {
            **files.identity(),
            "document_prompt": self.document_prompt,
            "max_length": self.model.max_seq_length,
            "batch_size": settings.batch_size,
            **torch_environment(self.model.device, settings.dtype),
        }

    def truncated(self, prompt: str, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Return per text whether it is longer, with the prompt, than what the model sees."""
        limit = self.model.max_seq_length
        if limit is None or not texts:
            return np.zeros(len(texts), np.bool_)
        encoded = self.model.tokenizer(
            [prompt + text for text in texts], truncation=False, padding=False, verbose=False
        )
        return np.array([len(ids) > limit for ids in encoded["input_ids"]])

    def _resolve(self, prompt: str | None, *own_names: str) -> str:
        """Return the text of a prompt given by name, by text, or not at all."""
        prompts: Mapping[str, str | None] = self.model.prompts
        if prompt is None:  # sentence-transformers adds an empty "document", which hides the "passage" of many a model
            return next((text for text in map(prompts.get, own_names) if text), "")
        return (prompts[prompt] or "") if prompt in prompts else prompt
