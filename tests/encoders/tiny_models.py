"""Random models of a few hundred kilobytes, saved as sentence-transformers saves real ones."""

from pathlib import Path
from typing import Any

from tests.wordpieces import save_wordpieces


def save_bi_encoder(folder: Path, similarity: str = "cosine", prompts: dict[str, str] | None = None) -> Path:
    import sentence_transformers
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertModel

    _save_transformer(BertModel, folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=16)
    model = sentence_transformers.SentenceTransformer(
        modules=[transformer, Pooling(32, "mean")], similarity_fn_name=similarity, prompts=prompts, device="cpu"
    )
    model.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"


def save_splade(folder: Path) -> Path:
    import sentence_transformers
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sparse_encoder.modules import SpladePooling
    from transformers import BertForMaskedLM

    _save_transformer(BertForMaskedLM, folder / "bert")
    transformer = Transformer(str(folder / "bert"), transformer_task="fill-mask", max_seq_length=16)
    model = sentence_transformers.SparseEncoder(modules=[transformer, SpladePooling()], device="cpu")
    model.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"


def _save_transformer(kind: Any, folder: Path) -> None:
    import torch
    from transformers import BertConfig

    config = BertConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind(config).save_pretrained(folder)
    save_wordpieces(folder, 32)
