"""What lies in the cache in the place of something else is replaced, or named; nothing is written through a link out of it."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rerank_eval.cache import PARTS, build_folder, cache_root, index_folder, intact_parts, is_intact, keep_part
from rerank_eval.errors import ConfigError
from rerank_eval.protocols import SilentProgress
from rerank_eval.search.blocks import complete_blocks
from tests.conftest import RunPython

Damage = Callable[[Path], object]


def replace_by_folder(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def replace_by_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


DAMAGES = [replace_by_folder, replace_by_dangling_link]


def encode(folder: Path, computed: list[int]) -> float:
    """Return the sum of three blocks of two rows; adds to `computed` which were not there."""

    def compute(index: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
        computed.append(index)
        return [np.full(2, float(index))]

    blocks = complete_blocks(folder, [2, 2, 2], compute, SilentProgress(), "encoding")
    return float(sum(array.sum() for block in blocks for array in block))


def write_file(folder: Path) -> None:
    (folder / "file").write_text("whole")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_block_in_whose_place_lies_something_else_is_computed_again_and_no_other(
    damage: Damage, tmp_path: Path
) -> None:
    computed: list[int] = []
    assert encode(tmp_path / "x", computed) == 6
    whole = sorted(path.name for path in (tmp_path / "x").iterdir())
    damage(next((tmp_path / "x").glob("00000001.*")))
    (tmp_path / "x" / "00000002.unfinished").mkdir()
    assert encode(tmp_path / "x", computed) == 6
    assert computed == [0, 1, 2, 1]
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == whole


def test_complete_blocks_are_read_without_writing_anything(tmp_path: Path) -> None:
    encode(tmp_path / "x", [])
    shutil.rmtree(tmp_path / ".building")
    (tmp_path / "x" / "00000009.unfinished").touch()  # only who may write removes it
    before = sorted(tmp_path.rglob("*"))
    computed: list[int] = []
    assert encode(tmp_path / "x", computed) == 6
    assert (computed, sorted(tmp_path.rglob("*"))) == ([], before)


def test_a_part_is_the_only_one_of_its_name(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        path = keep_part(tmp_path, "1", lambda file, content=content: file.write(content))  # type: ignore[misc]
    assert intact_parts(tmp_path) == {"1": path}
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"two"]


@pytest.mark.parametrize("resumable", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_of_a_built_folder_in_whose_place_lies_something_else_is_built_again(
    damage: Damage, resumable: bool, tmp_path: Path
) -> None:
    build_folder(tmp_path / "x", write_file)
    damage(tmp_path / "x" / "file")
    build_folder(tmp_path / "x", write_file, resumable=resumable)
    assert is_intact(tmp_path / "x")


def test_the_name_of_the_builder_is_written_whatever_lies_in_its_place(tmp_path: Path) -> None:
    owner = tmp_path / ".building" / "x.owner"
    (owner / "inside").mkdir(parents=True)
    build_folder(tmp_path / "x", write_file)
    assert is_intact(tmp_path / "x")
    assert not owner.exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_lock_that_cannot_be_used_is_named_and_what_to_do(damage: Damage, tmp_path: Path) -> None:
    lock = tmp_path / ".building" / "x.lock"
    lock.parent.mkdir()
    lock.touch()
    damage(lock)
    with pytest.raises(ConfigError, match=rf"x cannot be written: .*; remove {lock}, or choose another place"):
        build_folder(tmp_path / "x", write_file)
    with pytest.raises(ConfigError, match=rf"remove {lock}, or choose another place"):
        encode(tmp_path / "x", [])
    assert not (tmp_path / ".building" / "nowhere").exists()


@pytest.mark.parametrize(
    "link",
    [".building", ".building/x", f".building/x/{PARTS}", ".building/x/rerank_eval.json", ".building/x/file", ".building/x.owner", "x"],
)  # fmt: skip
@pytest.mark.parametrize("dangling", [False, True])
def test_nothing_is_written_through_a_link_out_of_the_cache(link: str, dangling: bool, tmp_path: Path) -> None:
    outside, cache = tmp_path / "outside", tmp_path / "cache"
    outside.mkdir()
    target = outside / "target"
    if not dangling and link.endswith((".owner", ".json", "file")):
        target.write_text("mine")
    elif not dangling:
        target.mkdir()
    before = {path: path.is_file() and path.read_text() for path in outside.rglob("*")}
    (cache / link).parent.mkdir(parents=True)
    (cache / link).symlink_to(target)

    def build(folder: Path) -> None:
        keep_part(folder / PARTS, "1", lambda file: file.write(b"part"))
        write_file(folder)

    build_folder(cache / "x", build, resumable=True)
    assert is_intact(cache / "x")
    assert not (cache / "x").is_symlink()
    assert {path: path.is_file() and path.read_text() for path in outside.rglob("*")} == before


@pytest.mark.parametrize("link", ["x", "x/00000000.unfinished", ".building/x.owner"])
def test_no_block_is_written_through_a_link_out_of_the_cache(link: str, tmp_path: Path) -> None:
    outside, cache = tmp_path / "outside", tmp_path / "cache"
    outside.mkdir()
    if link == "x":
        (outside / "target").mkdir()
    (cache / link).parent.mkdir(parents=True)
    (cache / link).symlink_to(outside / "target")
    assert encode(cache / "x", []) == 6
    assert sorted(outside.rglob("*")) == ([outside / "target"] if link == "x" else [])


def test_a_relative_place_stays_where_it_was_chosen_and_its_faults_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RERANK_EVAL_CACHE", "cache")
    assert cache_root() == tmp_path / "cache"
    assert index_folder("dense", None) == tmp_path / "cache" / "dense"
    assert index_folder("dense", "mine") == tmp_path / "mine"
    assert index_folder("dense", "~/mine") == Path.home() / "mine"
    (tmp_path / ".building" / "x.lock").mkdir(parents=True)
    with pytest.raises(ConfigError, match=rf"remove {tmp_path / '.building' / 'x.lock'}, or"):
        build_folder(Path("x"), write_file)


NO_FILE = """
import resource, sys
from pathlib import Path
from rerank_eval.cache import keep_part

resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    keep_part(Path(sys.argv[1]), "7", lambda file: file.write(b"seven"))
except OSError as error:
    print(error.errno)
"""


def test_a_part_that_cannot_even_be_begun_says_why(tmp_path: Path, run_python: RunPython) -> None:
    assert run_python("-c", NO_FILE, str(tmp_path)).stdout.strip() == str(errno.EMFILE)
