import errno
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

import pytest

from rerank_eval.errors import ConfigError, MissingExtraError, NotCachedError, NotEvaluableError
from rerank_eval.models.torch_models import check_length, find_model, loading
from tests.conftest import ROOT

COMMIT = "c" * 40
FILES = {
    name: name.encode()
    for name in (
        "config.json",
        "model.safetensors",
        "pytorch_model.bin",
        "modeling_own.py",
        "tokenizer.json",
        "1_Dense/config.json",
        "1_Dense/model.safetensors",
        "1_Dense/pytorch_model.bin",
        "onnx/model.onnx",
        "artifact.metadata",
    )
}
FIND = """
import dataclasses, json, sys
from rerank_eval.models.torch_models import find_model
found = find_model(*json.loads(sys.argv[1]))
files = sorted(str(path.relative_to(found.folder)) for path in found.folder.rglob("*") if path.is_file())
print(json.dumps({**found.identity(), "files": files}))
"""


class Hub(BaseHTTPRequestHandler):
    """One repository at one commit, by the routes that `snapshot_download` asks."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep stderr for the tests."""

    def do_GET(self) -> None:
        path = unquote(self.path).split("?")[0]
        headers = {"X-Repo-Commit": COMMIT}
        answer: object = None
        if re.fullmatch(r"/api/models/org/tiny(/revision/(main|refs/pr/1|c{40}))?", path):
            answer = {"id": "org/tiny", "sha": COMMIT, "siblings": [{"rfilename": name} for name in FILES], "tags": []}
        elif path == f"/api/models/org/tiny/tree/{COMMIT}":
            answer = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in FILES.items()
            ]
        if answer is not None:
            body = json.dumps(answer).encode()
        elif (found := re.fullmatch(rf"/org/tiny/resolve/{COMMIT}/(.+)", path)) and found[1] in FILES:
            body = FILES[found[1]]
            headers["ETag"] = f'"{hashlib.sha1(body).hexdigest()}"'
        else:
            body, headers = b"{}", {"X-Error-Code": "RepoNotFound"}
        self.send_response(404 if "X-Error-Code" in headers else 200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()


@pytest.fixture
def hub() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def find(port: int, home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Call `find_model` in a process of its own: huggingface_hub reads its settings once, when it is imported."""
    environment = {
        "HF_ENDPOINT": f"http://127.0.0.1:{port}",
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        [sys.executable, "-c", FIND, json.dumps(arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    "revision", [None, *(pytest.param(name, marks=pytest.mark.slow) for name in ("refs/pr/1", COMMIT))]
)
def test_a_model_of_the_hub_comes_without_pickles_and_code_and_is_known_by_its_commit(
    hub: ThreadingHTTPServer, tmp_path: Path, revision: str | None
) -> None:
    files = [
        "1_Dense/config.json",
        "1_Dense/model.safetensors",
        "artifact.metadata",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    expected = {"model": "org/tiny", "revision": COMMIT, "files_sha256": None, "files": files}
    assert found(find(hub.server_port, tmp_path, "org/tiny", revision)) == expected
    hub.shutdown()
    hub.server_close()
    assert found(find(hub.server_port, tmp_path, "org/tiny", revision, True)) == expected


def test_code_comes_only_where_it_may_be_run(hub: ThreadingHTTPServer, tmp_path: Path) -> None:
    assert "modeling_own.py" in found(find(hub.server_port, tmp_path, "org/tiny", None, False, True))["files"]


@pytest.mark.parametrize("arguments", [("org/unknown",), ("org/tiny", "no-such-branch"), ("../../no-such",), ("a b",)])
def test_a_model_that_the_hub_lacks_is_named(
    hub: ThreadingHTTPServer, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = find(hub.server_port, tmp_path, *arguments)
    assert done.returncode == 1
    message = done.stderr.split("rerank_eval.errors.ConfigError: ")[1]
    assert message.startswith(("the model 'org/", "the model 'a b'", "the model folder ../../no-such does not exist"))


def test_a_model_that_may_not_be_downloaded_is_told_apart_from_one_that_cannot_be() -> None:
    with pytest.raises(
        NotCachedError, match="the model 'org/tiny' is not in the cache of the hub, and local_files_only is set"
    ):
        find_model("org/tiny", COMMIT, local_files_only=True)
    with pytest.raises(ConfigError, match="the model 'org/tiny' cannot be loaded") as raised:
        find_model("org/tiny", COMMIT)  # HF_HUB_OFFLINE is set
    assert not isinstance(raised.value, NotCachedError)


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_a_folder_is_known_by_the_names_and_contents_of_its_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", "config.json", "1_Dense/model.safetensors")
    hashes = [find_model(str(folder)).files_sha256]
    write(folder, "tokenizer.json")
    hashes.append(find_model(str(folder)).files_sha256)
    (folder / "tokenizer.json").write_text("another")
    hashes.append(find_model(str(folder)).files_sha256)
    (folder / "tokenizer.json").rename(folder / "vocabulary.json")
    hashes.append(find_model(str(folder)).files_sha256)
    assert len(set(hashes)) == 4
    assert find_model(str(folder)).files_sha256 == hashes[-1]


@pytest.mark.parametrize(
    "pickle", ["pytorch_model.bin", "1_Dense/pytorch_model.bin", "pytorch_model-00001-of-00002.bin"]
)
def test_weights_that_are_there_as_a_pickle_only_are_refused(tmp_path: Path, pickle: str) -> None:
    folder = write(tmp_path / "model", "config.json", pickle)
    with pytest.raises(ConfigError, match=rf"{re.escape(pickle)} is a pickle, which is never opened"):
        find_model(str(folder))
    write(folder, str(Path(pickle).with_name("model.safetensors")))
    assert find_model(str(folder)).folder == folder


def test_a_tokenizer_that_needs_another_package_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "model", "config.json", "model.safetensors", "spiece.model")
    installed = tmp_path / "installed"
    installed.mkdir()
    monkeypatch.setattr(sys, "path", [str(installed)])
    with pytest.raises(ConfigError, match="its tokenizer needs two packages: pip install sentencepiece protobuf"):
        find_model(str(folder))
    for package in ("sentencepiece", "protobuf"):
        information = installed / f"{package}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Name: {package}\nVersion: 1.0\n")
    assert find_model(str(folder)).folder == folder
    (folder / "tokenizer.json").write_text("{}")
    assert find_model(str(folder)).folder == folder


@pytest.mark.parametrize("name", ["modules.json", "config.json"])
def test_a_folder_that_holds_no_model_is_refused_before_all_of_it_is_read(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "documents", "huge")
    (folder / "secret").symlink_to(folder / "nowhere")
    with pytest.raises(
        ConfigError, match=f"the model '{folder}' cannot be loaded: the folder has neither config.json nor modules.json"
    ):
        find_model(str(folder))
    write(folder, name)
    assert find_model(str(folder)).files_sha256


class DamagedError(Exception):
    """As safetensors raises: derived from Exception alone."""


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (DamagedError("header too large"), ConfigError, "the model 'm' cannot be loaded: header too large"),
        (OSError(errno.ENOSPC, "No space left"), NotEvaluableError, "the disk is full; the model 'm' cannot be"),
        (MissingExtraError("torch", "x"), MissingExtraError, "the package 'torch' is not installed"),
    ],
)
def test_what_a_library_raises_becomes_a_fault_with_the_name_of_the_model(
    raised: Exception, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=f"^{message}"), loading("m"):
        raise raised


def test_loading_draws_no_bar_where_there_is_no_terminal(
    tiny_cross_encoder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from rerank_eval.rerankers.cross_encoder import CrossEncoder

    CrossEncoder(str(tiny_cross_encoder), device="cpu")
    assert capfd.readouterr().err == ""


def test_a_length_is_checked_against_what_the_model_takes() -> None:
    class Config:
        max_position_embeddings = 128

    check_length("max_length", 128, Config())
    check_length("max_length", 10_000, object())
    with pytest.raises(ConfigError, match="max_length is 129; this model takes 4 to 128 tokens"):
        check_length("max_length", 129, Config())
    with pytest.raises(ConfigError, match="max_length is 3; this model takes 4 tokens"):
        check_length("max_length", 3, object())
