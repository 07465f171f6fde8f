"""How fast a provider may be asked: as its settings say, as its replies say, or as its refusals show."""

import threading
from collections.abc import Mapping

from rerank_eval.calls.headers import read_limits
from rerank_eval.clock import Clock

MARGIN = 0.98
"""The share of a limit that is used: a call may arrive a little sooner after the one before than it was sent."""
TRUSTED, LONGEST_S = 10, 300.0
"""A pace is learned from at least as many accepted calls, between two refusals that are not farther apart."""
QUIET_S, GROWTH, MOST_GROWTH, SHRINKAGE, LEAST = 60.0, 1.05, 1.5, 0.9, 0.25
"""A learned pace grows after this long without a refusal, the faster the longer there was none, and shrinks at each, but never below
this share of what it was at first: refusals may also be a server's bad day, and would then slow a run down without end."""


class Pace:
    """Turns for one endpoint, evenly spaced, shared by all threads that ask it."""

    def __init__(
        self,
        clock: Clock,
        stopped: threading.Event,
        longest_wait_s: float = 60.0,
    ) -> None:
        """Take what ends all waits; there is no limit until one is set, told or learned."""
        self._clock, self._stopped = clock, stopped
        self._lock = threading.Lock()
        self._set_calls: float | None = None
        self._set_tokens: float | None = None
        self._told_calls: float | None = None
        self._told_tokens: float | None = None
        self._learned: float | None = None
        self._learned_first = 0.0
        self._longest_wait_s = longest_wait_s
        self._next_turn = self._now()
        self._since: float | None = None
        self._accepted = 0
        self._growth = GROWTH
        self._rejected_at: float | None = None
        self._quiet_since = self._next_turn

    def _now(self) -> float:
        return self._clock.now_ns() / 1e9

    @property
    def calls_per_minute(self) -> float | None:
        """The limit that is kept to; None while none is known."""
        known = [limit for limit in (self._set_calls, self._told_calls, self._learned) if limit is not None]
        return min(known, default=None)

    def set_limits(self, calls_per_minute: float | None, tokens_per_minute: float | None) -> None:
        """Take the limits of settings, which hold whatever the replies say; of several the smallest."""
        with self._lock:
            self._set_calls = _smaller(self._set_calls, calls_per_minute)
            self._set_tokens = _smaller(self._set_tokens, tokens_per_minute)

    def wait_for_turn(self, tokens: int = 0) -> float:
        """Return when a call of `tokens` input tokens may be sent, with the seconds waited for that.

        Returns early when the run is stopped.
        """
        begun = self._now()
        while not self._stopped.is_set():
            with self._lock:
                now = self._now()
                if now >= self._next_turn:
                    interval = self._interval(tokens)
                    self._next_turn = max(self._next_turn, now - interval) + interval  # one late turn is made up for
                    return now - begun
                left = self._next_turn - now
            self._clock.wait(left, self._stopped)
        return self._now() - begun

    def _interval(self, tokens: int) -> float:
        """Return the seconds between a call of so many tokens and the next."""
        calls = self.calls_per_minute
        seconds = 0.0 if calls is None else 60 / (calls * MARGIN)
        # no call fits into one below its tokens
        told = self._told_tokens if tokens <= (self._told_tokens or 0) else None
        limits = [limit for limit in (self._set_tokens, told) if limit is not None]
        return max(seconds, tokens * 60 / (min(limits) * MARGIN)) if limits else seconds

    def accepted(self, sent_ns: int, headers: Mapping[str, str]) -> None:
        """Learn from the answer to a call sent at `sent_ns` of the clock."""
        with self._lock:
            self._read(headers)
            now = self._now()
            if self._rejected_at is not None and sent_ns / 1e9 > self._rejected_at:
                self._slow_down(now)
            elif self._learned is not None and now - self._quiet_since > QUIET_S:
                self._learned, self._quiet_since = self._learned * self._growth, now
                self._growth = min(self._growth**2, MOST_GROWTH)
            self._accepted += 1

    def _slow_down(self, now: float) -> None:
        """Take what was accepted from one refusal to the next as the limit, with the pause after it, which ends with the server's minute.

        One refusal shows nothing: what was accepted before it may be a few calls, and the pause after it as long as the server likes.
        """
        if self._learned is not None:
            self._learned = max(self._learned * SHRINKAGE, self._learned_first * LEAST)
        elif self._since is None or now - self._since > LONGEST_S:
            self._since, self._accepted = now, 0
        elif self._accepted >= TRUSTED and now > self._since:
            self._learned = self._learned_first = 60 * self._accepted / (now - self._since)
        self._rejected_at, self._quiet_since, self._growth = None, now, GROWTH

    def rejected(self, pause_s: float, headers: Mapping[str, str]) -> None:
        """Learn from a 429: nobody has a turn for `pause_s`."""
        with self._lock:
            self._read(headers)
            self._rejected_at = self._now()
            self._pause(pause_s)

    def _pause(self, seconds: float) -> None:
        self._next_turn = max(self._next_turn, self._now() + seconds)

    def _read(self, headers: Mapping[str, str]) -> None:
        limits = read_limits(headers, self._clock.utc())
        self._told_calls = limits.calls_per_minute or self._told_calls
        self._told_tokens = limits.tokens_per_minute or self._told_tokens
        if limits.exhausted_s is not None and limits.exhausted_s <= self._longest_wait_s:
            self._pause(limits.exhausted_s)


def _smaller(limit: float | None, other: float | None) -> float | None:
    return min((each for each in (limit, other) if each is not None), default=None)
