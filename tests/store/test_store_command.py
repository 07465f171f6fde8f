"""`store list|verify|export|prune`: what is kept can be seen, checked, taken along and removed."""

import json
import sqlite3
from pathlib import Path

import pytest

from rerank_eval.calls.kept_answers import encode_batch
from rerank_eval.commands import run_command
from rerank_eval.errors import ConfigError, DataError
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.store import Store
from tests.conftest import RunPython
from tests.fakes import FixedRetriever, Hashed, make_dataset
from tests.fault_server import FaultServer, rerank_answer


def fill(path: Path, url: str) -> None:
    """Six calls of each of two models, and six rows of scores."""
    models = [HttpRerank(url, model, "prov[x]", f"api_{model}") for model in ("big", "small")]
    settings = Settings(depths=(3,), store_path=path, latency=LatencySettings(queries=0))
    evaluate(make_dataset(), FixedRetriever(), [Hashed(), *models], settings)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "s.sqlite"
    with FaultServer() as server:
        fill(path, server.url)
    return path


def damage(path: Path, table: str) -> None:
    with sqlite3.connect(path) as connection:
        key = connection.execute(f"SELECT key FROM {table} ORDER BY key LIMIT 1").fetchone()[0]
        connection.execute(f"UPDATE {table} SET answer = answer || ' ' WHERE key = ?", (key,))
    connection.close()


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str], str]:
    code = run_command("store", [str(argument) for argument in arguments])
    done = capsys.readouterr()
    return code, [" ".join(line.split()) for line in done.out.splitlines()], done.err


