"""What the hub refuses, forges or asks for (waits, keys, paths that lead out, scripts), with the real huggingface_hub."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from rerank_eval.datasets.hub_files import HubRepository
from rerank_eval.errors import ConfigError
from tests.datasets.hub_loading import LAYOUTS, MTEB, Loader, assert_is_tiny, settings_with_faults
from tests.datasets.hub_server import COMMIT, Fault, HubServer


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


@pytest.mark.parametrize("path", ["corpus.jsonl", "/tree/" + COMMIT])
@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, (("Retry-After", "3600"),)),
        (429, (("Retry-After", "0"), ("RateLimit", '"api";r=0;t=3600'))),
        (408, (("Retry-After", "3600"),)),
    ],
)
def test_a_wait_that_is_too_long_is_refused_and_the_next_load_goes_on(
    hub: HubServer,
    loader: Loader,
    fresh: Callable[..., dict[str, object]],
    path: str,
    status: int,
    headers: tuple[tuple[str, str], ...],
) -> None:
    """huggingface_hub sleeps for as long as it is told to."""
    refused = loader.load(fresh(Fault(path, status, headers=headers)))
    assert (refused.get("error"), refused.get("exit_code")) == ("NotEvaluableError", 3), refused
    assert f"the hub asks to wait 3600 s ({status}); try again then" in refused["message"]
    assert len([asked for asked in hub.asked if asked.path.endswith(path)]) == 1
    assert_is_tiny(loader.load(fresh()))


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
    assert (refused["error"], refused["exit_code"]) == ("UnreachableError", 3)
    assert f"mteb/tiny at aaaaaaaaaaaa: its list of files: cannot reach {server.url} (" in refused["message"]
    assert "check the network, and HF_ENDPOINT if it is set, and try again. Without" in refused["message"]


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
