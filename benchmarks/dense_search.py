"""Exact dense search over random vectors: rate, share of the machine's matrix-multiplication rate, seconds, memory.

python benchmarks/dense_search.py [--documents 1000000] [--dim 384] [--queries 1000] [--depth 1000]
"""

import argparse
import resource
import time

import numpy as np
from numpy.typing import NDArray

from rerank_eval.encoded_corpus import make_run
from rerank_eval.exact_search import ExactSearch
from rerank_eval.types import Query

BLOCK = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("documents", 1_000_000), ("dim", 384), ("queries", 1000), ("depth", 1000), ("runs", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    blocks = [random_vectors(BLOCK, chosen.dim, seed).astype(np.float16) for seed in range(chosen.documents // BLOCK)]
    queries = random_vectors(chosen.queries, chosen.dim, seed=10**9)
    ranks = np.arange(len(blocks) * BLOCK)
    search = ExactSearch(blocks, ranks)
    work = 2.0 * len(blocks) * BLOCK * chosen.dim * chosen.queries / 1e9
    print(f"{len(blocks) * BLOCK:,} x {chosen.dim} float16, {chosen.queries} queries, top {chosen.depth}")
    for _ in range(chosen.runs):
        peak = matrix_rate()  # measured right before, since a shared machine changes
        start, used = time.perf_counter(), time.process_time()
        found = search.search(queries, chosen.depth)
        seconds, used = time.perf_counter() - start, time.process_time() - used
        print(
            f"{seconds:.2f} s, {work / seconds:.1f} GFLOP/s, {work / seconds / peak:.0%} of the {peak:.1f} GFLOP/s of a 4096 x 4096 "
            f"float32 product; {chosen.queries / seconds:.0f} queries/s; {used:.2f} s of processor time"
        )
    start = time.perf_counter()
    make_run(
        [Query(str(number), "") for number in range(chosen.queries)], found, [f"d{at}" for at in range(len(ranks))]
    )
    print(f"making rankings of document ids of them: {time.perf_counter() - start:.2f} s")
    times = []
    for query in queries[:20]:
        start = time.perf_counter()
        search.search(query[None], chosen.depth)
        times.append(time.perf_counter() - start)
    print(f"one query at a time: {1e3 * np.median(times):.0f} ms")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


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
