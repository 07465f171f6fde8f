"""What other processes take of the cores while latency is measured: whatever they take makes it longer."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

_STAT = Path("/proc/stat")
_SHORTEST_S = 1.0
"""The system counts in ticks, mostly of 10 ms; over less time than this they say too little."""


class CoreUse(NamedTuple):
    """Seconds since the system's start that the cores this process may use were there and were busy, and its own processor time.

    `passed_s` and `busy_s` are sums over `cores` cores; `own_s` has all threads, and the child processes that have ended.
    """

    cores: int
    passed_s: float
    busy_s: float
    own_s: float


def read_core_use(stat: Path = _STAT) -> CoreUse | None:
    """Return it as of now; None where the system does not tell (not Linux). `stat` is a file as `/proc/stat`, proc_stat(5)."""
    if sys.platform != "linux":
        return None
    usable = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    try:
        lines = [line.split() for line in stat.read_text(encoding="utf-8").splitlines()]
        found = [[int(ticks) for ticks in line[1:9]] for line in lines if line and line[0] in usable]
    except (OSError, ValueError):
        return None
    per_second = os.sysconf("SC_CLK_TCK")
    passed = sum(map(sum, found))
    if len(found) < len(usable) or not passed:
        return None
    # idle and iowait; what is stolen by other virtual machines counts as busy
    idle = sum(sum(ticks[3:5]) for ticks in found)
    own = os.times()
    own_s = own.user + own.system + own.children_user + own.children_system
    return CoreUse(len(found), passed / per_second, (passed - idle) / per_second, own_s)


def cores_of_others(before: CoreUse | None, after: CoreUse | None) -> float | None:
    """Return how many cores other processes kept busy in between, on average; None where it is not known, or the time was too short."""
    if before is None or after is None or before.cores != after.cores:
        return None
    seconds = (after.passed_s - before.passed_s) / after.cores
    if seconds < _SHORTEST_S:
        return None
    return max(0.0, (after.busy_s - before.busy_s) - (after.own_s - before.own_s)) / seconds
