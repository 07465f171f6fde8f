"""A run whose batch is out when it is killed or interrupted: the same command fetches the batch, and pays for nothing twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.calls.batch_server import BatchServer, is_look
from tests.conftest import ROOT
from tests.fakes import make_dataset, write_beir_folder
from tests.test_crash_safety import heed_interrupts

pytest.importorskip("anthropic")
DATASET = make_dataset()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_same_command_fetches_what_was_sent_before_the_end(how: signal.Signals, tmp_path: Path) -> None:
    folder = write_beir_folder(tmp_path / "data", DATASET)
    chat = "rerankers.claude_listwise.chat"
    with BatchServer() as server:
        command = [sys.executable, "-m", "rerank_eval", "dataset=beir_dir", f"dataset.path={folder}", "depths=[9]"]
        command += ["retriever=run_file", f"retriever.path={folder / 'run.trec.gz'}"]
        command += ["reranker=[claude_listwise]", "rerankers.claude_listwise.window=6", "latency.queries=0"]
        command += ["rerankers.claude_listwise.stride=3", f"{chat}.base_url={server.url}"]
        command += [f"{chat}.batch.queries={len(DATASET.queries)}", f"{chat}.batch.poll_s=0.05"]
        environment = os.environ | {"ANTHROPIC_API_KEY": "planted-4f1c9d2e7a", "PYTHONPATH": str(ROOT)}
        server.is_ending.clear()
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
        ) as process:
            while not any(map(is_look, server.asked)):
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(how)
            _, errors = process.communicate(timeout=60)
        if how is signal.SIGINT:
            assert process.returncode == 130
            assert "sent 6 questions in the batch msgbatch_0" in errors
            assert "6 questions are still out in the batches msgbatch_0; they are paid for" in errors
            assert "the same command resumes" in errors
        server.is_ending.set()
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "anthropic: waiting for the batch msgbatch_0, which was sent before" in done.stderr
    assert [len(questions) for questions in server.questions] == [6, 6]  # two windows a query
    assert len(set(server.custom_ids)) == 12
