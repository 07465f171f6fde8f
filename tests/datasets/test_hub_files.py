"""Downloads and their cache, after kills, on full disks, with two processes and with damage, with the real huggingface_hub."""

import hashlib
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.datasets.hub_loading import (
    BEIR,
    LAYOUTS,
    MTEB,
    NANOBEIR,
    Loader,
    assert_is_tiny,
    settings_with_faults,
)
from tests.datasets.hub_server import COMMIT, DOCUMENTS, Fault, HubServer, jsonl, mteb

CHUNK = 10 * 1024 * 1024
"""What huggingface_hub writes at once: as much of it as has come when a connection breaks is lost."""
LONG = mteb(documents=jsonl([*DOCUMENTS, {"_id": "long", "text": "x" * CHUNK}]))


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer(LAYOUTS, lfs=["corpus.jsonl"]) as server:
        yield server


@pytest.fixture(scope="module")
def loader(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    process = Loader(hub, tmp_path_factory.mktemp("home"))
    yield process
    process.kill()


@pytest.fixture
def fresh(hub: HubServer, tmp_path: Path) -> Iterator[Callable[..., dict[str, object]]]:
    """Settings of the mteb layout with an empty cache, while the hub has the faults."""
    yield partial(settings_with_faults, hub, tmp_path)
    hub.faults = {}


def kept(folder: Path, path: str) -> Path:
    return folder / "mteb" / "tiny" / COMMIT / "files" / path


def test_the_layouts_of_beir_mteb_and_nanobeir_are_read(loader: Loader, tmp_path: Path) -> None:
    from_mteb, from_beir = loader.load(MTEB, cache_dir=str(tmp_path)), loader.load(BEIR, cache_dir=str(tmp_path))
    assert_is_tiny(from_mteb)
    assert from_beir["sha256"] == from_mteb["sha256"]
    assert (from_mteb["name"], from_mteb["split"], from_mteb["report"]) == ("tiny", "test", {})
    nano = loader.load(NANOBEIR, cache_dir=str(tmp_path), name="nano")
    assert nano["qrels"] == {"q1": {"d1": 1}, "q2": {"d2": 1}}
    assert nano["documents"]["d4"] == "text number 4"
    assert (nano["name"], nano["split"]) == ("nano", "train")


def test_a_second_load_asks_nothing_and_a_repository_is_never_run_or_fetched_whole(
    hub: HubServer, loader: Loader, fresh: Callable[..., dict[str, object]]
) -> None:
    settings = fresh()
    assert_is_tiny(loader.load(settings))
    assert {asked.path.split(COMMIT)[-1] for asked in hub.asked} == {
        *("", "/README.md", "/corpus.jsonl", "/queries.jsonl", "/qrels/test.jsonl")
    }
    hub.asked.clear()
    assert_is_tiny(loader.load(settings))
    assert hub.asked == []


@pytest.mark.parametrize("settings", [MTEB, pytest.param(BEIR, marks=pytest.mark.slow)], ids=["mteb", "beir"])
def test_what_was_cached_loads_with_the_server_gone(tmp_path: Path, settings: dict[str, object]) -> None:
    with HubServer(LAYOUTS) as server:
        first = Loader(server, tmp_path)
        loaded = first.load(settings)
        first.kill()
    assert_is_tiny(loaded)
    later = Loader(server, tmp_path)
    try:
        assert later.load(settings) == later.load(settings, offline=True) == {**loaded, "shown": []}
        missing = later.load(settings, offline=True, cache_dir=str(tmp_path / "other"))
        assert (missing["error"], missing["exit_code"]) == ("NotCachedError", 2)
        assert " at aaaaaaaaaaaa: its list of files is not in " in missing["message"]
        assert "dataset.offline is set; run once with a network" in missing["message"]
    finally:
        later.kill()


def test_a_dropped_connection_is_resumed_where_it_broke(tmp_path: Path) -> None:
    with HubServer(LONG, faults=[Fault("corpus.jsonl", drop_after=CHUNK + 100, times=1)]) as server:
        loader = Loader(server, tmp_path)
        loaded = loader.load(MTEB)
        loader.kill()
        assert len(loaded.get("documents", ())) == 6
        assert ["downloading mteb/tiny/corpus.jsonl (MB)", 10, 10] in loaded["shown"]
        assert server.fetched("corpus.jsonl") == [None, f"bytes={CHUNK}-"]


def test_a_download_that_was_killed_is_resumed_by_the_next_process(tmp_path: Path) -> None:
    with HubServer(LONG, faults=[Fault("corpus.jsonl", stall_after=CHUNK + 100, times=1)]) as server:
        killed = Loader(server, tmp_path)
        killed.start({**MTEB, "cache_dir": str(tmp_path)})
        partial = kept(tmp_path, "corpus.jsonl.partial")
        deadline = time.monotonic() + 60
        while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        killed.kill()
        assert not kept(tmp_path, "corpus.jsonl").exists()
        size = partial.stat().st_size
        assert size
        after = Loader(server, tmp_path)
        assert len(after.load(MTEB, cache_dir=str(tmp_path)).get("documents", ())) == 6
        after.kill()
        assert server.fetched("corpus.jsonl") == [None, f"bytes={size}-"]
        assert not partial.exists()


@pytest.mark.parametrize("left", [b"other", b"x" * 10_000], ids=["other content", "too long"])
def test_a_partial_file_that_is_of_no_use_is_replaced(
    loader: Loader, fresh: Callable[..., dict[str, object]], tmp_path: Path, left: bytes
) -> None:
    partial = kept(tmp_path, "corpus.jsonl.partial")
    partial.parent.mkdir(parents=True)
    partial.write_bytes(left)
    assert_is_tiny(loader.load(fresh()))


@pytest.mark.parametrize("damage", [b"", b"{}", b"damaged" * 40])
@pytest.mark.parametrize("path", ["files/corpus.jsonl", "files/README.md", "listing.json"])
def test_a_damaged_cache_is_fetched_again(
    hub: HubServer, loader: Loader, fresh: Callable[..., dict[str, object]], tmp_path: Path, path: str, damage: bytes
) -> None:
    settings = fresh()
    assert_is_tiny(loader.load(settings))
    hub.asked.clear()
    (tmp_path / "mteb" / "tiny" / COMMIT / path).write_bytes(damage)
    assert_is_tiny(loader.load(settings))
    assert len(hub.asked) == 1


def test_a_changed_listing_is_not_believed(
    hub: HubServer, loader: Loader, fresh: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    settings = fresh()
    loader.load(settings)
    listing = tmp_path / "mteb" / "tiny" / COMMIT / "listing.json"
    content = LAYOUTS["mteb/tiny"]["corpus.jsonl"]
    listing.write_text(
        listing.read_text().replace(hashlib.sha256(content).hexdigest(), hashlib.sha256(b"").hexdigest())
    )
    hub.asked.clear()
    assert_is_tiny(loader.load(settings))
    assert len(hub.asked) == 1


def test_a_file_that_cannot_be_written_is_said_and_what_was_there_is_kept(tmp_path: Path) -> None:
    with HubServer(LONG) as server:
        loader = Loader(server, tmp_path)
        resource.prlimit(loader.process.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        refused = loader.load(MTEB)
        assert (refused.get("error"), refused.get("exit_code")) == ("NotEvaluableError", 3), refused
        assert refused["message"] == "mteb/tiny at aaaaaaaaaaaa: corpus.jsonl cannot be kept: File too large"
        resource.prlimit(loader.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert len(loader.load(MTEB).get("documents", ())) == 6
        loader.kill()


def test_two_processes_at_once_load_the_same(tmp_path: Path) -> None:
    rows = [{"_id": f"d{i}", "title": "", "text": f"text {i} " * 50} for i in range(3000)]
    with HubServer(mteb(documents=jsonl(rows))) as server:
        both = [Loader(server, tmp_path) for _ in range(2)]
        for one in both:
            one.start(MTEB)
        loaded = [one.finish() for one in both]
        for one in both:
            one.kill()
        assert loaded[0].get("sha256") == loaded[1]["sha256"]
        assert server.fetched("corpus.jsonl") == [None]
