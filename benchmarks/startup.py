"""Shows how long a user waits before the work begins: import, --help, and a finished run repeated from the store.

    python benchmarks/startup.py [--processes 5]      about 3 minutes on 2 idle cores

Each figure is the median of fresh processes, from their start to their end. The run is TREC DL 2019 with `minilm`;
repeated with its latency pass it takes longer, because latency is measured anew each time and never taken from the store.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import ROOT, Figure, need_collection, report


def time_process(*arguments: str) -> float:
    """Return the seconds that Python takes with these arguments; the process must succeed."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def median_of(processes: int, *arguments: str) -> float:
    """Return the median over fresh processes, after one that is not counted."""
    time_process(*arguments)
    return statistics.median(time_process(*arguments) for _ in range(processes))


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a user waits before the work begins.")
    parser.add_argument("--processes", type=int, default=5)
    processes = parser.parse_args().processes
    data = need_collection("trec-dl-2019")
    with tempfile.TemporaryDirectory() as folder:
        run = (
            *("-m", "rerank_eval", "+experiment=msmarco", "dataset=beir_dir", f"dataset.path={data}"),
            *("dataset.relevance_level=2", "retriever=run_file", f"retriever.path={data}/runs/bm25.top100.trec"),
            f"output_dir={Path(folder)}",
            *("reranker=[none,minilm]", "depths=[10,20,50,100]"),
        )
        first = time_process(*run, "latency.queries=0")
        figures = [
            Figure("python alone", median_of(processes, "-c", "pass"), "s"),
            Figure("python, import rerank_eval", median_of(processes, "-c", "import rerank_eval"), "s", 0.15),
            Figure("python -m rerank_eval --help", median_of(processes, "-m", "rerank_eval", "--help"), "s", 1.0),
            Figure("DL 2019, first run, no latency pass", first, "s"),
            Figure("the same from the store", median_of(processes, *run, "latency.queries=0"), "s", 5.0),
            Figure("the same from the store, latency pass (20 queries)", time_process(*run), "s"),
        ]
    report(figures)


if __name__ == "__main__":
    main()
