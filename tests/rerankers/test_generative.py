import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.errors import ConfigError
from rerank_eval.evaluation.systems import System
from rerank_eval.rerankers.generative import Generative
from rerank_eval.types import Document, Query, Request
from tests.conftest import Compose

T5_PROMPT = "Query: {query} Document: {document} Relevant:</s>"
QWEN_PROMPT = "<|im_start|>user\n{query}\n{document}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
QUERY = Query("q1", "how to reset my password")
TEXTS = ("reset it on the sign-in page", "invoices {query} are sent monthly", "", "billing " * 300, "😀 שלום")
REQUEST = Request(QUERY, tuple(Document(str(i), text) for i, text in enumerate(TEXTS)))

Make = Callable[..., Generative]


@pytest.fixture(scope="module")
def make_t5(tiny_encoder_decoder: Path) -> Make:
    settings = {"prompt": T5_PROMPT, "positive": "true", "negative": "false", "device": "cpu"}
    return lambda **changes: Generative(**{"model": str(tiny_encoder_decoder), **settings, **changes})


@pytest.fixture(scope="module")
def make_qwen(tiny_decoder: Path) -> Make:
    settings = {"prompt": QWEN_PROMPT, "positive": "yes", "negative": "no", "device": "cpu"}
    return lambda **changes: Generative(**{"model": str(tiny_decoder), **settings, **changes})


@pytest.fixture(params=["make_t5", "make_qwen"])
def make(request: pytest.FixtureRequest) -> Make:
    make: Make = request.getfixturevalue(request.param)
    return make


def test_a_t5_score_is_the_log_probability_of_true_as_first_token(make_t5: Make, tiny_encoder_decoder: Path) -> None:
    import torch
    from transformers import AutoTokenizer, T5ForConditionalGeneration

    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder_decoder)
    model = T5ForConditionalGeneration.from_pretrained(tiny_encoder_decoder)
    true, false = tokenizer.convert_tokens_to_ids(["▁true", "▁false"])
    for text, value in zip(TEXTS[:3], make_t5().score(REQUEST).values, strict=False):
        prompt = T5_PROMPT.replace("{document}", text).replace("{query}", QUERY.text, 1)
        inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        generated = model.generate(**inputs, max_new_tokens=1, output_logits=True, return_dict_in_generate=True)
        logits = torch.log_softmax(generated.logits[0][0, [true, false]].double(), 0)
        assert value == pytest.approx(logits[0].item(), abs=1e-5)


def test_a_decoder_score_is_the_log_probability_of_yes_after_the_prompt(make_qwen: Make, tiny_decoder: Path) -> None:
    import torch
    from transformers import AutoTokenizer, Qwen3ForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tiny_decoder)
    model = Qwen3ForCausalLM.from_pretrained(tiny_decoder)
    yes, no = tokenizer.convert_tokens_to_ids(["yes", "no"])
    both, logit = make_qwen().score(REQUEST).values, make_qwen(negative=None).score(REQUEST).values
    for text, value, raw in zip(TEXTS[:3], both, logit, strict=False):
        prompt = QWEN_PROMPT.replace("{document}", text).replace("{query}", QUERY.text, 1)
        with torch.inference_mode():
            logits = model(**tokenizer(prompt, return_tensors="pt", add_special_tokens=False)).logits[0, -1].double()
        assert value == pytest.approx(torch.log_softmax(logits[[yes, no]], 0)[0].item(), abs=1e-5)
        assert raw == pytest.approx(logits[yes].item(), abs=1e-5)


def test_a_sure_answer_does_not_saturate_into_ties(make_qwen: Make, tiny_decoder: Path, tmp_path: Path) -> None:
    """In float32 a probability is 1.0 from a difference of 17 on; the logarithm still tells such documents apart."""
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_decoder, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] *= 40
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    texts = [chr(ord("a") + number) * number for number in range(1, 20)]
    request = Request(QUERY, tuple(Document(text, text) for text in texts))
    answers = [make_qwen(model=str(folder), positive=p, negative=n) for p, n in (("yes", "no"), ("no", "yes"))]
    values = [value for reranker in answers for value in reranker.score(request).values]
    sure = [value for value in values if -math.exp(-17) < value]
    assert len(sure) > 2
    assert len(set(sure)) == len(sure)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_a_score_does_not_depend_on_the_batch(make: Make, batch_size: int) -> None:
    reranker = make(batch_size=batch_size)
    requests = [REQUEST, Request(Query("q2", "invoice"), REQUEST.documents[::-1]), Request(QUERY, ())]
    for request, scores in zip(requests, reranker.score_many(requests), strict=True):
        alone = [make().score(Request(request.query, (document,))).values[0] for document in request.documents]
        assert scores.values == pytest.approx(alone, abs=1e-5)


