"""What can go wrong between the hub and the cache (faults.md, rows 11, 13, 17, 20, 21, 25 and 26), with the real huggingface_hub."""

import hashlib
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rerank_eval.datasets.hub_files import HubRepository
from rerank_eval.errors import ConfigError
from tests.datasets.hub_loading import BEIR, MTEB, NANOBEIR, Loaded, Loader
from tests.hub_server import COMMIT, DOCUMENTS, Fault, Files, HubServer, beir, jsonl, mteb, nanobeir

LAYOUTS: dict[str, Files] = {**mteb(), **beir(), **nanobeir()}


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

    def settings(*faults: Fault) -> dict[str, object]:
        hub.asked.clear()
        hub.faults = {fault: fault.times for fault in faults}
        return {**MTEB, "cache_dir": str(tmp_path)}

    yield settings
    hub.faults = {}


def kept(folder: Path, path: str) -> Path:
    return folder / "mteb" / "tiny" / COMMIT / "files" / path


def assert_is_tiny(loaded: Loaded) -> None:
    assert loaded.get("queries") == {"q1": "number one", "q2": "number two"}, loaded
    assert loaded["qrels"] == {"q1": {"d1": 1}, "q2": {"d2": 2}}
    assert loaded["documents"]["d4"] == "Title 4 text number 4"
    assert len(loaded["documents"]) == 5


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
        assert (missing["error"], missing["exit_code"]) == ("ConfigError", 2)
        assert " at aaaaaaaaaaaa: its list of files is not in " in missing["message"]
        assert "dataset.offline is set; run once with a network" in missing["message"]
    finally:
        later.kill()


CHUNK = 10 * 1024 * 1024
"""What huggingface_hub writes at once: as much of it as has come when a connection breaks is lost."""
LONG = mteb(documents=jsonl([*DOCUMENTS, {"_id": "long", "text": "x" * CHUNK}]))


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


@pytest.mark.parametrize("path", ["corpus.jsonl", "queries.jsonl"])
def test_other_content_than_the_hash_says_is_refused_and_not_kept(
    loader: Loader, fresh: Callable[..., dict[str, object]], tmp_path: Path, path: str
) -> None:
    """One file is in large-file storage (SHA-256), the other a git blob (SHA-1); huggingface_hub checks neither."""
    forged = LAYOUTS["mteb/tiny"][path].replace(b"number", b"NUMBER")
    refused = loader.load(fresh(Fault(path, body=forged)))
    assert (refused["error"], refused["exit_code"]) == ("NotEvaluableError", 3)
    assert refused["message"].startswith(f"mteb/tiny at aaaaaaaaaaaa: {path} came with another content than its hash ")
    assert not kept(tmp_path, path).exists()
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


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (
            Fault("/tree/" + COMMIT, 401, "GatedRepo"),
            "ConfigError",
            "needs permission (401); accept its terms on its page",
        ),
        (
            Fault("/tree/" + COMMIT, 403, "GatedRepo"),
            "ConfigError",
            "needs permission (403); accept its terms on its page",
        ),
        (Fault("corpus.jsonl", 403), "ConfigError", "corpus.jsonl needs permission (403)"),
        (
            Fault("/tree/" + COMMIT, 401, "RepoNotFound"),
            "ConfigError",
            "has no such repository, or it is private (401)",
        ),
        (
            Fault("/tree/" + COMMIT, 404, "RepoNotFound"),
            "ConfigError",
            "has no such repository, or it is private (404)",
        ),
        (
            Fault("/tree/" + COMMIT, 404, "RevisionNotFound"),
            "ConfigError",
            "has no such commit (404); check dataset.revision",
        ),
        (Fault("corpus.jsonl", 404, "EntryNotFound"), "ConfigError", "corpus.jsonl is not there (404)"),
        (Fault("corpus.jsonl", 500), "NotEvaluableError", "corpus.jsonl: the hub failed (500); try again later"),
        (Fault("corpus.jsonl", 503), "NotEvaluableError", "corpus.jsonl: the hub failed (503); try again later"),
        (
            Fault("corpus.jsonl", body=b"<html>"),
            "NotEvaluableError",
            "corpus.jsonl: it came incomplete; check the network",
        ),
        (Fault("/tree/" + COMMIT, body=b"<html>"), "NotEvaluableError", "its list of files: "),
        (Fault("/tree/" + COMMIT, body=b'[{"type": "file"}]'), "NotEvaluableError", "its list of files: "),
        pytest.param(
            Fault("corpus.jsonl", 429), "NotEvaluableError", "has had too many requests (429)", marks=pytest.mark.slow
        ),
        pytest.param(
            Fault("/tree/" + COMMIT, 500), "NotEvaluableError", "the hub failed (500)", marks=pytest.mark.slow
        ),
        pytest.param(
            Fault("corpus.jsonl", drop_after=0), "NotEvaluableError", "corpus.jsonl: ", marks=pytest.mark.slow
        ),
    ],
    ids=str,
)
def test_what_the_hub_refuses_is_said_with_repository_commit_and_cure_and_can_be_repeated(
    loader: Loader, fresh: Callable[..., dict[str, object]], fault: Fault, error: str, message: str
) -> None:
    refused = loader.load(fresh(fault))
    assert (refused.get("error"), refused.get("exit_code")) == (error, 2 if error == "ConfigError" else 3), refused
    assert refused["message"].startswith("mteb/tiny at aaaaaaaaaaaa: ")
    assert message in refused["message"]
    assert "\n" not in refused["message"]
    assert_is_tiny(loader.load(fresh()))


