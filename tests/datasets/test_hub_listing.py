"""Lists of files, and bodies, that are not what they should be (forged, of the wrong length, slow), with the real huggingface_hub."""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.datasets.hub_loading import LAYOUTS, MTEB, Loader, assert_is_tiny, settings_with_faults
from tests.datasets.hub_server import COMMIT, Fault, HubServer

LIST = "/tree/" + COMMIT
GOOD = {"type": "file", "path": "a.jsonl", "size": 3, "oid": "0" * 40}
Fresh = Callable[..., dict[str, object]]


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer(LAYOUTS, lfs=["corpus.jsonl"]) as server:
        yield server


@pytest.fixture(scope="module")
def loader(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    process = Loader(hub, tmp_path_factory.mktemp("home"), HF_HUB_DOWNLOAD_TIMEOUT="1")
    yield process
    process.kill()


@pytest.fixture
def fresh(hub: HubServer, tmp_path: Path) -> Iterator[Fresh]:
    """Settings of the mteb layout with an empty cache, while the hub has the faults."""
    yield partial(settings_with_faults, hub, tmp_path)
    hub.faults = {}


def folder(cache: Path) -> Path:
    return cache / "mteb" / "tiny" / COMMIT


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([], "it is empty"),
        ({}, "the answer is no list of files"),
        (["a"], "the answer is no list of files"),
        ([{**GOOD, "size": None}], "it has no size of a.jsonl"),
        ([{**GOOD, "size": True}], "it has no size of a.jsonl"),
        ([{**GOOD, "size": -1}], "it has no size of a.jsonl"),
        ([{**GOOD, "path": 5}], "it has a file without a path"),
        ([{**GOOD, "path": "\ud800"}], "it has a file without a path"),
        ([{**GOOD, "oid": None}], "it has no hash of a.jsonl"),
        ([{**GOOD, "oid": "xyz"}], "it has no hash of a.jsonl"),
        ([{**GOOD, "lfs": {"oid": 7}}], "it has no hash of a.jsonl"),
        ([GOOD, {**GOOD, "path": "a.jsonl/x"}], "it has a.jsonl both as a file and as a folder"),
        ([GOOD, GOOD], "it has a file twice"),
        ("[" * 100_000, "the answer is no JSON"),
        (" " * (17 * 1024 * 1024), "a page of it has more than 16 MiB"),
    ],
)
def test_a_list_that_is_none_is_refused_and_not_kept(
    loader: Loader, fresh: Fresh, tmp_path: Path, answer: object, reason: str
) -> None:
    body = answer if isinstance(answer, str) else json.dumps(answer)
    refused = loader.load(fresh(Fault(LIST, body=body.encode())))
    assert (refused["error"], refused["exit_code"]) == ("NotEvaluableError", 3)
    assert refused["message"].startswith(f"mteb/tiny at aaaaaaaaaaaa: its list of files: {reason}; ")
    assert "kept" not in refused["message"]
    assert not folder(tmp_path).exists()
    assert_is_tiny(loader.load(fresh()))


@pytest.mark.parametrize("link", ["{url}", "http://[::1", "http://127.0.0.1:1/next", "/next"])
def test_a_next_page_that_is_none_is_refused(hub: HubServer, loader: Loader, fresh: Fresh, link: str) -> None:
    address = link.format(url=f"{hub.url}/api/datasets/mteb/tiny{LIST}?recursive=True")
    fault = Fault(LIST, body=json.dumps([GOOD]).encode(), headers=(("Link", f'<{address}>; rel="next"'),))
    refused = loader.load(fresh(fault))
    assert (refused.get("error"), refused.get("exit_code")) == ("NotEvaluableError", 3), refused
    assert "its list of files: its next page is one that came before, at another host" in refused["message"]
    assert len(hub.asked) == 1


def test_a_next_page_is_read(hub: HubServer, loader: Loader, fresh: Fresh) -> None:
    tree = hub.tree("mteb/tiny")
    link = (("Link", f'<{hub.url}/api/datasets/mteb/tiny{LIST}?cursor=x>; rel="next"'),)
    first = Fault(LIST, body=json.dumps(tree[:2]).encode(), headers=link, times=1)
    assert_is_tiny(loader.load(fresh(first, Fault(LIST, body=json.dumps(tree[2:]).encode()))))


