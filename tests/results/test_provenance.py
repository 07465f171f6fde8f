"""Where a result comes from."""

import platform
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from rerank_eval.hardware import describe_hardware
from rerank_eval.results.provenance import PACKAGES, describe_git, describe_packages, describe_provenance
from tests.conftest import ROOT


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_commit_and_changes(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert describe_git(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "file").write_text("two")
    assert describe_git(tmp_path) == {"commit": commit, "dirty": True}


def test_unknown_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert describe_git(tmp_path) == {"commit": None, "dirty": None}


def test_unknown_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_git(tmp_path) == {"commit": None, "dirty": None}


def test_every_package_has_a_version_or_none() -> None:
    versions = describe_packages()
    assert set(versions) == {"python", *PACKAGES}
    assert versions["python"] == platform.python_version()
    assert versions["numpy"]
    assert versions["rerank-eval"]


def test_every_extra_that_brings_data_or_scores_is_named() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    brought = {
        re.split(r"[=<>\[]", package)[0]
        for extra in ("onnx", "bundled", "hf", "irds", "hnsw", "pyserini", "cohere", "anthropic")
        for package in extras[extra]
    }
    assert brought - {"rerank-eval", "httpx2"} <= set(PACKAGES)


def test_provenance_is_start_code_packages_machine_and_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.argv", ["rerank_eval", "depths=[10, 20]"])
    monkeypatch.chdir(tmp_path)
    found = describe_provenance()
    assert set(found) == {"started", "git", "packages", "hardware", "command"}
    assert found["command"] == "rerank_eval 'depths=[10, 20]'"
    assert found["hardware"] == describe_hardware()
    assert found["packages"] == describe_packages()
    assert found["git"] == describe_git(tmp_path)
