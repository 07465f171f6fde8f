"""What README.md and docs/ tell a user to type works."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from rerank_eval.commands import COMMANDS, run_command
from rerank_eval.components import check_component
from rerank_eval.errors import RerankEvalError
from tests.conftest import ROOT, Compose, RunPython

README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in one of the languages; '' is a fence without one."""
    fences = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [content for language, content in fences if language in languages]


def commands(page: Path) -> list[str]:
    """What follows `python -m rerank_eval` or `rerank-eval` in the shell blocks of a page, without comments."""
    text = "\n".join(blocks(page, "", "sh", "bash", "shell", "console")).replace("\\\n", " ")
    found = re.findall(r"^(?:\$ )?(?:python -m rerank_eval|rerank-eval)\b(.*)$", text, re.MULTILINE)
    return [shlex.join(shlex.split(words, comments=True)) for words in found]


def named(page: Path, contents: list[str]) -> list[object]:
    return [pytest.param(content, id=f"{page.stem}-{place}") for place, content in enumerate(contents)]


def test_the_blocks_of_the_readme_are_found() -> None:
    assert len(blocks(README, "python")) >= 2
    assert len(commands(README)) >= 5


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{page.stem}-{place}", marks=[pytest.mark.slow] if "load_helpdesk()" in block else [])
        for page in PAGES
        for place, block in enumerate(blocks(page, "python"))
    ],
)
def test_a_python_example_runs_in_an_empty_folder(block: str, run_python: RunPython) -> None:
    done = run_python("-c", block)
    assert (done.returncode, done.stderr) == (0, "")


ALL_COMMANDS = [(page, command) for page in PAGES for command in commands(page)]
OF_RESULTS = [command for _, command in ALL_COMMANDS if command.split(" ", 1)[0] in {*COMMANDS} - {"check-data"}]
OF_SETTINGS = [
    param
    for page in PAGES
    for param in named(page, [found for where, found in ALL_COMMANDS if where == page and found not in OF_RESULTS])
]


@pytest.mark.parametrize("command", OF_RESULTS)
def test_a_shown_command_of_results_is_refused_only_for_the_missing_result(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    name, *arguments = shlex.split(command)
    try:
        run_command(name, arguments)
        message = capsys.readouterr().err
    except RerankEvalError as error:
        message = str(error)
    assert "there is no" in message
    assert "--help shows the arguments" not in message


@pytest.mark.parametrize("command", OF_SETTINGS)
def test_a_shown_command_composes_and_its_components_take_the_settings(command: str, compose: Compose) -> None:
    words = shlex.split(command.removeprefix("check-data"))
    settings = []
    for override in OverridesParser.create().parse_overrides([word for word in words if not word.startswith("-")]):
        values = override.sweep_string_iterator() if override.is_sweep_override() else iter(())
        first = next(values, None)  # of a multirun
        settings.append(str(override.input_line) if first is None else f"{override.get_key_element()}={first}")
    composed = compose(*settings)
    assert set(composed) == set(compose())
    components = {"dataset": composed["dataset"], "retriever": composed["retriever"], **composed["rerankers"]}
    for where, component in components.items():
        targets = re.findall(r"'_target_': '([^']+)'", str(component))
        if all(target.startswith("rerank_eval.") for target in targets):  # others: test_extending.py
            check_component(component, where)


def test_the_make_targets_that_the_readme_names_exist() -> None:
    text = README.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    shown = set(re.findall(r"^make ([\w-]+)", text, re.MULTILINE)) | set(re.findall(r"`make ([\w-]+)`", text))
    assert shown
    assert shown <= set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_a_page_links_to_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.slow
def test_own_data_in_five_minutes_runs_as_written(tmp_path: Path) -> None:
    (script,) = [block for block in blocks(README, "", "sh", "bash") if "mkdir -p mydata" in block]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("experiments/*/mydata/*/result.json"))) == 1
