"""kill -9 on a real process against a counting server: what was answered is not asked for again."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fault_server import Behaviour, FaultServer

KILLS, CONCURRENCY = 10, 4


@pytest.mark.slow
def test_after_ten_kills_only_what_was_in_flight_is_paid_for_twice(tmp_path: Path) -> None:
    chance = random.Random(3)

    with FaultServer(lambda asked: Behaviour(delay_s=0.15)) as server:
        api = "rerankers.cohere_v4_pro"
        command = [
            sys.executable,
            "-m",
            "rerank_eval",
            "reranker=[cohere_v4_pro]",
            "depths=[5,20]",
            "latency.queries=0",
        ]
        command += [f"{api}.base_url={server.url}", f"{api}.calls.calls_per_minute=null"]
        command += [f"{api}.calls.concurrency={CONCURRENCY}"]
        environment = os.environ | {"COHERE_API_KEY": "planted-4f1c9d2e7a", "PYTHONPATH": str(ROOT)}
        for _ in range(KILLS):
            wanted = len(server.asked) + chance.randrange(1, 9)
            with subprocess.Popen(
                command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                while len(server.asked) < wanted:
                    assert process.poll() is None
                    time.sleep(0.005)
                time.sleep(chance.random() * 0.15)
                process.kill()
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    questions = Counter(str(asked.body) for asked in server.asked)
    assert len(questions) == 84
    assert len(server.asked) - len(questions) <= KILLS * CONCURRENCY
    assert f"of {len(questions)} queries from the store" in done.stderr
