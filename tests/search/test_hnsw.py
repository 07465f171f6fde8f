"""The HNSW graph: an interrupted build goes on, and leaves the bytes of one that was not; full disks and damage are seen."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rerank_eval.search.hnsw import HNSWIndex, HNSWSettings
from tests.conftest import RunPython
from tests.fakes import Recorder

BLOCKS: list[NDArray[Any]] = np.split(
    np.random.default_rng(5).standard_normal((1260, 8)).astype(np.float16), range(10, 1260, 10)
)
"""126 blocks: parts of the graph end at 48, 96 and 126."""


def build(place: Path) -> tuple[bytes, Recorder]:
    place.mkdir(exist_ok=True)
    progress = Recorder()
    HNSWIndex(HNSWSettings(8, 32, 32), BLOCKS, place / "vectors", progress, "dense")
    (graph,) = place.rglob("graph.usearch")
    assert not list(place.rglob("parts"))
    return graph.read_bytes(), progress


KILLED = """
import os, resource, signal, sys
from pathlib import Path
from rerank_eval.search.hnsw import HNSWIndex, HNSWSettings
from rerank_eval.protocols import SilentProgress
from tests.search.test_hnsw import BLOCKS

class Killer(SilentProgress):
    left = int(sys.argv[2])

    def advance(self, steps=1):
        self.left -= steps
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
HNSWIndex(HNSWSettings(8, 32, 32), BLOCKS, Path(sys.argv[1]) / "vectors", Killer(), "dense")
"""


@pytest.mark.parametrize(("killed_after", "resumed"), [(470, 0), (490, 480), (1100, 960), (1260, 960)])
def test_a_killed_build_goes_on_from_its_last_part_and_leaves_the_same_bytes(
    killed_after: int, resumed: int, tmp_path: Path, run_python: RunPython
) -> None:
    killed = tmp_path / "killed"
    killed.mkdir()
    assert run_python("-c", KILLED, str(killed), str(killed_after)).returncode == -signal.SIGKILL
    graph, progress = build(killed)
    assert progress.steps == 1260
    note = f"dense: {resumed} vectors were in the graph from an interrupted run"
    assert progress.notes == ([note] if resumed else [])
    assert graph == build(tmp_path / "whole")[0]


def test_onnxruntime_can_be_used_after_the_graph(tmp_path: Path, run_python: RunPython) -> None:
    done = run_python("-c", KILLED + "import onnxruntime\nonnxruntime.get_available_providers()", str(tmp_path), "9999")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_damaged_part_is_not_gone_on_from(tmp_path: Path, run_python: RunPython) -> None:
    assert run_python("-c", KILLED, str(tmp_path), "1100").returncode == -signal.SIGKILL
    (part,) = (path for path in tmp_path.rglob("parts/*") if not path.name.endswith(".unfinished"))
    damaged = bytearray(part.read_bytes())
    damaged[-100] ^= 1
    part.write_bytes(damaged)
    graph, progress = build(tmp_path)
    assert progress.notes == []
    assert graph == build(tmp_path / "whole")[0]


@pytest.mark.parametrize("lacking", [1, 3000])
def test_a_full_disk_is_said_even_where_only_the_last_byte_is_missing(
    lacking: int, tmp_path: Path, run_python: RunPython
) -> None:
    whole, _ = build(tmp_path / "whole")
    place = tmp_path / "full"
    place.mkdir()
    done = run_python("-c", KILLED, str(place), "9999", str(len(whole) - lacking))
    assert "NotEvaluableError: no space left for" in done.stderr
    graph, progress = build(place)
    assert progress.notes == ["dense: 960 vectors were in the graph from an interrupted run"]
    assert graph == whole
