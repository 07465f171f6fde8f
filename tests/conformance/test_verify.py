"""Which figures there are, what runs for them, and how each comes out."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.commands import run_command
from rerank_eval.commands.verify import run_verify
from rerank_eval.components import check_component
from rerank_eval.conformance.figures import FIRST_STAGE, Configuration, Figure, check_figure, read_conformance
from rerank_eval.errors import ConfigError, NotEvaluableError
from rerank_eval.fingerprint import fingerprint
from rerank_eval.measures import parse_measures
from tests.conftest import Compose, FindCollection, RunPython
from tests.fakes import make_dataset, write_beir_folder

CONFIGURATIONS = read_conformance()
BM25 = ("vaswani/bm25", "vaswani/bm25-k1-1.2-b-0.75")


def composed_offline(configuration: Configuration, compose: Compose) -> dict[str, Any]:
    path = [] if configuration.data is None else ["dataset.path=x"]
    return compose(*configuration.overrides, *configuration.offline, *path)


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda configuration: configuration.full_name)
def test_a_configuration_composes_and_gives_its_figures(configuration: Configuration, compose: Compose) -> None:
    composed = composed_offline(configuration, compose)
    check_component(composed["dataset"], "dataset")
    check_component(composed["retriever"], "retriever")
    for name, component in composed["rerankers"].items():
        check_component(component, f"rerankers.{name}")
    measures = parse_measures(composed["measures"], composed["dataset"].get("relevance_level", 1))
    for figure in configuration.figures:
        assert figure.measure in measures
        if figure.system == FIRST_STAGE:
            assert figure.depth == 0
        else:
            assert figure.system in composed["rerankers"]
            assert figure.depth in composed["depths"]
        assert 0 < figure.value < 1
        assert 0 < figure.tolerance <= 0.02
    assert configuration.figures


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda configuration: configuration.full_name)
def test_no_figure_is_one_that_a_reranker_cannot_change(configuration: Configuration) -> None:
    """Recall at k of a reranker of the top k or fewer is the first stage's."""
    for figure in configuration.figures:
        if figure.system != FIRST_STAGE and figure.measure.startswith("R("):
            assert int(figure.measure.rpartition("@")[2]) < figure.depth


def test_no_figure_and_no_name_stands_twice() -> None:
    names = [configuration.full_name for configuration in CONFIGURATIONS]
    assert len(set(names)) == len(names)
    for configuration in CONFIGURATIONS:
        keys = [(f.system, f.depth, f.measure, f.source) for f in configuration.figures]
        assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "configuration",
    [found for found in CONFIGURATIONS if found.group in ("beir", "msmarco")],
    ids=lambda configuration: configuration.full_name,
)
def test_the_published_figure_of_bm25_is_the_one_of_the_dataset(configuration: Configuration, compose: Compose) -> None:
    published = composed_offline(configuration, compose)["dataset"]["published_bm25"]
    sources = ("Pyserini 2CR", "published")
    assert {f.measure: f.value for f in configuration.figures if f.source in sources and f.depth == 0} == published


