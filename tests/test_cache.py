"""Folders that appear whole or not at all, are checked, and are built once."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest
from filelock import FileLock

from rerank_eval.cache import PARTS, build_folder, cache_root, find_parts, is_intact, keep_part
from rerank_eval.errors import ConfigError, DataError, NotEvaluableError
from tests.conftest import RunPython

WEEK = 7 * 24 * 3600


def built(place: Path) -> list[Path]:
    return sorted(place.glob("[!.]*"))


def left(place: Path) -> list[Path]:
    return [path for path in sorted((place / ".building").iterdir()) if path.is_dir()]


def write_part(folder: Path) -> None:
    (folder / "part").write_text("1")


def test_the_place_is_the_chosen_one_or_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RERANK_EVAL_CACHE", str(tmp_path / "chosen"))
    assert cache_root() == tmp_path / "chosen"
    monkeypatch.delenv("RERANK_EVAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "rerank_eval"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "rerank_eval"


def test_a_folder_is_there_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a" / "index"

    def build(folder: Path) -> None:
        (folder / PARTS).mkdir()
        (folder / PARTS / "1").write_text("for a continuation only")
        write_part(folder)
        assert not target.exists()

    build_folder(target, build)
    assert {path.name for path in target.iterdir()} == {"part", "rerank_eval.json"}
    assert (built(target.parent), left(target.parent)) == ([target], [])


def test_an_intact_folder_is_kept(tmp_path: Path) -> None:
    build_folder(tmp_path / "index", write_part)
    build_folder(tmp_path / "index", lambda folder: pytest.fail("built again"))
    assert (tmp_path / "index" / "part").read_text() == "1"


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "part").write_text("2"),
        lambda folder: (folder / "part").unlink(),
        lambda folder: (folder / "rerank_eval.json").unlink(),
        lambda folder: (folder / "rerank_eval.json").write_text('{"files": []}'),
        lambda folder: (folder / "rerank_eval.json").write_bytes(b"\xff"),
    ],
)
def test_a_damaged_folder_is_built_again(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    target = tmp_path / "index"
    build_folder(target, write_part)
    damage(target)
    assert not is_intact(target)
    build_folder(target, write_part)
    assert is_intact(target)
    assert (target / "part").read_text() == "1"


@pytest.mark.parametrize("fault", [OSError("not connected"), KeyboardInterrupt()])
def test_a_build_that_fails_leaves_nothing(tmp_path: Path, fault: BaseException) -> None:
    def build(folder: Path) -> None:
        write_part(folder)
        raise fault

    with pytest.raises(type(fault)):
        build_folder(tmp_path / "index", build)
    assert (built(tmp_path), left(tmp_path)) == ([], [])


@pytest.mark.parametrize(
    ("fault", "resumable", "kept"),
    [(OSError("not connected"), True, True), (KeyboardInterrupt(), True, True), (DataError("empty"), True, False)],
)
def test_a_resumable_build_finds_what_it_left_unless_the_data_is_at_fault(
    tmp_path: Path, fault: BaseException, resumable: bool, kept: bool
) -> None:
    found = []

    def build(folder: Path) -> None:
        found.append((folder / "part").exists())
        write_part(folder)
        if len(found) == 1:
            raise fault

    with pytest.raises(type(fault)):
        build_folder(tmp_path / "index", build, resumable=resumable)
    assert built(tmp_path) == []
    build_folder(tmp_path / "index", build, resumable=resumable)
    assert found == [False, kept]
    assert (built(tmp_path), left(tmp_path)) == ([tmp_path / "index"], [])


KILLED = """
import os, signal, sys
from pathlib import Path
from rerank_eval.cache import build_folder

def build(folder):
    (folder / "part").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

