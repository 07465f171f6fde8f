"""The time of day for records, and time as the calls see it, in one place so that tests need not wait."""

import threading
import time
from datetime import UTC, datetime


class Clock:
    """Real time."""

    def now_ns(self) -> int:
        """Return a time that only grows, in nanoseconds; differences mean something, the value does not."""
        return time.perf_counter_ns()

    def utc(self) -> datetime:
        """Return the time of day, for records and for headers that name a date; never to measure with."""
        return datetime.now(UTC)

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        """Return after `seconds`, or as soon as `stopped` is set."""
        stopped.wait(min(seconds, threading.TIMEOUT_MAX))


def utc_now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
