"""Fixtures that several test modules share."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks.data_folder import MissingCollectionError, find_collection
from tests.wordpieces import save_wordpieces

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported, which happens late and once
# read by torch; the models are tiny, and there is a worker for each processor
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]


def pytest_collection_finish() -> None:
    """Look for cycles less often, and not among what was imported: that was an eighth of the tests' processor time."""
    gc.freeze()
    gc.set_threshold(20_000)


FindCollection = Callable[[str], Path]


@pytest.fixture(scope="session")
def collection() -> FindCollection:
    """The folder of a reference collection by its name; where it is missing, the test is skipped."""

    def find(name: str) -> Path:
        try:
            return find_collection(name)
        except MissingCollectionError as missing:
            pytest.skip(str(missing))

    return find


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep indexes away from the user's cache; one folder for the whole session, so that an index is built once."""
    monkeypatch.setenv("RERANK_EVAL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell starts background jobs with SIGINT ignored, and Python then leaves it so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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


RunMain = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunMain:
    """Run `python -m rerank_eval ARGUMENTS` in `cwd`, in this process: for what does not depend on a process of its own."""
    from rerank_eval.cli import main

    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        before = set(sys.modules)
        with monkeypatch.context() as changed:
            changed.chdir(cwd)
            changed.setattr(sys, "path", [*sys.path])
            changed.setattr(sys, "argv", ["rerank_eval", *arguments])
            changed.setenv("HYDRA_FULL_ERROR", "0")
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(cwd)):
                del sys.modules[name]  # another test has another module of this name
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def tiny_cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random cross-encoder of 4 MB and 128 tokens whose logits leave [0, 1]."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

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
    save_wordpieces(folder, 128)
    return folder


@pytest.fixture(scope="session")
def tiny_colbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random late-interaction model of 16 dimensions: queries of 16 tokens by [MASK], documents of 64, no full stops."""
    import torch
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = tmp_path_factory.mktemp("backbone")
        BertModel(config).save_pretrained(backbone)
        save_wordpieces(backbone, 128)
        expansion = {"strategy": "fixed", "length": 16, "attend": False}
        transformer = Transformer(str(backbone), query_expansion=expansion, document_length=64)
        on_tokens = {"module_input_name": "token_embeddings"}
        projection = Dense(32, 16, bias=False, activation_function=torch.nn.Identity(), **on_tokens)
        modules = [transformer, projection, MultiVectorMask(skiplist_words=["."]), Normalize(**on_tokens)]
        prompts = {"query": "[Q] ", "document": "[D] "}
        model = MultiVectorEncoder(modules=modules, prompts=prompts, device="cpu")
    folder = tmp_path_factory.mktemp("tiny_colbert")
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def tiny_decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random Qwen3 with bytes as tokens, and the words and control tokens that rerankers of its kind use."""
    import torch
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    vocabulary = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges = []
    for word in ("yes", "no", "Yes", "Ġpassword"):
        for end in range(1, len(word)):
            merges.append((word[:end], word[end]))
            vocabulary.setdefault(word[: end + 1], len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=list(dict.fromkeys(merges))))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<bos>"])
    not_special = ("<think>", "</think>", "\n")  # the end of a line as in Gemma
    tokenizer.add_tokens([AddedToken(name, special=False) for name in not_special])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|im_end|>")
    config = Qwen3Config(
        vocab_size=len(fast),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        intermediate_size=64,
        max_position_embeddings=8192,
        initializer_range=0.3,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen3ForCausalLM(config)
    folder = tmp_path_factory.mktemp("tiny_decoder")
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder_decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random T5 with letters as tokens, and monoT5's words; as in T5, the vocabulary has the control tokens too."""
    import string

    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    control = ["<pad>", "</s>", "<unk>"]
    words = ["▁true", "▁false", "▁Query:", "▁Document:", "▁Relevant:", "▁password"]
    letters = [letter for letter in string.printable if letter.strip()]
    pieces = [*((name, 0.0) for name in control), *((word, -2.0) for word in words), ("▁", -6.0)]
    tokenizer = Tokenizer(models.Unigram([*pieces, *((letter, -8.0) for letter in letters)], unk_id=2))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(control)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )
    config = T5Config(
        vocab_size=len(fast),
        d_model=32,
        d_kv=16,
        d_ff=64,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
        initializer_factor=3.0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = T5ForConditionalGeneration(config)
    folder = tmp_path_factory.mktemp("tiny_encoder_decoder")
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def bundled_cross_encoder() -> Path:
    from rerank_eval.models.onnx_models import bundled_model

    return bundled_model("reranker_en")


Compose = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def compose() -> Compose:
    """Return what hydra makes of conf/config.yaml and the overrides; settings that must still be set are '???'."""
    import hydra
    from omegaconf import OmegaConf

    from rerank_eval.configuration import CONF

    @cache  # it takes a tenth of a second, and several modules ask for every choice
    def composed(*overrides: str) -> dict[str, Any]:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            plain = OmegaConf.to_container(hydra.compose("config", list(overrides)))
        assert isinstance(plain, dict)
        return {str(name): value for name, value in plain.items()}

    return lambda *overrides: deepcopy(composed(*overrides))
