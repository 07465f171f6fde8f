"""What other processes take of the cores during the latency pass is found out, and said."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rerank_eval.core_use import CoreUse, cores_of_others, read_core_use
from rerank_eval.evaluation.caveats import about_other_processes
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Request, Scores
from tests.fakes import FixedRetriever, Hashed, make_dataset

only_linux = pytest.mark.skipif(read_core_use() is None, reason="this system does not tell what its cores do")
BEFORE = CoreUse(cores=4, passed_s=4000.0, busy_s=1000.0, own_s=50.0)


@pytest.mark.parametrize(
    ("busy_s", "own_s", "cores"),
    [
        (30.0, 10.0, 2.0),  # over 10 s
        (10.0, 10.0, 0.0),
        (10.0, 10.3, 0.0),  # ticks are counted at other moments
    ],
)
def test_what_is_busy_and_not_by_this_process_is_by_others(busy_s: float, own_s: float, cores: float) -> None:
    after = CoreUse(4, BEFORE.passed_s + 4 * 10, BEFORE.busy_s + busy_s, BEFORE.own_s + own_s)
    assert cores_of_others(BEFORE, after) == pytest.approx(cores)


def test_nothing_is_known_without_figures_or_over_a_moment_or_if_the_cores_are_others() -> None:
    moment = BEFORE._replace(passed_s=BEFORE.passed_s + 4 * 0.9, busy_s=BEFORE.busy_s + 3)
    later = BEFORE._replace(passed_s=BEFORE.passed_s + 4 * 10, busy_s=BEFORE.busy_s + 3)
    pairs = [(None, later), (BEFORE, None), (BEFORE, moment), (BEFORE._replace(cores=2), later)]
    assert [cores_of_others(before, after) for before, after in pairs] == [None] * 4


@only_linux
def test_only_cores_that_this_process_may_use_count_and_waiting_is_not_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1, 3})
    monkeypatch.setattr("os.sysconf", lambda _: 100)
    stat = tmp_path / "stat"
    rows = ["cpu 9 9 9 9 9 9 9 9 9 9", "cpu0 900 0 0 0 0 0 0 0 0 0", "cpu1 100 20 30 500 50 1 2 97 7 7"]
    stat.write_text("\n".join([*rows, "cpu3 0 0 0 700 100 0 0 0 0 0", "intr 5 0", ""]), encoding="utf-8")
    use = read_core_use(stat)
    assert use is not None
    assert (use.cores, use.passed_s, use.busy_s) == (2, 16.0, 2.5)


@only_linux
@pytest.mark.parametrize("text", ["", "cpu0 1 2", "cpu0 a b c d e f g h", "cpu0 0 0 0 0 0 0 0 0"])
def test_a_system_that_tells_nothing_useful_tells_nothing(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    (tmp_path / "stat").write_text(text, encoding="utf-8")
    assert read_core_use(tmp_path / "stat") is None
    assert read_core_use(tmp_path / "nowhere") is None


def test_a_quarter_of_a_core_is_too_little_to_speak_of() -> None:
    assert about_other_processes(None) == about_other_processes(0.25) == []
    (sentence,) = about_other_processes(1.26)
    assert sentence.startswith("latency: other processes kept 1.3 cores busy on average while it was measured; ")


class Slow(Hashed):
    """Takes its time, without work."""

    def score(self, request: Request) -> Scores:
        time.sleep(0.1)
        return super().score(request)


@only_linux
def test_work_beside_the_latency_pass_is_in_the_warnings_of_the_result() -> None:
    latency = LatencySettings(queries=3, repetitions=5, warmup=0)
    settings = replace(Settings(depths=(5,), measures=("nDCG@10",)), latency=latency)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as beside:
        try:
            found = evaluate(make_dataset(), FixedRetriever(), [Slow()], settings)
        finally:
            beside.kill()
    assert any(warning.startswith("latency: other processes kept ") for warning in found.warnings)
