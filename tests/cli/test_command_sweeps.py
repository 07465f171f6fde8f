"""A sweep from the command line."""

import pytest

from rerank_eval import cli
from rerank_eval.sweep import Sweep
from tests.cli.conftest import Command, user_class

NONE = "reranker=[none]"


def test_a_sweep_runs_every_combination_and_names_each_first(command: Command) -> None:
    done = command("-m", NONE, "seed=1,2")
    assert (done.code, done.out.count("results: ")) == (0, 2)
    first, second = (line for line in done.out.splitlines() if line.startswith("sweep: "))
    assert done.out.startswith(first)
    assert (first.endswith("seed=1"), second.endswith("seed=2")) == (True, True)


def test_of_a_sweep_each_fault_is_named_and_the_other_jobs_run(command: Command) -> None:
    user_class("    def score(self, r): return Scores([1 / (r.query.query_id != 'q000') for _ in r.documents])\n")
    mine = "+rerankers.mine._target_=mine.Mine"
    ended = command("-m", NONE, mine, "max_error_rate=-1,0.0,1.0")
    assert (ended.code, ended.out.count("sweep: "), ended.out.count("results: ")) == (3, 3, 2)
    wrong, failed, summary = (line for line in ended.err.splitlines() if line.startswith("rerank_eval: "))
    assert "max_error_rate=-1: max_error_rate is -1" in wrong
    assert "max_error_rate=0.0: failed queries: mine 1 of 6" in failed
    assert summary == "rerank_eval: 2 of 3 jobs of the sweep failed: max_error_rate=-1, max_error_rate=0.0"
    assert "Error executing job" not in ended.err


def test_what_fails_in_another_process_is_not_taken_for_a_success(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere(Sweep):
        def __init__(self) -> None:
            super().__init__()
            self.process = -1

    monkeypatch.setattr(cli, "Sweep", Elsewhere)
    ended = command("-m", NONE, "seed=1,-1")
    assert ended.code == 2
    assert "seed is -1" in ended.err


def test_an_interrupt_ends_a_sweep(command: Command) -> None:
    user_class("    def score(self, request): raise KeyboardInterrupt\n")
    ended = command("-m", "reranker=[]", "+rerankers.mine._target_=mine.Mine", "seed=1,2")
    assert (ended.code, ended.out.count("sweep: ")) == (130, 1)
    assert "interrupted: the result is marked incomplete" in ended.err
