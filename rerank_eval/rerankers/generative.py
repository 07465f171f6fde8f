"""Language models that judge one pair at a time by the next token: monoT5, Qwen3-Reranker, bge-reranker-v2-gemma and their like."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_eval.errors import ConfigError
from rerank_eval.integers import check_integer
from rerank_eval.models.torch_models import (
    best_device,
    check_length,
    find_model,
    import_torch,
    loading,
    torch_dtype,
    torch_environment,
)
from rerank_eval.rerankers.pair_prompt import PairPrompt
from rerank_eval.types import Request, Scores, Usage


class Generative:
    """Scores a pair by how sure the model is that `positive` comes next after the prompt, and not `negative`.

    The score is the logarithm of the probability of `positive` among the two (Nogueira et al. 2020, arXiv:2003.06713), which orders like
    the probability and does not saturate into ties; without `negative` it is the logit of `positive`.
    Works with decoders and with encoder-decoders. Only safetensors weights are loaded, and code from a model repository only with
    `trust_remote_code`.
    """

    pointwise = True
    concurrency = 1

    def __init__(
        self,
        model: str,
        prompt: str,
        positive: str,
        negative: str | None = None,
        instruction: str | None = None,
        name: str = "generative",
        revision: str | None = None,
        device: str | None = None,
        dtype: str = "float32",
        max_length: int = 512,
        batch_size: int = 16,
        local_files_only: bool = False,
        trust_remote_code: bool = False,
    ) -> None:
        """Load the model from the hub or, where `model` is a folder, from disk.

        `prompt` has the places {query}, {document} and, with `instruction`, {instruction}; control tokens stand in it by name, also those
        that a tokenizer would add at the beginning or the end.

        Raises:
            MissingExtraError: transformers or torch is not installed.
            ConfigError: the model cannot be loaded or has no trained output layer, `positive` or `negative` is not one token, or another
                parameter is out of range.
        """
        check_integer("batch_size", batch_size, 1)
        if ("{instruction}" in prompt) != (instruction is not None):
            raise ConfigError(
                "the prompt must have the place {instruction} where there is an instruction, and only there"
            )
        self.name = name
        self._batch_size = batch_size
        self._torch, transformers = import_torch("transformers")
        number_type = torch_dtype(self._torch, dtype)
        files = find_model(model, revision, local_files_only, trust_remote_code)
        options = {"local_files_only": local_files_only, "trust_remote_code": trust_remote_code}
        with loading(model):
            tokenizer = transformers.AutoTokenizer.from_pretrained(files.folder, **options)
            config = transformers.AutoConfig.from_pretrained(files.folder, **options)
            self._has_encoder = bool(config.is_encoder_decoder)
            kind = transformers.AutoModelForSeq2SeqLM if self._has_encoder else transformers.AutoModelForCausalLM
            self._model, report = kind.from_pretrained(
                files.folder, dtype=number_type, use_safetensors=True, output_loading_info=True, **options
            )
            self._model = self._model.to(device or best_device(self._torch)).eval()
        if report["missing_keys"]:
            raise ConfigError(
                f"the model {model!r} is no generative reranker: it was saved without {', '.join(sorted(report['missing_keys']))}; "
                "one with a classification head is a cross_encoder"
            )
        check_length("max_length", max_length, config)
        self._answers = [_token_id(tokenizer, text) for text in (positive, negative) if text is not None]
        self._pad_id = tokenizer.pad_token_id or 0
        self._prompt = PairPrompt(tokenizer, prompt.replace("{instruction}", instruction or ""), max_length)
        with loading(model):  # what the model cannot do shows now, and not at every query
            self._predict([self._prompt.encode([("", "")])[0].ids])
        self._identity = {
            **files.identity(),
            "prompt": prompt,
            "instruction": instruction,
            "positive": positive,
            "negative": negative,
            "max_length": max_length,
            "batch_size": batch_size,
            **torch_environment(self._model.device, dtype),
        }

    def score(self, request: Request) -> Scores:
        """Return one score per document."""
        return self.score_many([request])[0]

    def score_many(self, requests: Sequence[Request]) -> Sequence[Scores]:
        """Return the scores of all requests, batched together; rounding can differ from `score` in the last digits."""
        prompts = self._prompt.encode([(r.query.text, document.text) for r in requests for document in r.documents])
        order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index].ids))
        values = np.empty(len(prompts))
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            values[batch] = self._predict([prompts[index].ids for index in batch])
        answers, start = [], 0
        for request in requests:
            end = start + len(request.documents)
            usage = Usage(calls=1, input_tokens=sum(len(prompt.ids) for prompt in prompts[start:end]))
            truncated = [prompt.is_truncated for prompt in prompts[start:end]]
            answers.append(Scores(values[start:end].tolist(), usage, truncated))
            start = end
        return answers

    def _predict(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Return the score of each prompt, run as one batch."""
        torch = self._torch
        width = max(len(ids) for ids in prompts)
        padding = [width - len(ids) for ids in prompts]
        rows = [
            [*ids, *[self._pad_id] * pads] if self._has_encoder else [*[self._pad_id] * pads, *ids]
            for ids, pads in zip(prompts, padding, strict=True)
        ]
        places = torch.arange(width).expand(len(rows), width)
        pads = torch.tensor(padding)[:, None]
        mask = places < width - pads if self._has_encoder else places >= pads
        inputs = {"input_ids": torch.tensor(rows), "attention_mask": mask.long()}
        if self._has_encoder:
            inputs["decoder_input_ids"] = torch.full((len(rows), 1), self._model.config.decoder_start_token_id)
        else:
            inputs["position_ids"] = (places - pads).clamp(min=0)  # padding on the left must not shift the text
        on_device = {name: tensor.to(self._model.device) for name, tensor in inputs.items()}
        keep = {} if self._has_encoder else {"logits_to_keep": 1}  # all positions of a large vocabulary take gigabytes
        with torch.inference_mode():
            logits = self._model(**on_device, **keep, use_cache=False).logits[:, -1, self._answers]
        found: NDArray[np.float64] = logits.float().cpu().numpy().astype(np.float64)
        if len(self._answers) == 1:
            return found[:, 0]
        return -np.logaddexp(0, found[:, 1] - found[:, 0])

    def identity(self) -> Mapping[str, object]:
        """Return model, revision or file hash, prompt, answers, lengths, device and library versions."""
        return self._identity


def _token_id(tokenizer: Any, text: str) -> int:
    """Return the one token of an answer."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise ConfigError(f"the answer {text!r} is {len(ids)} tokens of this model; it must be one")
    return ids[0]