@pytest.mark.parametrize("missing", ["queries.jsonl", "corpus.jsonl"])
def test_a_list_that_lacks_a_file_is_asked_for_again_by_the_next_load(
    hub: HubServer, loader: Loader, fresh: Fresh, missing: str
) -> None:
    partly = [entry for entry in hub.tree("mteb/tiny") if entry["path"] != missing]
    settings = fresh(Fault(LIST, body=json.dumps(partly).encode()))
    assert loader.load(settings)["exit_code"] == 2
    hub.faults = {}
    assert_is_tiny(loader.load(settings))


def test_what_is_no_file_where_one_is_to_be_is_replaced_and_not_written_through(
    loader: Loader, fresh: Fresh, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    files = folder(tmp_path) / "files"
    for path in (folder(tmp_path) / "listing.json", files / "corpus.jsonl", files / "queries.jsonl.partial"):
        shutil.rmtree(folder(tmp_path), ignore_errors=True)
        path.mkdir(parents=True)
        (path / "inside").touch()
        assert_is_tiny(loader.load(fresh()))
        for kept in files.glob("*.jsonl"):
            kept.unlink()
        assert not path.is_dir()
        path.unlink(missing_ok=True)
        path.symlink_to(elsewhere)
        assert_is_tiny(loader.load(fresh()))
        assert not elsewhere.exists()


def test_a_name_that_is_too_long_to_be_kept_is_an_error(hub: HubServer, loader: Loader, tmp_path: Path) -> None:
    path = f"{'x' * 300}/test.jsonl"
    hub.repositories["bad/names"] = {path: b"{}"}
    settings = {**MTEB, "repository": "bad/names", "cache_dir": str(tmp_path)}
    refused = loader.load(settings)
    assert (refused.get("error"), refused.get("exit_code")) == ("ConfigError", 2), refused
    assert "whose name is too long to be kept here" in refused["message"]


@pytest.mark.parametrize("packed", [False, True])
def test_no_more_is_taken_than_the_file_has_and_the_next_load_starts_clean(
    hub: HubServer, loader: Loader, fresh: Fresh, tmp_path: Path, packed: bool
) -> None:
    body = bytes(64 * 1024 * 1024)
    headers = (("Content-Encoding", "gzip"),) if packed else ()
    fault = Fault("corpus.jsonl", body=gzip.compress(body) if packed else body, headers=headers)
    refused = loader.load(fresh(fault))
    assert (refused.get("error"), refused.get("exit_code")) == ("NotEvaluableError", 3), refused
    size = len(LAYOUTS["mteb/tiny"]["corpus.jsonl"])
    assert (
        f"corpus.jsonl: more came than the {size} bytes that the hub lists; nothing of it is kept" in refused["message"]
    )
    assert not list(folder(tmp_path).rglob("*corpus.jsonl*.partial"))
    assert_is_tiny(loader.load(fresh()))
    assert hub.fetched("corpus.jsonl") == [None]


@pytest.mark.parametrize("path", [LIST, "corpus.jsonl"])
def test_a_body_that_comes_too_slowly_is_given_up(loader: Loader, fresh: Fresh, path: str) -> None:
    refused = loader.load(fresh(Fault(path, drip_s=0.1)))
    assert (refused.get("error"), refused.get("exit_code")) == ("NotEvaluableError", 3), refused
    assert refused["message"].endswith(": the hub sends less than 1 kB/s; try again later")
    assert_is_tiny(loader.load(fresh()))


def test_a_hub_that_is_gone_when_the_list_is_known_is_asked_twice_and_named(tmp_path: Path) -> None:
    with HubServer(LAYOUTS) as server:
        before = Loader(server, tmp_path)
        assert_is_tiny(before.load(MTEB))
        before.kill()
    (next((tmp_path / "cache").rglob("corpus.jsonl"))).unlink()
    after = Loader(server, tmp_path)
    refused = after.load(MTEB)
    after.kill()
    assert (refused["error"], refused["exit_code"]) == ("UnreachableError", 3)
    assert f"corpus.jsonl: cannot reach {server.url} ([Errno 111] Connection refused)" in refused["message"]
    assert "what was downloaded before" in refused["message"]
    assert "kept" not in refused["message"]
