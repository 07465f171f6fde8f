"""Shows how much of an account's limit is used, and how many calls are refused: a server answers in 200 ms and allows 600 calls in any 60 s.

    python benchmarks/api_pace.py      about 4 minutes

Three times 60 s, with 8 queries in flight: the limit in the settings, the limit in the replies' headers, and a server that tells only when to
come back.
"""

import time
from concurrent.futures import ThreadPoolExecutor

from api_server import SECONDS, running
from figures import Figure, report

from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.types import Document, Query, Request

LIMIT, CONCURRENCY = 600, 8


def measure(name: str, tells: bool, calls_per_minute: int | None) -> list[Figure]:
    with running(LIMIT, tells) as server:
        calls = {"concurrency": CONCURRENCY, "calls_per_minute": calls_per_minute}
        reranker = HttpRerank(f"{server.url}/rerank", "m", documents_per_call=100, calls=calls)
        documents = tuple(Document(f"d{i}", f"text {i}") for i in range(100))
        ends = time.monotonic() + SECONDS

        def work(number: int) -> None:
            if time.monotonic() < ends:
                reranker.score(Request(Query(f"q{number}", f"query {number}"), documents))

        with ThreadPoolExecutor(CONCURRENCY) as pool:
            list(pool.map(work, range(3 * LIMIT)))
        seen = server.stop()
    refused = seen.refused / max(1, seen.accepted + seen.refused)
    return [
        Figure(f"{name}: of the limit used", 100 * seen.accepted / LIMIT, "%", 95.0, "at least"),
        Figure(f"{name}: calls refused", 100 * refused, "%", 1.0),
    ]


def main() -> None:
    report(
        [
            *measure("limit in the settings", tells=False, calls_per_minute=LIMIT),
            *measure("limit in the headers", tells=True, calls_per_minute=None),
            *measure("only Retry-After", tells=False, calls_per_minute=None),
        ]
    )


if __name__ == "__main__":
    main()
