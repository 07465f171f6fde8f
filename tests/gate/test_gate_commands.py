"""`compare` and `baseline` as a CI job runs them: exit codes, files, messages."""

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
import yaml

from rerank_eval.commands import gate as gate_commands
from rerank_eval.errors import RerankEvalError
from tests.conftest import ROOT
from tests.fakes import make_dataset
from tests.gate_results import Informed, write_small_result


def ended(run: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Report an error as the command line does, and return the exit code."""
    try:
        return run(arguments)
    except RerankEvalError as error:
        print(f"rerank_eval: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code


run_compare = partial(ended, gate_commands.run_compare)
run_baseline = partial(ended, gate_commands.run_baseline)


class Written(NamedTuple):
    """What a run of `compare` left: its exit code and its files."""

    code: int
    junit: Mapping[str, str]
    summary: str
    document: Mapping[str, object]


def run(folder: Path, *arguments: Path | str) -> Written:
    junit, summary, document = (folder / "out" / name for name in ("junit.xml", "summary.md", "verdicts.json"))
    code = run_compare(
        [*map(str, arguments), "--junit", str(junit), "--summary", str(summary), "--json", str(document)]
    )
    assert [path.name for path in sorted((folder / "out").iterdir())] == ["junit.xml", "summary.md", "verdicts.json"]
    return Written(
        code, ElementTree.parse(junit).getroot().attrib, summary.read_text(), json.loads(document.read_text())
    )


def assert_agrees(written: Written, code: int, result: str) -> None:
    """Each file says what the exit code says."""
    assert written.code == written.document["exit_code"] == code
    assert str(written.document["summary"]).startswith(f"{result} (exit {code}): ")
    assert written.junit["name"] == written.document["summary"]
    assert written.summary.startswith(f"### rerank_eval compare: {result} (exit {code}): ")
    failed = int(written.junit["failures"]) > 0, int(written.junit["errors"]) > 0
    assert failed == (code == 1, code in (2, 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_result(tmp_path_factory.mktemp("baseline"))


@pytest.fixture(scope="module")
def baseline(folder: Path) -> Path:
    file = folder.parent / "b.json"
    assert run_baseline([str(folder), str(file)]) == 0
    return file


def test_a_result_compared_with_itself_passes(tmp_path: Path, folder: Path, baseline: Path) -> None:
    for pair in ((folder, folder), (baseline, folder)):
        written = run(tmp_path, *pair, "--strict", "--measure", "nDCG@10", "--measure", "RR@10")
        assert_agrees(written, 0, "passed")
        assert written.junit["tests"] == "6"


def test_scores_shuffled_for_a_third_of_the_queries_fail(tmp_path: Path, baseline: Path) -> None:
    shuffled = write_small_result(tmp_path / "results", Informed(spoil=lambda index: index % 3 == 0))
    written = run(tmp_path, baseline, shuffled)
    assert_agrees(written, 1, "FAILED")
    assert "| regression | informed | 20 | nDCG@10 |" in written.summary


def test_other_data_is_not_comparable(tmp_path: Path, baseline: Path) -> None:
    other = write_small_result(tmp_path / "results", dataset=make_dataset(59, 30))
    written = run(tmp_path, baseline, other)
    assert_agrees(written, 2, "no verdict")
    assert "not comparable: the hash of the data" in written.summary


def test_a_run_in_which_most_queries_failed_is_not_evaluable(
    tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = write_small_result(tmp_path / "results", Informed(broken=lambda index: index % 3 != 0))
    written = run(tmp_path, baseline, failed)
    assert_agrees(written, 3, "no verdict")
    assert "not\\_evaluable" in written.summary
    assert capsys.readouterr().err.startswith(f"rerank_eval: {failed} is not_evaluable")


def test_all_queries_failed_is_not_evaluable_and_no_measure_is_0(tmp_path: Path, baseline: Path) -> None:
    failed = write_small_result(tmp_path / "results", Informed(broken=lambda index: True))
    written = run(tmp_path, baseline, failed)
    assert_agrees(written, 3, "no verdict")
    assert "0.0" not in written.summary.replace(str(failed), "")


@pytest.mark.parametrize("content", [None, "", '{"format_version": 0, "kind": "baseline"}', '{"format_version": 1}'])
def test_a_baseline_that_is_missing_or_of_another_format_is_never_green(
    tmp_path: Path, folder: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "b.json").write_text(content)
    written = run(tmp_path, tmp_path / "b.json", folder)
    assert_agrees(written, 2, "no verdict")
    assert str(written.document["summary"]).startswith("no verdict (exit 2): not comparable: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: BASELINE, CANDIDATE"),
        (["a"], "the following arguments are required: CANDIDATE"),
        (["a", "b", "c"], "unrecognized arguments: c"),
        (["a", "b", "--min-effect", "nan"], "'nan' is no number of at least 0"),
        (["a", "b", "--min-effect=-0.1"], "'-0.1' is no number of at least 0"),
        (["a", "b", "--min-effect", "1%"], "'1%' is no number of at least 0"),
        (["a", "b", "--max-latency-ratio", "0"], "'0' is no number above 0"),
        (["a", "b", "--max-latency-ratio", "1e999"], "'1e999' is no number of at least 0"),
        (["a", "b", "--seed", "-1"], "argument --seed"),
        (["a", "b", "--seed", "1.5"], "'1.5' is no integer of at least 0"),
        (["a", "b", "--min", "1"], "unrecognized arguments: --min 1"),
    ],
)
def test_wrong_arguments_are_one_message_and_exit_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_compare(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("rerank_eval: ")
    assert message in error
    assert error.count("\n") == 1
    assert "rerank_eval compare --help" in error


def test_a_measure_that_there_is_not_is_named(tmp_path: Path, folder: Path) -> None:
    for measure, message in (("foo", "unknown measure 'foo'"), ("P@5", "lacks P@5; it has nDCG@10, RR@10")):
        written = run(tmp_path, folder, folder, "--measure", measure)
        assert_agrees(written, 2, "no verdict")
        assert message in str(written.document["summary"])


def test_the_step_summary_is_added_to_and_any_other_file_replaced(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, other = tmp_path / "steps.md", tmp_path / "other.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(steps))
    for path in (steps, other):
        path.write_text("earlier\n")
        for _ in range(2):
            assert run_compare([str(folder), str(folder), "--summary", str(path)]) == 0
    assert steps.read_text().startswith("earlier\n### ")
    assert steps.read_text().count("### rerank_eval compare: passed") == 2
    assert other.read_text().count("### rerank_eval compare: passed") == 1
    assert "earlier" not in other.read_text()


def test_verdicts_that_cannot_be_written_are_no_pass_and_leave_nothing(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    arguments = [str(folder), str(folder), "--junit", str(tmp_path / "j.xml"), "--json", str(tmp_path / "file" / "x")]
    assert run_compare(arguments) == 3
    assert "the verdicts cannot be written: " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_special_file_is_written_to_and_not_replaced(folder: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader:
        assert run_compare([str(folder), str(folder), "--json", f"/dev/fd/{writing}"]) == 0
        os.close(writing)
        assert json.load(reader)["exit_code"] == 0


def test_the_table_ends_with_the_outcome(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_compare([str(folder), str(folder)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = output.out.splitlines()
    assert lines[0].split() == [
        "verdict",
        "system",
        "depth",
        "measure",
        "baseline",
        "candidate",
        "change",
        "[95%]",
        "p",
        "detectable",
    ]
    assert lines[-1] == "passed (exit 0): 3 comparisons on tiny (test): 3 no change"


def test_help_names_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_compare(["--help"])
    assert caught.value.code == 0
    assert "0 no regression, 1 regression, 2 not comparable" in " ".join(capsys.readouterr().out.split())


def test_baseline_says_what_it_wrote_or_why_not(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_baseline([str(folder), str(tmp_path / "b.json")]) == 0
    assert capsys.readouterr().out == f"baseline: {tmp_path / 'b.json'}\n"
    assert run_baseline([str(tmp_path / "nowhere"), str(tmp_path / "c.json")]) == 2
    assert "nowhere: there is no such file" in capsys.readouterr().err
    assert run_baseline([]) == 2
    assert "required: RESULT, FILE; rerank_eval baseline --help" in capsys.readouterr().err
    failed = write_small_result(tmp_path / "results", Informed(broken=lambda index: index == 1))
    assert run_baseline([str(failed), str(tmp_path / "c.json")]) == 3
    assert "is not_evaluable; a baseline must be a complete result" in capsys.readouterr().err
    assert not (tmp_path / "c.json").exists()


def test_the_same_comparison_gives_the_same_files(tmp_path: Path, folder: Path, baseline: Path) -> None:
    candidate = write_small_result(tmp_path / "results", Informed(spoil=lambda index: index % 5 == 0))
    assert run(tmp_path, baseline, candidate) == run(tmp_path, baseline, candidate)


def test_the_workflow_of_the_documentation_compares(tmp_path: Path, folder: Path, baseline: Path) -> None:
    """Its command, with its file and its variables filled in, is one that this version takes."""
    _, _, after = (ROOT / "docs" / "ci.md").read_text().partition("```yaml\n")
    workflow = yaml.safe_load(after.partition("```")[0])
    steps = [step.get("run", "") for step in workflow["jobs"]["gate"]["steps"]]
    (command,) = (step for step in steps if "rerank_eval compare" in step)
    values = {
        "$RESULT": str(folder),
        "$GITHUB_STEP_SUMMARY": str(tmp_path / "s.md"),
        "verdicts.xml": str(tmp_path / "v.xml"),
    }
    words = [values.get(word, word) for word in shlex.split(command)]
    assert words[:4] == ["python", "-m", "rerank_eval", "compare"]
    assert words[4] == "experiments/baselines/helpdesk.json"
    assert run_compare([str(baseline), *words[5:]]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.md", "v.xml"]
