"""How much of an account's limit is used, and how many calls are refused, by a server that answers in 200 ms and allows 600 a minute.

Three times 60 s: the limit in the settings, the limit in the replies' headers, and a server that tells only when to come back. Run: python -m benchmarks.api_pace
"""

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from rerank_eval.rerankers.http_rerank import HttpRerank
from tests.fakes import make_request
from tests.fault_server import Asked, Behaviour, FaultServer

LIMIT, SECONDS, DELAY_S = 600, 60.0, 0.2


class Limited:
    """Allows `LIMIT` calls in any 60 s."""

    def __init__(self, tells: bool) -> None:
        """Begin to count; `tells` is whether the replies name the limit."""
        self.tells = tells
        self.accepted: deque[float] = deque()
        self.in_time = self.refused = self.refused_in_time = 0
        self.begun = time.monotonic()
        self.lock = threading.Lock()

    def __call__(self, asked: Asked) -> Behaviour:
        """Answer, or refuse."""
        with self.lock:
            now = time.monotonic()
            while self.accepted and now - self.accepted[0] >= 60:
                self.accepted.popleft()
            in_time = now - self.begun < SECONDS
            if len(self.accepted) >= LIMIT:
                self.refused_in_time += in_time
                return Behaviour(429, {}, {"retry-after": f"{60 - (now - self.accepted[0]):.3f}"})
            self.accepted.append(now)
            self.in_time += in_time
        return Behaviour(delay_s=DELAY_S, headers={"x-ratelimit-limit-requests": str(LIMIT)} if self.tells else {})


def measure(name: str, tells: bool, calls_per_minute: int | None) -> None:
    limited = Limited(tells)
    with FaultServer(limited) as server:
        reranker = HttpRerank(server.url, "m", calls={"concurrency": 8, "calls_per_minute": calls_per_minute})
        limited.begun = time.monotonic()

        def work(number: int) -> None:
            if time.monotonic() - limited.begun < SECONDS:
                reranker.score(make_request(f"q{number}", f"query {number}"))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(3 * LIMIT)))
    refused = limited.refused_in_time / max(1, limited.in_time + limited.refused_in_time)
    print(f"{name}: {limited.in_time / LIMIT:.1%} of the limit used in {SECONDS:.0f} s, {refused:.2%} of calls refused")


if __name__ == "__main__":
    measure("limit in the settings", tells=False, calls_per_minute=LIMIT)
    measure("limit in the headers", tells=True, calls_per_minute=None)
    measure("only Retry-After", tells=False, calls_per_minute=None)
