"""Exact dense search over random vectors: its share of the machine's matrix-multiplication rate, queries per second, memory.

    python benchmarks/dense_search.py                       1,000,000 x 384 float16, 1,000 queries, top 1000: about a minute
    python benchmarks/dense_search.py --documents 8841823   as many as MS MARCO has passages: 7 GB of memory

The share is the best of `--runs`, each against the rate of a 4096 x 4096 float32 product measured right before it, since a shared
machine changes. Peak memory is the largest resident set as the kernel counts it (Linux), the vectors included.
"""

import argparse
import resource
import time

import numpy as np
from figures import Figure, report
from numpy.typing import NDArray

from rerank_eval.search.encoded_corpus import BLOCK, make_run
from rerank_eval.search.exact_search import ExactSearch
from rerank_eval.types import Query

NUM_SINGLE = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("documents", 1_000_000), ("dim", 384), ("queries", 1000), ("depth", 1000), ("runs", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    sizes = [min(BLOCK, chosen.documents - start) for start in range(0, chosen.documents, BLOCK)]
    blocks = [random_vectors(size, chosen.dim, seed).astype(np.float16) for seed, size in enumerate(sizes)]
    queries = random_vectors(chosen.queries, chosen.dim, seed=10**9)
    search = ExactSearch(blocks, np.arange(chosen.documents))
    work = 2.0 * chosen.documents * chosen.dim * chosen.queries / 1e9
    shares, rates, seconds, processor_seconds = [], [], [], []
    for _ in range(chosen.runs):
        rates.append(matrix_rate())
        start, processor_start = time.perf_counter(), time.process_time()
        found = search.search(queries, chosen.depth)
        seconds.append(time.perf_counter() - start)
        processor_seconds.append(time.process_time() - processor_start)
        shares.append(work / seconds[-1] / rates[-1])
    start = time.perf_counter()
    make_run(
        [Query(str(number), "") for number in range(chosen.queries)],
        found,
        [f"d{position}" for position in range(chosen.documents)],
    )
    ranking_seconds = time.perf_counter() - start
    singles, processor_start = [], time.process_time()
    for query in queries[:NUM_SINGLE]:
        start = time.perf_counter()
        search.search(query[None], chosen.depth)
        singles.append(time.perf_counter() - start)
    single_processor_seconds = (time.process_time() - processor_start) / len(singles)
    name = f"{chosen.documents:,} x {chosen.dim} float16, top {chosen.depth}"
    report(
        [
            Figure(f"{name}: share of the matrix-multiplication rate", max(shares), "", 0.4, "at least"),
            Figure(f"{name}: matrix-multiplication rate", max(rates), "GFLOP/s"),
            Figure(f"{name}: queries per second, {chosen.queries:,} at once", chosen.queries / min(seconds), "1/s"),
            Figure(f"{name}: the same of processor time", chosen.queries / min(processor_seconds), "1/s"),
            Figure(f"{name}: making their rankings", ranking_seconds, "s"),
            Figure(f"{name}: one query alone, p50", 1e3 * float(np.median(singles)), "ms"),
            Figure(f"{name}: one query alone, processor time", 1e3 * single_processor_seconds, "ms"),
            Figure(f"{name}: peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, "GB"),
        ]
    )


def random_vectors(count: int, dim: int, seed: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((count, dim), dtype=np.float32)
    normalised: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normalised


def matrix_rate() -> float:
    """Return GFLOP/s of the best of three large float32 products."""
    matrix = np.ones((4096, 4096), np.float32)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - start)
    return 2 * 4096**3 / min(seconds) / 1e9


if __name__ == "__main__":
    main()
