"""Shows how near the recorded latency is to that of a server which answers in 200 ms, at concurrency 1 and 8; 100 documents a call.

    python benchmarks/api_latency.py      about 40 s

For each way to a provider: plain httpx, Cohere's SDK, Anthropic's SDK, and OpenAI's chat completions. The median is of 20 calls for each of
those in flight; what it is above 200 ms is the client's: sending, receiving, and waiting for the interpreter.
"""

import os
import statistics

from api_server import DELAY_S, DOCUMENTS, running
from figures import Figure, report

from rerank_eval.calls.claude import Claude
from rerank_eval.calls.openai_chat import OpenAIChat
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.cohere import Cohere
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.rerankers.listwise import Listwise
from rerank_eval.threads import work_in_threads
from rerank_eval.types import Document, Query, Request

MOST_MS = 5.0


def measure(name: str, reranker: Reranker, concurrency: int) -> Figure:
    documents = tuple(Document(f"d{i}", f"text {i} " * 60) for i in range(DOCUMENTS))
    requests = [
        Request(Query(f"q{i}", f"query {i} of {concurrency}"), documents, tuple(map(float, range(DOCUMENTS, 0, -1))))
        for i in range(20 * concurrency)
    ]
    calls = [call for _, scores in work_in_threads(reranker.score, requests, concurrency) for call in scores.calls]
    p50 = statistics.median(call.nanoseconds for call in calls if call.nanoseconds is not None) / 1e6
    most = max(call.concurrency for call in calls)
    return Figure(
        f"{name}, up to {most} in flight: p50 above {1000 * DELAY_S:.0f} ms", p50 - 1000 * DELAY_S, "ms", MOST_MS
    )


def main() -> None:
    os.environ |= {"COHERE_API_KEY": "no-key-at-all", "ANTHROPIC_API_KEY": "no-key-at-all"}
    with running() as server:
        rerankers: dict[str, Reranker] = {
            "httpx": HttpRerank(f"{server.url}/rerank", "m"),
            "Cohere's SDK": Cohere("m", base_url=server.url),
            "Anthropic's SDK": Listwise(Claude("m", server.url), window=None),
            "chat completions": Listwise(OpenAIChat(f"{server.url}/v1/chat/completions", "m"), window=None),
        }
        figures = [measure(name, reranker, c) for name, reranker in rerankers.items() for c in (1, 8)]
    report(figures)


if __name__ == "__main__":
    main()
