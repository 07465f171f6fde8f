"""Real processes that are killed, interrupted, out of disk, or two at a time."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes import make_dataset, write_beir_folder

NUM_QUERIES = 40

# The user's own reranker: deterministic, as slow as it is told, and able to meet each fault at a chosen query.
PATIENT = """
import hashlib, os, resource, signal
from rerank_eval.types import Scores

if "FILE_LIMIT" in os.environ:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["FILE_LIMIT"]),) * 2)

class Patient:
    name, pointwise, concurrency = "patient", True, 1

    def __init__(self, rounds):
        self.rounds = rounds

    def score(self, request):
        if request.query.query_id == os.environ.get("KILL_AT"):
            os.kill(os.getpid(), signal.SIGKILL)
        if request.query.query_id == os.environ.get("WAIT_AT"):
            print("waiting", flush=True)
            signal.pause()
        return Scores([self.draw(request.query.text + document.text) for document in request.documents])

    def draw(self, text):
        digest = text.encode()
        for _ in range(self.rounds):
            digest = hashlib.sha256(digest).digest()
        return int.from_bytes(digest[:6], "big") / 2**48
"""


def heed_interrupts() -> None:
    """Undo that a shell has its background jobs, and all that they start, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Workplace:
    """A folder with the data, the user's class, and what the command wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_beir_folder(folder / "data", make_dataset(num_queries=NUM_QUERIES))
        (folder / "patient.py").write_text(PATIENT)

    def start(self, *overrides: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "rerank_eval", "dataset=beir_dir", "dataset.path=data", "retriever=run_file"]
        command += [
            "retriever.path=data/run.trec.gz",
            "reranker=[random]",
            "+rerankers.patient._target_=patient.Patient",
        ]
        command += ["+rerankers.patient.rounds=5", "depths=[5,12]", "latency.queries=0", *overrides]
        if "FILE_LIMIT" in environment:  # it would hit the file that coverage writes as well
            environment |= {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": heed_interrupts}
        return subprocess.Popen(command, cwd=self.folder, env=os.environ | environment, text=True, **pipes)  # type: ignore[call-overload,no-any-return]

    def run(self, *overrides: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*overrides, **environment)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def num_kept(self, output_dir: str = "experiments") -> int:
        """Return how many answers of `patient` are in the store."""
        path = self.folder / output_dir / "store.sqlite"
        if not path.exists():
            return 0
        connection = sqlite3.connect(path)
        try:
            count: int = connection.execute("SELECT count(*) FROM answers WHERE system = 'patient'").fetchone()[0]
        except sqlite3.OperationalError:  # killed before the table was made
            count = 0
        finally:
            connection.close()
        return count

    def results(self, output_dir: str = "experiments") -> list[Path]:
        return sorted(path.parent for path in (self.folder / output_dir).rglob("result.json"))

    def scores(self, output_dir: str = "experiments") -> bytes:
        return (self.results(output_dir)[-1] / "scores.jsonl").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    place = Workplace(tmp_path_factory.mktemp("uninterrupted"))
    assert place.run()[0] == 0
    return place.scores()


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def resumed(err: str) -> int | None:
    found = re.search(rf"patient: resumed (\d+) of {NUM_QUERIES} queries from the store", err)
    return int(found[1]) if found else None


def test_after_kill_9_the_same_command_resumes(place: Workplace, uninterrupted: bytes) -> None:
    code, _, _ = place.run(KILL_AT="q023")
    assert code == -signal.SIGKILL
    assert place.results() == []
    assert place.num_kept() == 23
    code, _, err = place.run()
    assert (code, resumed(err)) == (0, 23)
    assert place.scores() == uninterrupted


@pytest.mark.slow
def test_kill_9_at_ten_random_moments(place: Workplace) -> None:
    slow = "rerankers.patient.rounds=6000"
    begun = time.monotonic()
    assert place.run(slow, "output_dir=whole")[0] == 0
    duration = time.monotonic() - begun
    chance = random.Random(20261122)
    partly = 0
    for kill in range(10):
        output = f"killed{kill}"
        process = place.start(slow, f"output_dir={output}")
        try:
            process.communicate(timeout=chance.uniform(0.2, 1.0) * duration)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        kept = place.num_kept(output)
        partly += 0 < kept < NUM_QUERIES
        code, _, err = place.run(slow, f"output_dir={output}")
        assert (code, resumed(err)) == (0, kept or None)
        assert place.scores(output) == place.scores("whole")
    assert partly > 0  # otherwise no kill came in the middle, and this showed nothing


def test_an_interrupt_leaves_a_partial_result_and_the_same_command_resumes(
    place: Workplace, uninterrupted: bytes
) -> None:
    process = place.start(WAIT_AT="q007")
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert (
        err.splitlines()[-1]
        == "rerank_eval: interrupted: the result is marked incomplete; the same command resumes from the store"
    )
    assert "Traceback" not in err
    assert "INCOMPLETE" in out
    result = json.loads((place.results()[-1] / "result.json").read_text())
    assert result["status"] == "incomplete"
    counts = {s["name"]: s["depths"][-1]["measures"]["nDCG@10"]["num_queries"] for s in result["systems"]}
    assert counts == {"random": NUM_QUERIES, "patient": 7}
    code, _, err = place.run()
    assert (code, resumed(err)) == (0, 7)
    assert place.scores() == uninterrupted


@pytest.mark.slow
def test_a_second_process_is_told_who_has_the_store(place: Workplace) -> None:
    first = place.start(WAIT_AT="q003")
    assert first.stdout is not None
    assert first.stdout.readline() == "waiting\n"
    code, _, err = place.run("store.timeout_s=0")
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=120)
    assert code == 3
    assert f"experiments/store.sqlite is in use by process {first.pid} (since " in err
    assert "store.path=FILE" in err
    assert place.run("store.timeout_s=0")[0] == 0


@pytest.mark.slow
def test_two_processes_that_write_at_once_get_two_folders(place: Workplace, uninterrupted: bytes) -> None:
    processes = [place.start(f"store.path=store{number}") for number in range(2)]
    assert [process.communicate(timeout=120) and process.returncode for process in processes] == [0, 0]
    folders = place.results()
    assert len(folders) == 2
    assert {(folder / "scores.jsonl").read_bytes() for folder in folders} == {uninterrupted}
    assert list((place.folder / "experiments").rglob(".unfinished*")) == []


@pytest.mark.slow
def test_a_store_that_cannot_grow_ends_with_3_and_keeps_what_was_committed(
    place: Workplace, uninterrupted: bytes
) -> None:
    code, _, err = place.run(FILE_LIMIT="200000")
    assert code == 3
    assert re.search(r"the store \S+ cannot be written: .*; what it already holds is kept", err.splitlines()[-1])
    assert "Traceback" not in err
    code, _, err = place.run()
    assert code == 0
    assert "random: resumed" in err
    assert place.scores() == uninterrupted


def test_a_result_that_cannot_be_written_ends_with_3_and_leaves_nothing_half_written(place: Workplace) -> None:
    code, _, err = place.run("store.path=null", FILE_LIMIT="3000")
    assert code == 3
    assert "experiments/evaluation/data: [Errno 27] File too large" in err.splitlines()[-1]
    assert [path.name for path in (place.folder / "experiments").rglob("*")] == ["evaluation", "data"]