def test_too_many_requests_are_waited_for(
    hub: HubServer, loader: Loader, fresh: Callable[..., dict[str, object]]
) -> None:
    assert_is_tiny(loader.load(fresh(Fault("corpus.jsonl", 429, times=1))))
    assert len(hub.fetched("corpus.jsonl")) == 2


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


@pytest.mark.slow
@pytest.mark.parametrize("listens", [False, True])
def test_a_server_that_is_gone_or_never_answers_is_named(tmp_path: Path, listens: bool) -> None:
    server = HubServer(LAYOUTS)  # it listens, but is not started
    if not listens:
        server.stop()
    lonely = Loader(server, tmp_path, HF_HUB_DOWNLOAD_TIMEOUT="1")
    refused = lonely.load(MTEB)
    lonely.kill()
    server.stop()
    assert (refused["error"], refused["exit_code"]) == ("NotEvaluableError", 3)
    assert "mteb/tiny at aaaaaaaaaaaa: its list of files: " in refused["message"]
    assert "check the network and try again" in refused["message"]


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


@pytest.mark.parametrize("path", ["../../evil", "/etc/evil", "a/../../evil", "a//evil", "./evil"])
def test_a_listing_with_a_path_that_leaves_its_folder_is_refused(
    hub: HubServer, loader: Loader, tmp_path: Path, path: str
) -> None:
    hub.repositories["bad/paths"] = {f"{path}.jsonl": b"{}"}
    settings = {**MTEB, "repository": "bad/paths", "cache_dir": str(tmp_path / "cache")}
    refused = loader.load(settings, qrels={"config": "default", "split": "evil"})
    assert (refused.get("error"), refused.get("exit_code")) == ("ConfigError", 2), refused
    assert f"lists a file '{path}.jsonl', which leaves its folder" in refused["message"]
    assert not list(tmp_path.rglob("evil.jsonl"))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../../etc",
            "/etc",
            "..",
            ".",
            "",
            "scifact",
            "a/b/c",
            "a/..",
            "../a",
            "a/b..c",
            "a/.b",
            "./a/b",
            "a\\b",
            "a/b\n",
            "ä/b",
        ),
        *(
            "https://huggingface.co/datasets/mteb/scifact",
            "file:///etc/passwd",
            "hf://datasets/a/b",
            "a/b.git",
            "a/b@main",
            "~/b",
        ),
    ],
)
def test_what_is_no_name_on_the_hub_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^dataset\.repository .* is no name on the hub; write OWNER/NAME"):
        HubRepository(name, COMMIT)


@pytest.mark.parametrize(
    "revision", ["main", "", "a" * 39, "A" * 40, "../" * 13 + "a", "a" * 64, "refs/convert/parquet"]
)
def test_a_revision_that_can_move_is_refused(revision: str) -> None:
    with pytest.raises(ConfigError, match=r"^dataset\.revision .* of mteb/scifact is no commit; take the 40 digits"):
        HubRepository("mteb/scifact", revision)