@pytest.mark.parametrize(
    ("measured", "agreement"),
    [(0.5, "agrees"), (0.503, "agrees"), (0.497, "agrees"), (0.5031, "differs"), (0.4, "differs")],
)
def test_a_figure_agrees_up_to_its_tolerance(measured: float, agreement: str) -> None:
    checked = check_figure(Figure("none", 0, "AP", 0.5, 0.003, "a paper", False), measured)
    assert (checked.agreement, checked.measured) == (agreement, measured)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder whose "vaswani" is another collection."""
    write_beir_folder(tmp_path / "it's data, here" / "vaswani", make_dataset())
    return tmp_path / "it's data, here"


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith("first stage ")]


def test_another_collection_differs_and_ends_with_1(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("verify", [*BM25, "--data", str(data)]) == 1
    out = capsys.readouterr().out
    assert "vaswani/bm25-k1-1.2-b-0.75\n" in out
    assert {row[-1] for row in rows(out)} == {"differs"}
    assert out.splitlines()[-1] == f"{len(rows(out))} differ"


def test_without_the_data_figures_are_skipped_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotEvaluableError) as raised:
        run_command("verify", ["vaswani"])
    assert raised.value.exit_code == 3
    reason = "data not here: --data DIR, with the folder vaswani in it"
    assert str(raised.value) == f"no figure could be measured on this machine: {reason}"
    assert capsys.readouterr().out == ""


def test_what_is_not_run_has_one_line_for_each_reason(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("verify", [BM25[0], "dl19/bm25", "dl19/minilm-l6", "--data", str(data)]) == 1
    lines = capsys.readouterr().out.splitlines()
    reason = "data not here: --data DIR, with the folder trec-dl-2019 in it"
    assert [line for line in lines if "dl19" in line] == [f"skipped: dl19/bm25, dl19/minilm-l6: {reason}"]
    assert lines[0] == BM25[0]


def test_a_run_that_fails_says_why_and_ends_with_3(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = data / "vaswani" / "queries.jsonl"
    path.write_text(path.read_text() + "not JSON\n")
    with pytest.raises(NotEvaluableError, match="a run failed"):
        run_command("verify", [*BM25, "--data", str(data)])
    out = capsys.readouterr().out
    assert {row[-1] for row in rows(out)} == {"failed"}
    assert f"{path}:7: not JSON" in out


def give_candidates(data: Path) -> None:
    """Make the collection the one of dl19, with a run."""
    (data / "vaswani").rename(data / "trec-dl-2019")
    runs = data / "trec-dl-2019" / "runs"
    runs.mkdir()
    ranks = [f"q{n:03} Q0 d{d:03} 1 {9 - d} x\n" for n in range(6) for d in range(9)]
    (runs / "bm25.top100.trec").write_text("".join(ranks))


def test_a_missing_package_skips_what_needs_it_and_nothing_else(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_candidates(data)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # what an import finds where the package is not installed
    assert run_verify(["dl19/bm25", "dl19/bundled", "--data", str(data)], ["avx512_vnni"]) == 1
    out = capsys.readouterr().out
    assert {row[-1] for row in rows(out)} == {"differs"}
    reason = (
        "the package 'onnxruntime' is not installed; install it with: pip install -e '.[onnx]' in the clone of rerank_eval, "
        "or pip install 'rerank-eval[onnx]' where an index has it"
    )
    assert f"skipped: dl19/bundled: {reason}" in out.splitlines()


def test_int8_figures_are_skipped_on_another_processor(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "vaswani").rename(data / "trec-dl-2020")
    with pytest.raises(NotEvaluableError, match="no AVX-512 VNNI: int8 scores may differ"):
        run_verify(["dl20/bundled", "--data", str(data)], ["asimd"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["vaswanni"], "there are no figures named 'vaswanni': did you mean vaswani"),
        (["vaswani/bm52"], "did you mean vaswani/bm25"),
        (["--data", "nowhere"], "--data: there is no folder nowhere"),
        (["--lst"], "--help shows the arguments"),
    ],
)
def test_a_wrong_argument_ends_with_2(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        run_command("verify", words)
    assert message in str(raised.value)


def first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()[1:]]


def test_the_list_names_every_configuration_or_the_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("verify", ["--list"]) == 0
    assert first_words(capsys.readouterr().out) == [configuration.full_name for configuration in CONFIGURATIONS]
    assert run_command("verify", ["msmarco", "beir/scifact", "--list"]) == 0
    assert first_words(capsys.readouterr().out) == ["beir/scifact", "msmarco/dl19", "msmarco/dev-small"]


def test_what_is_not_downloaded_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RERANK_EVAL_CACHE", str(tmp_path))
    page = tmp_path / "page.md"
    with pytest.raises(NotEvaluableError, match=r"machine: not downloaded yet: --download fetches it$"):
        run_command("verify", ["beir/scifact", "beir/quora", "--markdown", str(page)])
    assert page.read_text(encoding="utf-8").count("\n- skipped: not downloaded yet") == 1


def test_data_that_cannot_be_read_are_not_taken_for_a_missing_download(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    give_candidates(data)
    shutil.rmtree(data / "trec-dl-2019" / "qrels")
    with pytest.raises(NotEvaluableError, match="a run failed"):
        run_command("verify", ["dl19/minilm-l6", "--data", str(data)])
    out = capsys.readouterr().out
    assert "qrels" in out
    assert out.splitlines()[-1] == "1 failed"


@pytest.mark.slow
def test_of_models_only_one_that_is_not_here_is_skipped(
    data: Path, tmp_path: Path, run_python: RunPython, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In processes of their own: huggingface_hub reads HF_HOME once, when it is imported."""
    give_candidates(data)
    home = tmp_path / "home"
    monkeypatch.setenv("HF_HOME", str(home))
    command = ["-m", "rerank_eval", "verify", "dl19/minilm-l6", "--data", str(data)]
    name, commit = "models--cross-encoder--ms-marco-MiniLM-L6-v2", "c5ee24cb16019beea0893ab7796b1df96625c6b8"
    before = run_python(*command)
    assert (before.returncode, "not downloaded yet" in before.stderr) == (3, True), before.stderr
    assert before.stdout == ""
    snapshot = home / "hub" / name / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for file in ("config.json", "pytorch_model.bin"):
        (snapshot / file).write_text("{}")
    refused = run_python(*command)
    assert (refused.returncode, "is a pickle, which is never opened" in refused.stdout) == (3, True), refused.stderr
    assert refused.stdout.splitlines()[-1] == "1 failed"