build_folder(Path(sys.argv[1]), build, resumable=sys.argv[2] == "True")
"""


@pytest.mark.parametrize("resumable", [False, True])
def test_what_a_killed_builder_left_is_never_taken_for_the_folder(
    tmp_path: Path, resumable: bool, run_python: RunPython
) -> None:
    target = tmp_path / "index"
    assert run_python("-c", KILLED, str(target), str(resumable)).returncode == -signal.SIGKILL
    assert built(tmp_path) == []

    def build(folder: Path) -> None:
        assert (folder / "part").exists() == resumable
        write_part(folder)

    build_folder(target, build, resumable=resumable)
    assert (target / "part").read_text() == "1"
    assert left(tmp_path) == []


def test_a_process_that_ended_before_the_renaming_has_built_the_folder(tmp_path: Path) -> None:
    build_folder(tmp_path / "index", write_part)
    (tmp_path / "index").rename(tmp_path / ".building" / "index")
    build_folder(tmp_path / "index", lambda folder: pytest.fail("built again"), resumable=True)
    assert is_intact(tmp_path / "index")


def test_what_nobody_went_on_with_for_a_week_is_removed_unless_somebody_is_at_it(tmp_path: Path) -> None:
    building = tmp_path / ".building"
    for name, age in [("old", 2 * WEEK), ("recent", WEEK // 2), ("busy", 2 * WEEK)]:
        (building / name).mkdir(parents=True)
        (building / f"{name}.lock").touch()
        os.utime(building / name, (building.stat().st_mtime - age,) * 2)
    with FileLock(building / "busy.lock"):
        build_folder(tmp_path / "index", write_part)
    assert left(tmp_path) == [building / "busy", building / "recent"]


def test_of_two_builders_at_once_one_builds_and_the_other_waits_and_says_for_whom(tmp_path: Path) -> None:
    notes: list[str] = []
    waiting = threading.Event()

    def build(folder: Path) -> None:
        assert waiting.wait(30)
        write_part(folder)

    def note(message: str) -> None:
        notes.append(message)
        waiting.set()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: build_folder(tmp_path / "index", build, note=note), range(2)))
    assert notes == [f"process {os.getpid()} is building {tmp_path / 'index'}; waiting for it"]
    assert is_intact(tmp_path / "index")


def test_who_comes_before_the_builder_has_said_its_name_waits_for_that(tmp_path: Path) -> None:
    building = tmp_path / ".building"
    building.mkdir()
    lock = FileLock(building / "index.lock", thread_local=False)
    lock.acquire()
    named = threading.Timer(0.3, lambda: (building / "index.owner").write_text("process 7"))
    named.start()
    notes: list[str] = []

    def note(message: str) -> None:
        notes.append(message)
        lock.release()

    build_folder(tmp_path / "index", write_part, note=note)
    named.join()
    assert notes == [f"process 7 is building {tmp_path / 'index'}; waiting for it"]


def test_who_waited_too_long_is_told_for_whom(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    script = KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", "print(flush=True); signal.pause()")
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "index"), "False"], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            with pytest.raises(NotEvaluableError, match=f"process {process.pid} has been building .*index for more"):
                build_folder(tmp_path / "index", write_part, timeout_s=0.05)
        finally:
            process.kill()
    build_folder(tmp_path / "index", write_part)
    assert is_intact(tmp_path / "index")


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from rerank_eval.cache import build_folder
from rerank_eval.errors import NotEvaluableError

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
content = np.zeros(100_000, np.uint8)
write = {"numpy": lambda path: np.save(path, content), "python": lambda path: path.write_bytes(content.tobytes())}

try:
    build_folder(Path(sys.argv[1]), lambda folder: write[sys.argv[2]](folder / "part.npy"))
except NotEvaluableError as error:
    print(error.exit_code, error)
"""


@pytest.mark.parametrize("writer", ["numpy", "python"])
def test_a_full_disk_is_named_with_the_place_and_the_cure(tmp_path: Path, writer: str, run_python: RunPython) -> None:
    done = run_python("-c", FULL, str(tmp_path / "index"), writer)
    assert done.stdout.startswith(f"3 no space left for {tmp_path / 'index'} ("), done.stderr
    assert "make room there, or choose another place with RERANK_EVAL_CACHE" in done.stdout
    assert (built(tmp_path), left(tmp_path)) == ([], [])


def test_a_place_that_cannot_hold_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file")
    for target in (tmp_path / "index", tmp_path / "index" / "below"):
        with pytest.raises(ConfigError, match=r"index.* cannot be written: .*Not a directory.*RERANK_EVAL_CACHE"):
            build_folder(target, write_part)
    assert (tmp_path / "index").read_text() == "a file"


def test_a_fault_of_something_else_passes_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        build_folder(tmp_path / "index", lambda folder: shutil.copy("/elsewhere", folder))


def test_a_part_is_found_only_with_the_content_it_was_kept_with(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    assert find_parts(parts) == {}
    path = keep_part(parts, "7", lambda file: file.write(b"seven"))
    assert path.read_bytes() == b"seven"
    other = keep_part(parts, "77", lambda file: file.write(b"seventy-seven"))
    assert find_parts(parts) == {"7": path, "77": other}
    path.write_bytes(b"sevem")
    assert find_parts(parts) == {"77": other}
    (parts / "7.unfinished").write_bytes(b"sev")
    assert find_parts(parts) == {"77": other}
    assert list(parts.iterdir()) == [other]


SHORT = """
import resource, sys
from pathlib import Path
import numpy as np
from rerank_eval.cache import keep_part

resource.setrlimit(resource.RLIMIT_FSIZE, (1127, 1127))
array = np.zeros(1000, np.uint8)  # 1128 bytes with its header
try:
    keep_part(Path(sys.argv[1]), "7", lambda file: np.save(file, array))
except OSError as error:
    print(error)
"""


def test_a_part_that_lacks_one_byte_of_space_is_not_kept(tmp_path: Path, run_python: RunPython) -> None:
    assert "File too large" in run_python("-c", SHORT, str(tmp_path)).stdout
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def write(file: BinaryIO) -> None:
        file.write(b"sev")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_part(tmp_path, "7", write)
    assert list(tmp_path.iterdir()) == []
