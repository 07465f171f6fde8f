"""Whether a provider accepts what it is asked at all: what a refused question means for the others."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rerank_eval.clock import Clock

Place = tuple[str, str]
"""`Endpoint.place`."""
_TOGETHER_S = 0.25
"""Questions that begin within this time are asked together: which is answered first is chance."""


class Acceptance:
    """Which places have accepted a question, and how many questions each has still to answer. Thread-safe."""

    def __init__(self, clock: Clock, stopped: threading.Event) -> None:
        """Take the clock, and what ends every wait."""
        self._clock, self._stopped = clock, stopped
        self._changed = threading.Condition()
        self._accepting: set[Place] = set()
        self._open: Counter[Place] = Counter()

    @contextmanager
    def asking(self, place: Place) -> Iterator[None]:
        """Count a question as open until it is answered, refused or given up."""
        self._count(place, 1)
        try:
            yield
        finally:
            self._count(place, -1)

    def accepted(self, place: Place) -> None:
        """Note that a question was accepted."""
        with self._changed:
            self._accepting.add(place)
            self._changed.notify_all()

    def has_accepted(self, place: Place) -> bool:
        """Return whether the place has accepted any question; where it has not yet, once no question is open there."""
        if place not in self._accepting:
            self._clock.wait(_TOGETHER_S, self._stopped)
        with self._changed:
            self._changed.wait_for(lambda: place in self._accepting or not self._open[place] or self._stopped.is_set())
            return place in self._accepting

    def stop(self) -> None:
        """End all waits; `stopped` is set."""
        with self._changed:
            self._changed.notify_all()

    def _count(self, place: Place, more: int) -> None:
        with self._changed:
            self._open[place] += more
            self._changed.notify_all()
