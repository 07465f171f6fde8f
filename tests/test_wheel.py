"""The wheel as a user gets it: built, unpacked into an empty folder, run from another one."""

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.conftest import ROOT, RunPython

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("rerank_eval-*-py3-none-any.whl")
    return ZipFile(path)


@pytest.fixture(scope="module")
def unpacked(wheel: ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel, with one reranker more than the checkout has, to tell the two apart."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel.extractall(folder)
    source = (folder / "rerank_eval/conf/reranker/none.yaml").read_text(encoding="utf-8")
    marked = source.replace("rerankers.none\n", "rerankers.only_in_the_wheel\n")
    (folder / "rerank_eval/conf/reranker/only_in_the_wheel.yaml").write_text(marked, encoding="utf-8")
    return folder


def files_below(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in paths}


def test_it_carries_the_package_the_configuration_and_the_data(wheel: ZipFile) -> None:
    names = set(wheel.namelist())
    assert {f"rerank_eval/conf/{name}" for name in files_below(ROOT / "conf")} <= names
    data = "rerank_eval/datasets/helpdesk_data"
    expected = {f"{data}/{name}" for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "README.md")}
    assert expected | {"rerank_eval/py.typed"} <= names
    assert {f"rerank_eval/{name}" for name in files_below(ROOT / "rerank_eval")} <= names


def test_it_carries_nothing_else(wheel: ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"rerank_eval"}
    assert not [name for name in wheel.namelist() if "__pycache__" in name or name.endswith((".pyc", ".sqlite"))]
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel.namelist())


def test_its_console_script_is_the_command(wheel: ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    scripts = ConfigParser()
    scripts.read_string(wheel.read(name).decode())
    assert dict(scripts["console_scripts"]) == {"rerank-eval": "rerank_eval.cli:main"}


@pytest.mark.parametrize("start", [["-m", "rerank_eval"], ["-c", "from rerank_eval.cli import main; main()"]])
def test_the_command_works_in_an_empty_folder_with_the_configuration_of_the_wheel(
    start: list[str], unpacked: Path, tmp_path: Path, run_python: RunPython
) -> None:
    done = run_python(*start, "--help", cwd=tmp_path, package=unpacked)
    assert done.returncode == 0, done.stderr
    assert "only_in_the_wheel" in done.stdout
    assert files_below(tmp_path) == set()


def test_an_evaluation_of_the_embedded_data_runs_from_the_wheel(
    unpacked: Path, tmp_path: Path, run_python: RunPython
) -> None:
    settings = ("reranker=[only_in_the_wheel,random]", "depths=[5]", "latency.queries=0", "store.path=null")
    done = run_python("-m", "rerank_eval", *settings, cwd=tmp_path, package=unpacked)
    assert done.returncode == 0, done.stderr
    (folder,) = (line for line in done.stdout.splitlines() if line.startswith("results: "))
    assert (tmp_path / folder.removeprefix("results: ") / "result.json").is_file()
