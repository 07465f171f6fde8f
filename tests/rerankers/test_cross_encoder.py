import json
import shutil
from pathlib import Path

import pytest

from rerank_eval.errors import ConfigError
from rerank_eval.evaluation.systems import System
from rerank_eval.protocols import BatchReranker
from rerank_eval.rerankers.cross_encoder import CrossEncoder
from rerank_eval.types import Document, Query, Request

QUERY = Query("q1", "how to reset my password")
TEXTS = ("reset it on the sign-in page", "invoices are sent monthly", "", "billing " * 300, "😀 שלום")
REQUEST = Request(QUERY, tuple(Document(str(i), text) for i, text in enumerate(TEXTS)))


@pytest.fixture(scope="module")
def reranker(tiny_cross_encoder: Path) -> CrossEncoder:
    return CrossEncoder(str(tiny_cross_encoder), device="cpu")


@pytest.fixture
def copied(tiny_cross_encoder: Path, tmp_path: Path) -> Path:
    """A copy of the model to change."""
    return shutil.copytree(tiny_cross_encoder, tmp_path / "model")


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_score_is_the_raw_logit_of_the_model(reranker: CrossEncoder, tiny_cross_encoder: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(tiny_cross_encoder)
    tokenizer = AutoTokenizer.from_pretrained(tiny_cross_encoder)
    values = reranker.score(REQUEST).values
    for text, value in zip(TEXTS, values, strict=True):
        with torch.inference_mode():
            logit = model(**tokenizer([QUERY.text], [text], truncation=True, return_tensors="pt")).logits.item()
        assert value == pytest.approx(logit, abs=1e-5)
    assert max(values) > 1 or min(values) < 0  # a sigmoid would keep all between


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_score_many_gives_what_score_gives_whatever_the_batch(
    reranker: CrossEncoder, tiny_cross_encoder: Path, batch_size: int
) -> None:
    batched = CrossEncoder(str(tiny_cross_encoder), device="cpu", batch_size=batch_size)
    assert isinstance(batched, BatchReranker)
    requests = [REQUEST, Request(Query("q2", "invoice"), REQUEST.documents[::-1]), Request(QUERY, ())]
    for request, scores in zip(requests, batched.score_many(requests), strict=True):
        assert scores.values == pytest.approx(reranker.score(request).values, abs=1e-5)


def test_truncated_pairs_and_tokens_are_counted(reranker: CrossEncoder) -> None:
    (scores,) = reranker.score_many([REQUEST])
    assert scores.truncated == [False, False, False, True, False]
    assert scores.usage.input_tokens is not None
    assert scores.usage.input_tokens > 128


def test_a_pair_of_exactly_the_limit_is_not_truncated(tiny_cross_encoder: Path) -> None:
    pair = Request(Query("q", "password"), (Document("d", "password password"),))  # [CLS] 1 [SEP] 2 [SEP]
    for limit, is_cut, tokens in ((6, False, 6), (5, True, 5)):
        reranker = CrossEncoder(str(tiny_cross_encoder), device="cpu", max_length=limit)
        (scores,) = reranker.score_many([pair])
        assert (scores.truncated, scores.usage.input_tokens) == ([is_cut], tokens)


def test_a_shorter_limit_changes_the_score_of_a_long_text_only(
    reranker: CrossEncoder, tiny_cross_encoder: Path
) -> None:
    short = CrossEncoder(str(tiny_cross_encoder), device="cpu", max_length=32)
    differences = [a - b for a, b in zip(short.score(REQUEST).values, reranker.score(REQUEST).values, strict=True)]
    assert [abs(difference) > 1e-5 for difference in differences] == [False, False, False, True, False]


def test_the_identity_follows_the_weights_and_what_changes_a_score(
    reranker: CrossEncoder, tiny_cross_encoder: Path, copied: Path
) -> None:
    def fingerprint(changed: CrossEncoder) -> str | None:
        return System("any", changed).fingerprint

    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    weights["classifier.bias"] += 1
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    other_weights = CrossEncoder(str(copied), device="cpu")
    for before, after in zip(reranker.score(REQUEST).values, other_weights.score(REQUEST).values, strict=True):
        assert after - before == pytest.approx(1, abs=1e-4)
    assert other_weights.identity()["files_sha256"] != reranker.identity()["files_sha256"]
    variants = [
        CrossEncoder(str(tiny_cross_encoder), device="cpu", max_length=32),
        CrossEncoder(str(tiny_cross_encoder), device="cpu", dtype="bfloat16"),
        CrossEncoder(str(tiny_cross_encoder), device="cpu", batch_size=1),
    ]
    prints = {fingerprint(variant) for variant in [reranker, other_weights, *variants]}
    assert len(prints) == 5
    assert fingerprint(CrossEncoder(str(tiny_cross_encoder), device="cpu", name="another")) == fingerprint(reranker)


def test_pickled_weights_are_refused_and_never_read(copied: Path) -> None:
    import torch

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (copied / "unpickled",)

    (copied / "model.safetensors").unlink()
    torch.save({"classifier.bias": Trap()}, copied / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"model\.safetensors"):
        CrossEncoder(str(copied), device="cpu")
    assert not (copied / "unpickled").exists()


@pytest.mark.parametrize("place", ["transformers", "sentence_transformers"])
def test_code_of_a_model_is_not_run_unless_asked(copied: Path, place: str) -> None:
    (copied / "modeling_own.py").write_text(f"from pathlib import Path\nPath({str(copied / 'ran')!r}).touch()\n")
    if place == "transformers":
        change_config(copied, model_type="own", auto_map={"AutoConfig": "modeling_own.Own"})
    else:
        (copied / "config_sentence_transformers.json").write_text('{"model_type": "CrossEncoder"}')
        (copied / "modules.json").write_text(
            json.dumps([{"idx": 0, "name": "0", "path": "", "type": "modeling_own.Own"}])
        )
    with pytest.raises(ConfigError, match="trust_remote_code"):
        CrossEncoder(str(copied), device="cpu")
    assert not (copied / "ran").exists()


def test_a_model_with_two_labels_is_refused(copied: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig.from_pretrained(copied)
    config.num_labels = 2
    BertForSequenceClassification(config).save_pretrained(copied)
    with pytest.raises(ConfigError, match="has 2 labels; a reranker has one"):
        CrossEncoder(str(copied), device="cpu")


def test_an_encoder_without_a_head_is_refused_rather_than_given_a_random_one(copied: Path) -> None:
    from transformers import BertConfig, BertModel

    BertModel(BertConfig.from_pretrained(copied)).save_pretrained(copied)
    with pytest.raises(ConfigError, match="is no cross-encoder: it was saved as BertModel"):
        CrossEncoder(str(copied), device="cpu")


@pytest.mark.parametrize("start", ["/", "./", "../", "~/"])
def test_a_missing_folder_is_named_and_not_looked_for_on_the_hub(start: str) -> None:
    with pytest.raises(ConfigError, match=rf"the model folder {start}no-such-model does not exist"):
        CrossEncoder(f"{start}no-such-model")


def test_a_folder_without_a_model_and_an_unknown_id_are_named(tmp_path: Path) -> None:
    for model, fault in (
        (str(tmp_path), "cannot be loaded"),
        ("nobody/no-such-model", "is not in the cache of the hub"),
    ):
        with pytest.raises(ConfigError, match=f"the model '{model}' {fault}"):
            CrossEncoder(model, local_files_only=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "int8"}, "dtype 'int8' is unknown; valid: float32, float16, bfloat16"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"max_length": 3}, "max_length is 3"),
        ({"device": "no-such-device"}, "cannot be loaded"),
    ],
)
def test_a_setting_out_of_range_is_named(tiny_cross_encoder: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CrossEncoder(str(tiny_cross_encoder), **settings)  # type: ignore[arg-type] # what a wrong YAML brings
