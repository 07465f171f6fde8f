"""Answers from reranked context from the command line, and with the command killed."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.answers.answering import DATASET, NUM_QUERIES
from tests.chat_server import claude_answer
from tests.conftest import ROOT, RunPython
from tests.fakes import write_beir_folder
from tests.fault_server import Behaviour, FaultServer

pytest.importorskip("anthropic")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "planted-4f1c9d2e7a")


def write_data(folder: Path) -> Path:
    write_beir_folder(folder, DATASET)
    lines = [json.dumps({"query_id": name, "answers": texts}) for name, texts in DATASET.reference_answers.items()]
    (folder / "answers.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_the_command_answers_prints_and_reports(tmp_path: Path, run_python: RunPython) -> None:
    data = write_data(tmp_path / "data")
    base = ["-m", "rerank_eval", "dataset=beir_dir", f"dataset.path={data}", "reranker=[none,random]", "depths=[4,12]"]
    with FaultServer(answer=claude_answer) as server:
        arguments = [
            *base,
            "answer=claude",
            f"answer.chat.base_url={server.url}",
            "answer.context=3",
            "answer.depths=[4]",
        ]
        dry = run_python(*arguments, "dry_run=true", cwd=tmp_path)
        assert dry.returncode == 0, dry.stderr
        assert "answers, bm25" in dry.stdout
        assert "at most 6" in dry.stdout
        assert not server.asked
        done = run_python(*arguments, "latency.queries=2", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        wrong = run_python(*base, "answer=claude", "answer.kontext=3", cwd=tmp_path)
    assert "answers of" in done.stdout
    assert "P@3" in done.stdout
    folder = tmp_path / done.stdout.split()[-1]
    rows = [json.loads(line) for line in (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 2 * 2 * NUM_QUERIES
    assert {row["depth"] for row in rows} == {0, 4}
    checked = run_python("-m", "rerank_eval", "check-data", *base[2:4], cwd=tmp_path)
    assert "queries with reference answers: 6 (100.0%)" in checked.stdout
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("rerank_eval: there is no setting 'answer.kontext': did you mean answer.context")


@pytest.mark.slow
def test_after_kills_only_what_was_in_flight_is_paid_for_twice(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    concurrency, kills = 2, 3
    with FaultServer(lambda asked: Behaviour(delay_s=0.2), claude_answer) as server:
        command = [sys.executable, "-m", "rerank_eval", "dataset=beir_dir", f"dataset.path={data}", "reranker=[random]"]
        command += ["depths=[4,12]", "latency.queries=0", "answer=claude", f"answer.chat.base_url={server.url}"]
        command += [f"answer.chat.calls.concurrency={concurrency}"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        for kill in range(kills):
            with subprocess.Popen(
                command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                wanted = len(server.asked) + 2 + kill % 2
                while len(server.asked) < wanted:
                    assert process.poll() is None
                    time.sleep(0.005)
                process.kill()
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    questions = Counter(str(asked.body) for asked in server.asked)
    assert NUM_QUERIES < len(questions) <= 2 * NUM_QUERIES
    assert len(server.asked) - len(questions) <= kills * concurrency