def test_list_counts_calls_by_model_and_scores_by_system(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = run(capsys, "list", store)
    assert code == 0
    calls = [line.split() for line in lines if line.startswith("answers of paid calls")]
    assert [words[4:7] for words in calls] == [["prov[x]", "big", "6"], ["prov[x]", "small", "6"]]
    assert calls[0][-2] <= calls[0][-1]
    assert calls[0][-1].startswith("20")
    (scores,) = [line.split() for line in lines if line.startswith("scores")]
    assert scores[1:4] == ["hashed", "n/a", "6"]
    assert scores[-2:] == ["n/a", "n/a"]
    assert "18 answers" in lines[-1]


def test_verify_finds_a_changed_row_and_prune_removes_it(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "verify", store)[:2] == (0, [f"{store}: all 18 answers are intact"])
    damage(store, "calls")
    damage(store, "answers")
    before = store.read_bytes()
    code, lines, errors = run(capsys, "verify", store)
    assert (code, lines) == (1, [])
    assert "damaged: 1 answers of paid calls" in errors
    assert "damaged: 1 scores" in errors
    assert run(capsys, "list", store)[0] == 1
    assert store.read_bytes() == before
    assert run(capsys, "prune", store, "--damaged")[1][0].startswith("removed 2 answers")
    assert run(capsys, "verify", store)[:2] == (0, [f"{store}: all 16 answers are intact"])


def test_a_file_with_broken_pages_is_told_and_left_as_it_is(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray(store.read_bytes())
    content[4096 : 4096 + 2048] = b"\xff" * 2048
    store.write_bytes(content)
    code, lines, _ = run(capsys, "verify", store)
    assert code == 1
    assert "the file itself is damaged" in lines[0]
    assert store.read_bytes() == bytes(content)


def test_export_has_every_intact_answer_as_it_came(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(store, "answers")
    code, lines, _ = run(capsys, "export", store)
    rows = [json.loads(line) for line in lines]
    assert code == 1
    assert len(rows) == 17
    call = next(row for row in rows if row["kind"] == "calls")
    assert (call["provider"], len(call["answer"]["body"]["results"])) == ("prov[x]", 3)
    scores = next(row for row in rows if row["kind"] == "answers")
    assert (scores["system"], len(scores["answer"]["values"])) == ("hashed", 3)
    out = store.parent / "all.jsonl"
    assert run(capsys, "export", store, "--out", out)[1] == [f"exported 17 answers: {out}"]
    assert [json.loads(line) for line in out.read_text().splitlines()] == rows


def test_export_has_an_answer_with_numbers_that_json_has_not_as_the_text_that_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse_constant(name: str) -> float:
        raise AssertionError(name)

    path, odd = tmp_path / "s.sqlite", {"x": float("nan"), "y": [float("-inf")]}
    with FaultServer(answer=lambda body: rerank_answer(body) | odd) as server:
        fill(path, server.url)
    code, lines, _ = run(capsys, "export", path)
    rows = [json.loads(line, parse_constant=refuse_constant) for line in lines]
    assert (code, len(rows)) == (0, 18)
    kept = [json.loads(row["answer"])["body"] for row in rows if row["kind"] == "calls"]
    assert all(str(body["x"]) == "nan" and body["y"] == [float("-inf")] and len(body["results"]) == 3 for body in kept)


def test_prune_removes_what_meets_all_conditions_and_it_is_asked_again(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "prune", store, "--model", "big", "--before", "2020-01-01")[1][0].startswith("removed 0 answers")
    would = run(capsys, "prune", store, "--model", "big", "--before", "2999-01-01", "--dry-run")[1][0]
    assert would.startswith("would remove 6 answers")
    removed = run(capsys, "prune", store, "--model", "big", "--before", "2999-01-01")[1][0]
    assert removed == would.replace("would remove", "removed")
    assert "12 answers" in run(capsys, "list", store)[1][-1]
    run(capsys, "prune", store, "--system", "hashed")
    assert "6 answers" in run(capsys, "list", store)[1][-1]
    run(capsys, "prune", store, "--provider", "prov[x]")
    assert "0 answers" in run(capsys, "list", store)[1][-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--provider", "nosuch"), r"nothing of the provider 'nosuch': valid: prov\[x\]$"),
        (("--provider", "prov[x]", "--model", "bigg"), "nothing of the model 'bigg': did you mean big"),
        (("--system", "big"), "nothing of the system 'big': valid: hashed$"),
    ],
)
def test_prune_of_what_is_not_there_names_what_is(store: Path, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_command("store", ["prune", str(store), *arguments])


def test_a_question_that_is_out_in_a_batch_is_listed_and_is_no_answer(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(store) as opened:
        opened.put_call("key", "prov[x]", "big", encode_batch("batch_1"))
    lines = run(capsys, "list", store)[1]
    assert any("big (out in a batch) 1 " in line for line in lines)
    assert ": 18 answers, 1 questions out in batches, " in lines[-1]


@pytest.mark.parametrize("arguments", [(), ("--system", "x", "--model", "y"), ("--damaged", "--provider", "p")])
def test_prune_wants_one_kind_of_condition(store: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="one kind at a time"):
        run_command("store", ["prune", str(store), *arguments])


def test_a_wrong_day_a_missing_store_and_a_foreign_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'soon' is no date"):
        run_command("store", ["prune", "--before", "soon"])
    with pytest.raises(DataError, match="there is no such store"):
        run_command("store", ["list", str(tmp_path / "none.sqlite")])
    text = tmp_path / "text.sqlite"
    text.write_text("no database, but long enough to have a header of its own " * 9)
    with pytest.raises(DataError, match="it cannot be read"):
        run_command("store", ["list", str(text)])
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(DataError, match="no store of rerank_eval"):
        run_command("store", ["export", str(foreign)])


def test_the_command_lists_the_store_of_this_folder(run_python: RunPython, tmp_path: Path) -> None:
    with FaultServer() as server:
        fill(tmp_path / "experiments" / "store.sqlite", server.url)
    done = run_python("-m", "rerank_eval", "store", "list", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "prov[x]" in done.stdout
    missing = run_python("-m", "rerank_eval", "store", "verify", "none.sqlite", cwd=tmp_path)
    assert missing.returncode == 2
    assert "Traceback" not in missing.stderr
