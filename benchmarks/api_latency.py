"""How near the recorded latency is to that of a server which answers in 200 ms, at concurrency 1 and 8; 100 documents a call.

The server is a process of its own: in this one it would compete with the client for the interpreter. Run: python -m benchmarks.api_latency
"""

import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rerank_eval.rerankers.cohere import Cohere
from rerank_eval.rerankers.http_rerank import HttpRerank
from tests.fakes import make_request

ROOT = Path(__file__).parents[1]
DELAY_S = 0.2


def measure(name: str, reranker: Cohere | HttpRerank, concurrency: int) -> None:
    documents = [(f"d{i}", f"text {i} " * 60) for i in range(100)]
    requests = [make_request(f"q{i}", f"query {i} {concurrency}", documents) for i in range(20 * concurrency)]
    with ThreadPoolExecutor(concurrency) as pool:
        calls = [scores.calls[0] for scores in pool.map(reranker.score, requests)]
    p50 = statistics.median(call.nanoseconds for call in calls if call.nanoseconds is not None) / 1e6
    most = max(call.concurrency for call in calls)
    print(f"{name}, up to {most} in flight: p50 {p50:.1f} ms, {p50 - 1000 * DELAY_S:+.1f} ms")


if __name__ == "__main__":
    os.environ["COHERE_API_KEY"] = "none"
    command = [sys.executable, "-m", "tests.fault_server", str(DELAY_S)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        url = server.stdout.readline().strip()
        for concurrency in (1, 8):
            measure("httpx", HttpRerank(url, "m"), concurrency)
            measure("Cohere's SDK", Cohere("m", base_url=url), concurrency)
        server.stdin.close()
