import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.candidates import check_scores
from rerank_eval.errors import ConfigError, DataError, RerankerError
from rerank_eval.evaluation.systems import System
from rerank_eval.rerankers.minilm import MiniLM
from rerank_eval.rerankers.onnx_cross_encoder import OnnxCrossEncoder
from rerank_eval.types import Document, Query, Request
from tests.rerankers.tiny_onnx import INT32, raw_weights, tiny_onnx

TEXTS = ("refunds within 30 days", "the cafeteria opens at nine", "", "we give your money back " * 9, "😀 שלום")
REQUEST = Request(Query("q1", "can I get my money back"), tuple(Document(str(i), t) for i, t in enumerate(TEXTS)))


@pytest.fixture
def folder(bundled_cross_encoder: Path, tmp_path: Path) -> Path:
    """A folder with the tiny model and BERT's tokenizer."""
    shutil.copy(bundled_cross_encoder / "tokenizer.json", tmp_path)
    (tmp_path / "model.onnx").write_bytes(tiny_onnx())
    return tmp_path


def sums(folder: Path, max_length: int = 512) -> list[float]:
    """What the tiny model is to return: the sum of the token ids of each pair."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return [float(sum(tokenizer.encode(REQUEST.query.text, text).ids)) for text in TEXTS]


def test_the_bundled_model_as_a_folder_or_a_file_gives_exactly_the_scores_of_minilm(
    bundled_cross_encoder: Path,
) -> None:
    expected = MiniLM().score(REQUEST)
    for model in (bundled_cross_encoder, bundled_cross_encoder / "model.onnx"):
        assert OnnxCrossEncoder(str(model)).score(REQUEST) == expected


def test_the_model_may_lie_as_in_a_repository_of_the_hub(folder: Path) -> None:
    expected = OnnxCrossEncoder(folder).score(REQUEST)
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
    for model in (folder, folder / "onnx", folder / "onnx" / "model.onnx"):
        assert OnnxCrossEncoder(model).score(REQUEST) == expected


def test_one_logit_is_the_score(folder: Path) -> None:
    assert OnnxCrossEncoder(folder).score(REQUEST).values == sums(folder)


def test_of_two_logits_the_score_is_the_second_less_the_first(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(tiny_onnx((1.0, 4.0)))
    assert OnnxCrossEncoder(folder).score(REQUEST).values == [3 * value for value in sums(folder)]


@pytest.mark.parametrize("batch_size", [2, 3, 100])
@pytest.mark.parametrize("threads", [1, 2])
def test_padding_in_a_batch_does_not_count(folder: Path, batch_size: int, threads: int) -> None:
    scores = OnnxCrossEncoder(folder, batch_size=batch_size, threads=threads).score(REQUEST)
    assert scores.values == sums(folder)
    assert scores.usage.calls == -(-len(TEXTS) // batch_size)


def test_a_model_may_take_integers_of_32_bits(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(tiny_onnx(integers=INT32))
    assert OnnxCrossEncoder(folder).score(REQUEST).values == sums(folder)


def test_truncated_pairs_and_tokens_are_counted(folder: Path) -> None:
    scores = OnnxCrossEncoder(folder, max_length=20).score(REQUEST)
    assert scores.values == sums(folder, 20)
    assert scores.truncated == [False, False, False, True, False]
    assert scores.usage.input_tokens is not None
    assert scores.usage.input_tokens < 5 * 20


@pytest.mark.parametrize(
    ("files", "longest"),
    [
        ({}, None),
        ({"tokenizer_config.json": {"model_max_length": 128}}, 128),
        ({"tokenizer_config.json": {"model_max_length": 1e30}, "config.json": {"max_position_embeddings": 96}}, 96),
    ],
)
def test_the_longest_text_is_what_the_files_say(
    folder: Path, files: dict[str, dict[str, object]], longest: int | None
) -> None:
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    assert OnnxCrossEncoder(folder).identity()["max_length"] == (longest or 512)
    if longest is None:
        assert OnnxCrossEncoder(folder, max_length=2000).identity()["max_length"] == 2000
    else:
        with pytest.raises(ConfigError, match=f"max_length is {longest + 1}; this model takes 4 to {longest} tokens"):
            OnnxCrossEncoder(folder, max_length=longest + 1)


@pytest.mark.parametrize("content", ["[" * 100_000, "{", b"\xff"], ids=["nested", "truncated", "no text"])
def test_settings_beside_the_model_that_are_no_json_are_named(folder: Path, content: str | bytes) -> None:
    (folder / "config.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=rf"^{folder / 'config.json'}: no JSON: "):
        OnnxCrossEncoder(folder)


def test_a_score_that_is_no_number_makes_the_query_fail_by_name(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(tiny_onnx((float("nan"),)))
    scores = OnnxCrossEncoder(folder).score(REQUEST)
    with pytest.raises(RerankerError, match="mine returned NaN for query q1, document 0"):
        check_scores("mine", REQUEST, scores)


def test_the_identity_follows_every_file_and_setting(folder: Path) -> None:
    def fingerprint(**settings: Any) -> str | None:
        return System("any", OnnxCrossEncoder(folder, **settings)).fingerprint

    (folder / "model.onnx").write_bytes(tiny_onnx(data="model.onnx_data"))
    (folder / "model.onnx_data").write_bytes(raw_weights([1.0]))
    prints = [fingerprint(), fingerprint(max_length=64), fingerprint(batch_size=2)]
    assert fingerprint(threads=1) == prints[0]
    (folder / "model.onnx_data").write_bytes(raw_weights([2.0]))
    assert OnnxCrossEncoder(folder).score(REQUEST).values == [2 * value for value in sums(folder)]
    prints.append(fingerprint())
    (folder / "model.onnx").write_bytes(tiny_onnx())
    prints.append(fingerprint())
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + "\n")
    prints.append(fingerprint())
    assert len(set(prints)) == len(prints)


@pytest.mark.parametrize("name", ["../weights", "/etc/hostname", "a/../../weights", "C:\\weights", "..\\weights"])
def test_weights_outside_the_folder_are_not_read(folder: Path, name: str) -> None:
    (folder / "model.onnx").write_bytes(tiny_onnx(data=name))
    with pytest.raises(DataError, match=r"model\.onnx: the model has weights in .*, outside its folder"):
        OnnxCrossEncoder(folder)


@pytest.mark.parametrize("name", ["weights", "w" * 127, "w" * 128, "w" * 200])
def test_weights_that_are_missing_are_named(folder: Path, name: str) -> None:
    (folder / "model.onnx").write_bytes(tiny_onnx(data=name))
    with pytest.raises(DataError, match=f"the model has weights in '{name}', which is missing"):
        OnnxCrossEncoder(folder)
    (folder / name).write_bytes(raw_weights([1.0]))
    assert OnnxCrossEncoder(folder).score(REQUEST).values == sums(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"garbage", "onnxruntime cannot load this model"),
        (b"", "the model cannot be read"),
        (tiny_onnx()[:100], "onnxruntime cannot load this model"),
        (tiny_onnx((1.0, 2.0, 3.0)), r"this is no cross-encoder: .* shape \(1, 3\), not one logit or two"),
        (tiny_onnx(inputs=("input_ids", "pixel_values")), "inputs other than the tokens of a text: pixel_values"),
        (tiny_onnx(inputs=("input_ids",), integers=1), "inputs other than the tokens of a text: input_ids"),
    ],
)
def test_a_file_that_is_no_cross_encoder_is_named(folder: Path, content: bytes, message: str) -> None:
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(DataError, match=rf"^{folder / 'model.onnx'}: .*{message}"):
        OnnxCrossEncoder(folder)


def test_an_encoder_without_a_head_is_refused(bundled_cross_encoder: Path) -> None:
    with pytest.raises(
        DataError, match=r"this is no cross-encoder: for one pair it returns numbers of shape \(1, 5, 384\)"
    ):
        OnnxCrossEncoder(bundled_cross_encoder.parent / "bge_small_en")


@pytest.mark.parametrize("content", ["", "{}", "no json"])
def test_a_file_that_is_no_tokenizer_is_named(folder: Path, content: str) -> None:
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(DataError, match=rf"^{folder / 'tokenizer.json'}: tokenizers cannot load this file"):
        OnnxCrossEncoder(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"the model .*no-such does not exist; give an \.onnx file or a folder with one"
    ):
        OnnxCrossEncoder(str(folder / "no-such"))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=f"there is no tokenizer.json beside the model {folder / 'model.onnx'}"):
        OnnxCrossEncoder(str(folder))
    (folder / "model.onnx").unlink()
    with pytest.raises(ConfigError, match=r"has neither model\.onnx nor onnx/model\.onnx"):
        OnnxCrossEncoder(str(folder))


@pytest.mark.parametrize("settings", [{"max_length": 3}, {"max_length": 0}, {"batch_size": 0}, {"threads": 0}])
def test_a_setting_out_of_range_is_named(folder: Path, settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(ConfigError, match=f"{name} is {settings[name]}"):
        OnnxCrossEncoder(folder, **settings)