def test_a_pair_of_exactly_the_limit_is_not_truncated(make: Make) -> None:
    pair = Request(QUERY, (Document("a", "password password password"),))
    whole = make().score(pair)
    tokens = whole.usage.input_tokens
    assert tokens is not None
    assert make(max_length=tokens).score(pair) == whole
    cut = make(max_length=tokens - 1).score(pair)
    assert (cut.truncated, cut.usage.input_tokens) == ([True], tokens - 1)
    assert cut.values != whole.values


def test_the_identity_follows_the_weights_and_what_changes_a_score(
    make_qwen: Make, tiny_decoder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_decoder, tmp_path / "model")
    (folder / "generation_config.json").write_text("{}")
    changes: list[dict[str, Any]] = [
        {},
        {"model": str(folder)},
        {"prompt": QWEN_PROMPT + "Answer: "},
        {"prompt": QWEN_PROMPT + "{instruction}", "instruction": "find"},
        {"positive": "Yes"},
        {"negative": None},
        {"max_length": 256},
        {"batch_size": 2},
        {"dtype": "bfloat16"},
    ]
    prints = [System("any", make_qwen(**change)).fingerprint for change in changes]
    assert len(set(prints)) == len(changes)
    assert System("any", make_qwen(name="another")).fingerprint == prints[0]
    identity = make_qwen().identity()
    assert {"model", "revision", "files_sha256", "device", "dtype", "torch", "transformers"} <= identity.keys()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_close(make_qwen: Make, dtype: str) -> None:
    values = make_qwen(dtype=dtype).score(REQUEST).values
    assert values == pytest.approx(make_qwen().score(REQUEST).values, abs=0.2)
    assert values != make_qwen().score(REQUEST).values


def test_a_model_without_a_trained_output_layer_is_refused(make_qwen: Make, tiny_decoder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_decoder, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    weights = {
        name: tensor for name, tensor in load_file(folder / "model.safetensors").items() if name != "lm_head.weight"
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"is no generative reranker: it was saved without lm_head\.weight"):
        make_qwen(model=str(folder))


def test_pickled_weights_are_refused(make_qwen: Make, tiny_decoder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_decoder, tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"pytorch_model\.bin is a pickle, which is never opened"):
        make_qwen(model=str(folder))


def test_damaged_weights_are_named(make_qwen: Make, tiny_decoder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_decoder, tmp_path / "model")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(ConfigError, match=f"the model '{folder}' cannot be loaded"):
        make_qwen(model=str(folder))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"positive": "perhaps"}, "the answer 'perhaps' is 7 tokens of this model; it must be one"),
        ({"negative": ""}, "the answer '' is 0 tokens"),
        ({"prompt": "{query} {query} {document}"}, r"the prompt has \{query\} 2 times"),
        ({"prompt": "{query}"}, r"the prompt has \{document\} 0 times"),
        ({"instruction": "find"}, r"the prompt must have the place \{instruction\}"),
        ({"prompt": "{instruction} {query} {document}"}, r"the prompt must have the place \{instruction\}"),
        ({"max_length": 8}, "max_length is 8; with this prompt it must be at least"),
        ({"max_length": 8193}, "max_length is 8193; this model takes 4 to 8192 tokens"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"dtype": "int8"}, "dtype 'int8' is unknown"),
        ({"device": "no-such-device"}, "cannot be loaded"),
        ({"model": "./no-such-model"}, r"the model folder \./no-such-model does not exist"),
        ({"model": "nobody/no-such-model"}, "the model 'nobody/no-such-model' cannot be loaded"),
    ],
)
def test_a_wrong_setting_is_named(make_qwen: Make, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_qwen(**settings)


@pytest.mark.parametrize("choice", ["mono_t5", "qwen3_reranker", "bge_reranker_v2_gemma"])
def test_a_model_in_conf_is_pinned_to_a_commit(choice: str, compose: Compose) -> None:
    settings = compose(f"reranker=[{choice}]")["rerankers"][choice]
    assert len(settings["revision"]) == 40
    assert settings["trust_remote_code"] is False


def test_the_prompt_of_qwen3_in_conf_is_the_published_one(compose: Compose) -> None:
    prompt: str = compose("reranker=[qwen3_reranker]")["rerankers"]["qwen3_reranker"]["prompt"]
    before, after = prompt.split("{document}")
    assert before.endswith("<Instruct>: {instruction}\n<Query>: {query}\n<Document>: ")
    assert before.startswith(
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and"
    )
    assert 'the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n' in before
    assert after == "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
