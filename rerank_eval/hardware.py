"""The machine: what latency depends on, and what the rounding of quantised models depends on."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

_VECTOR_SETS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm", "sve")


def describe_hardware() -> Mapping[str, object]:
    """Return what latency depends on: processor, cores, vector instructions, memory, operating system."""
    information = _read_proc("/proc/cpuinfo")
    memory = _read_proc("/proc/meminfo").get("MemTotal", "").split(" ")[0]
    return {
        "processor": information.get("model name") or platform.processor() or platform.machine(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "usable_cores": available_cores(),
        "vector_instructions": vector_instructions(),
        "memory_gib": round(int(memory) / 2**20, 1) if memory.isdigit() else None,
        "operating_system": platform.platform(),
    }


def vector_instructions() -> Sequence[str] | None:
    """Return the processor's instruction sets that matter here; None where the system does not tell."""
    information = _read_proc("/proc/cpuinfo")
    flags = set((information.get("flags") or information.get("Features") or "").split())
    return [name for name in _VECTOR_SETS if name in flags] if flags else None


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