def test_a_wrong_name_on_the_hub_is_not_taken_for_a_missing_download(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compose: Compose
) -> None:
    monkeypatch.setenv("RERANK_EVAL_CACHE", str(tmp_path))
    coordinates = compose("dataset=beir/scifact")["dataset"]
    files = [["another/config.parquet", 1, "0" * 64]]
    folder = tmp_path / "hub" / coordinates["repository"] / coordinates["revision"]
    folder.mkdir(parents=True)
    listing = {"files": files, "sha256": fingerprint({"files": files})}
    (folder / "listing.json").write_text(json.dumps(listing))
    with pytest.raises(NotEvaluableError, match="a run failed"):
        run_command("verify", ["beir/scifact"])
    out = capsys.readouterr().out
    assert f"{coordinates['repository']} at {coordinates['revision'][:12]} has no file for config" in out
    assert out.splitlines()[-1] == "2 failed"


def test_a_download_that_fails_says_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RERANK_EVAL_CACHE", str(tmp_path))
    with pytest.raises(NotEvaluableError, match="a run failed"):
        run_command("verify", ["beir/scifact", "--download"])
    assert "HF_HUB_OFFLINE is set" in capsys.readouterr().out


def test_the_page_has_every_figure_and_is_the_same_twice(data: Path, tmp_path: Path) -> None:
    pages = []
    for _ in range(2):
        run_command("verify", ["vaswani/bm25-no-stemmer", "--data", str(data), "--markdown", str(tmp_path / "page.md")])
        pages.append((tmp_path / "page.md").read_text(encoding="utf-8"))
    first, second = (re.sub(r"\d{4}-\d\d-\d\d, ", "", page) for page in pages)
    assert first == second
    assert first.count("| differs |") == 3
    assert "| bm25-no-stemmer | first stage | 0 | R@100 | 0.4904 | reference, 2026-11 |" in first
    assert str(tmp_path) not in first


def test_the_reference_collection_agrees(collection: FindCollection, capsys: pytest.CaptureFixture[str]) -> None:
    data = collection("vaswani").parent
    assert collection("trec-dl-2019").parent == data
    assert run_command("verify", ["vaswani/bm25", "dl19/bm25", "--data", str(data)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "8 agree"


@pytest.mark.slow
def test_a_spoiled_copy_of_the_reference_collection_differs(collection: FindCollection, tmp_path: Path) -> None:
    copy = shutil.copytree(collection("vaswani"), tmp_path / "vaswani", copy_function=shutil.copyfile)
    (copy / "qrels").chmod(0o755)
    qrels = copy / "qrels" / "test.tsv"
    qrels.write_text("".join(qrels.read_text().splitlines(keepends=True)[:1900]))
    assert run_command("verify", ["vaswani/bm25", "--data", str(tmp_path)]) == 1
