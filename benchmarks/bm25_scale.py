"""Measures the BM25 first stage on made text: time and memory to build the index, its size, and the queries per second.

    python benchmarks/bm25_scale.py                            1,000,000 documents: about 3 minutes, 1.5 GB on disk
    python benchmarks/bm25_scale.py --documents 8841823        as many as MS MARCO has passages: about 40 minutes, 10 GB

The text is that of `zipf_text.py`: 56 words per document, a million different words, 1,000 queries of 4 to 8 words.
Each part runs in a process of its own; peak memory is its largest resident set as the kernel counts it (Linux), which
includes what is mapped from disk: the texts and the index, which lie in the temporary folder (TMPDIR).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import Figure, report
from zipf_text import make_zipf_text

from rerank_eval.corpus import Corpus
from rerank_eval.protocols import SilentProgress
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.types import Dataset, Query

DEPTH = 1000
NUM_QUERIES = 1000
MILLION, MS_MARCO = 1_000_000, 8_841_823


def run_part(part: str, num_documents: int, index_dir: str) -> dict[str, Any]:
    """Return the figures of `build` or `search`."""
    text = make_zipf_text()
    start = time.perf_counter()
    corpus = Corpus(text.documents(num_documents))
    figures: dict[str, Any] = {"corpus_seconds": time.perf_counter() - start}
    start, cpu_start = time.perf_counter(), time.process_time()
    bm25 = BM25(index_dir=index_dir)
    bm25.build_index(corpus, SilentProgress())
    figures["index_seconds"] = time.perf_counter() - start
    figures["index_cpu_seconds"] = time.process_time() - cpu_start
    if part == "search":
        queries = tuple(Query(f"q{number}", query) for number, query in enumerate(text.queries(NUM_QUERIES)))
        dataset = Dataset("zipf", "test", corpus, queries, {query.query_id: {"0": 1} for query in queries})
        bm25.retrieve(dataset.only(queries[0]), DEPTH)
        start, cpu_start = time.perf_counter(), time.process_time()
        run = bm25.retrieve(dataset, DEPTH)
        figures["search_seconds"] = time.perf_counter() - start
        figures["search_cpu_seconds"] = time.process_time() - cpu_start
        figures["found"] = sum(len(ranking) for ranking in run.values()) / len(run)
        singles = []
        for query in queries[:200]:
            one = dataset.only(query)
            start = time.perf_counter()
            bm25.retrieve(one, DEPTH)
            singles.append(time.perf_counter() - start)
        figures["p50_ms"] = sorted(singles)[len(singles) // 2] * 1000
    return figures


def in_process(part: str, num_documents: int, index_dir: str) -> dict[str, Any]:
    """Return what `run_part` returns in a process of its own, with that process's peak memory."""
    arguments = [sys.executable, __file__, "--part", part, "--documents", str(num_documents), "--index-dir", index_dir]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    figures: dict[str, Any] = json.loads(output)
    return figures | {"peak_gb": usage.ru_maxrss * 1024 / 1e9}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time, memory and queries per second of BM25 at scale.")
    parser.add_argument("--documents", type=int, default=MILLION)
    parser.add_argument("--part", choices=["build", "search"], help=argparse.SUPPRESS)
    parser.add_argument("--index-dir", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part:
        print(json.dumps(run_part(chosen.part, chosen.documents, chosen.index_dir)))
        return
    with tempfile.TemporaryDirectory() as folder:
        build = in_process("build", chosen.documents, folder)
        on_disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        search = in_process("search", chosen.documents, folder)
    is_million = chosen.documents == MILLION
    name = f"{chosen.documents:,} documents"
    report(
        [
            Figure(f"{name}: reading them", build["corpus_seconds"], "s"),
            Figure(f"{name}: building the index", build["index_seconds"], "s", 360 if is_million else None),
            Figure(f"{name}: building, processor time", build["index_cpu_seconds"], "s"),
            Figure(f"{name}: building, peak memory", build["peak_gb"], "GB", 4 if is_million else 20),
            Figure(f"{name}: index on disk", on_disk / 1e9, "GB"),
            Figure(f"{name}: loading the index, checked", search["index_seconds"], "s"),
            Figure(f"{name}: searching, peak memory", search["peak_gb"], "GB"),
            Figure(f"{name}: documents found per query", search["found"], ""),
            Figure(
                f"{name}: queries per second, top {DEPTH}",
                NUM_QUERIES / search["search_seconds"],
                "1/s",
                100 if is_million else None,
                "at least",
            ),
            Figure(f"{name}: queries per second of processor time", NUM_QUERIES / search["search_cpu_seconds"], "1/s"),
            Figure(f"{name}: one query alone, p50", search["p50_ms"], "ms"),
        ]
    )


if __name__ == "__main__":
    main()
