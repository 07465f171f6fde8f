"""Ctrl-C twice, with an answer in flight that does not come."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rerank_eval.interrupts import ending_at_the_second_interrupt
from tests.conftest import ROOT
from tests.fakes import make_dataset, write_beir_folder
from tests.fault_server import GOOD, Asked, Behaviour, FaultServer
from tests.test_crash_safety import heed_interrupts


def test_the_second_interrupt_ends_the_command_at_once_and_without_a_traceback(tmp_path: Path) -> None:
    folder = write_beir_folder(tmp_path / "data", make_dataset())
    is_over = threading.Event()

    def behave(asked: Asked) -> Behaviour:
        is_over.wait(120)
        return GOOD

    with FaultServer(behave) as server:
        command = [sys.executable, "-m", "rerank_eval", "dataset=beir_dir", f"dataset.path={folder}", "depths=[9]"]
        command += ["retriever=run_file", f"retriever.path={folder / 'run.trec.gz'}", "latency.queries=0"]
        command += [
            "reranker=[http_rerank]",
            "rerankers.http_rerank.model=m",
            f"rerankers.http_rerank.url={server.url}/r",
        ]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
        ) as process:
            while not server.asked:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):  # what is in flight is waited for
                process.wait(1)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
            assert not is_over.is_set()
            is_over.set()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.rstrip().endswith("the same command goes on from there")
    assert "rerank_eval: interrupted twice: what was in flight is lost" in errors


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.default_int_handler])
def test_what_ctrl_c_meant_before_it_means_again(before: signal.Handlers) -> None:
    found = signal.signal(signal.SIGINT, before)
    try:
        with ending_at_the_second_interrupt():
            assert (signal.getsignal(signal.SIGINT) is before) == (before is signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, found)
