"""A clock whose waits take no time, but count."""

import threading
from datetime import UTC, datetime, timedelta

from rerank_eval.clock import Clock


class SkippingClock(Clock):
    """Runs at the real pace, except that a wait is skipped over."""

    def __init__(self) -> None:
        self.skipped_s = 0.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        return super().now_ns() + int(self.skipped_s * 1e9)

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=self.skipped_s)

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        with self._lock:
            self.skipped_s += seconds
            self.waits.append(seconds)


class StandingClock(SkippingClock):
    """Stands still except for waits, so that what is waited for can be told exactly."""

    def now_ns(self) -> int:
        return int(self.skipped_s * 1e9)

    def utc(self) -> datetime:
        return datetime(2026, 11, 23, 12, 0, tzinfo=UTC) + timedelta(seconds=self.skipped_s)
