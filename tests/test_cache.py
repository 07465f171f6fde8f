"""Folders that appear whole or not at all."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rerank_eval.cache import build_folder, cache_root


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
        (folder / "part").write_text("1")
        assert not target.exists()

    build_folder(target, build)
    assert (target / "part").read_text() == "1"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("fault", [OSError("disk full"), KeyboardInterrupt()])
def test_a_build_that_fails_leaves_nothing(tmp_path: Path, fault: BaseException) -> None:
    def build(folder: Path) -> None:
        (folder / "part").write_text("1")
        raise fault

    with pytest.raises(type(fault)):
        build_folder(tmp_path / "index", build)
    assert list(tmp_path.iterdir()) == []


def test_of_two_builders_at_once_the_first_wins_and_neither_fails(tmp_path: Path) -> None:
    both_in = threading.Barrier(2, timeout=30)

    def build(folder: Path, name: str) -> None:
        both_in.wait()
        (folder / "part").write_text(name)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: build_folder(tmp_path / "index", lambda f: build(f, name)), "ab"))
    assert (tmp_path / "index" / "part").read_text() in "ab"
    assert list(tmp_path.iterdir()) == [tmp_path / "index"]


def test_a_place_that_cannot_hold_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file")
    with pytest.raises(OSError, match="index"):
        build_folder(tmp_path / "index", lambda folder: None)
    assert (tmp_path / "index").read_text() == "a file"
