"""`report` as it is typed: what it writes and says, and how it ends."""

from pathlib import Path

import pytest

from rerank_eval.commands.report import run_report
from rerank_eval.errors import ConfigError, DataError
from tests.conftest import RunPython
from tests.fakes import Hashed, make_dataset
from tests.report.results import make_result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_result(tmp_path_factory.mktemp("experiments"), latency_queries=20).path


def test_one_result_has_its_report_in_its_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_report([str(folder)]) == 0
    out, _ = capsys.readouterr()
    assert out.startswith("On tiny (30 queries), ")
    assert out.splitlines()[-1] == f"report: {folder / 'report.html'}"
    first = (folder / "report.html").read_bytes()
    assert run_report([str(folder)]) == 0
    assert (folder / "report.html").read_bytes() == first


def test_a_limit_is_answered(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_report([str(folder), "--max-p95-ms", "1e-9", "--out", str(tmp_path), "--format", "md"]) == 0
    assert "none fits within 1e-09 ms (p95)" in capsys.readouterr().out


def test_several_results_are_found_under_a_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_result(tmp_path / "experiments" / "other", retriever="other", latency_queries=20)
    monkeypatch.chdir(tmp_path)
    assert run_report([str(folder.parent), "experiments", "--format", "csv"]) == 0
    out, _ = capsys.readouterr()
    assert "report: reports/" in out
    assert list((tmp_path / "reports").glob("*/tables/*.csv"))


def test_what_has_no_mean_over_datasets_is_said_and_listed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    systems = [Hashed(f"system{number}") for number in range(4)]
    other = make_result(tmp_path, systems, make_dataset(20), "other", name="second").path
    assert run_report([str(folder), str(other), "--format", "md,csv,pdf", "--out", str(tmp_path / "out")]) == 0
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "means over datasets" in line]
    assert warning.startswith("warning: not in the means over datasets: other (first stage) (only on second); ")
    assert warning.endswith("; and 3 more, in the report")
    for format_name in ("md", "csv"):
        listed = (tmp_path / "out" / "tables" / f"not-averaged.{format_name}").read_text()
        assert "fixed (first stage)" in listed
        assert "only on second at depth 2, 5" in listed
    assert not list((tmp_path / "out" / "tables").glob("macro.*"))


def test_without_a_result_it_takes_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = tmp_path / "experiments" / "evaluation" / "tiny"
    old, new = make_result(parent).path, make_result(parent).path
    assert old.name < new.name
    monkeypatch.chdir(tmp_path)
    assert run_report([]) == 0
    assert (new / "report.html").is_file()
    assert not (old / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "docx"], "there is no format 'docx'"),
        (["--max-p95-ms", "0"], "'0' is no number above 0"),
        (["--max-usd-per-1000", "nan"], "'nan' is no number of at least 0"),
        (["--seed", "-1"], "--help shows the arguments"),
        (["--max-p95", "3"], "unrecognized arguments: --max-p95"),
    ],
)
def test_a_wrong_argument_is_named(folder: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_report([str(folder), *arguments])


def test_a_folder_without_a_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no result\.json here"):
        run_report([str(tmp_path)])


def test_the_command_ends_with_a_message_and_2(tmp_path: Path, run_python: RunPython) -> None:
    done = run_python("-m", "rerank_eval", "report", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("rerank_eval: nowhere: there is no result.json here")
    assert "Traceback" not in done.stderr
