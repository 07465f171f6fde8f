"""Shows the peak memory of the DL 2019 run, and of loading a corpus of a million documents.

    python benchmarks/memory.py [--documents 1000000]      about 4 minutes on 2 idle cores, 500 MB in the temporary folder

Peak memory is the largest resident set of a fresh process, as the kernel counts it (Linux). The documents have 60 words each.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from figures import ROOT, Figure, need_collection, report

WORDS_PER_DOCUMENT = 60
LOAD = """
import sys
from rerank_eval.datasets.beir_dir import load_beir_dir
dataset = load_beir_dir(sys.argv[1])
assert len(dataset.corpus) == int(sys.argv[2])
"""


class Process(NamedTuple):
    """What a finished process took."""

    seconds: float
    peak_mb: float


def run_python(*arguments: str) -> Process:
    """Return time and peak resident memory of Python with these arguments; the process must succeed."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return Process(time.perf_counter() - start, usage.ru_maxrss * 1024 / 1e6)


def write_collection(folder: Path, num_documents: int) -> None:
    """Write a collection in BEIR layout with one judged query."""
    draw = random.Random(13)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 12))) for _ in range(50_000)]
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as file:
        for number in range(num_documents):
            text = " ".join(draw.choices(words, k=WORDS_PER_DOCUMENT))
            file.write(json.dumps({"_id": f"doc{number}", "title": "", "text": text}) + "\n")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q1", "text": "which?"}) + "\n", encoding="utf-8")
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tdoc0\t1\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of a run and of loading a large corpus.")
    parser.add_argument("--documents", type=int, default=1_000_000)
    num_documents = parser.parse_args().documents
    data = need_collection("trec-dl-2019")
    with tempfile.TemporaryDirectory() as folder:
        run = run_python(
            *("-m", "rerank_eval", "+experiment=msmarco", "dataset=beir_dir", f"dataset.path={data}"),
            *("dataset.relevance_level=2", "retriever=run_file"),
            *(f"retriever.path={data}/runs/bm25.top100.trec", "reranker=[none,minilm]", "depths=[10,20,50,100]"),
            f"output_dir={folder}",
        )
    with tempfile.TemporaryDirectory() as folder:
        write_collection(Path(folder), num_documents)
        load = run_python("-c", LOAD, folder, str(num_documents))
        bare = run_python("-c", LOAD.splitlines()[2])
    report(
        [
            Figure("DL 2019 run, peak memory", run.peak_mb, "MB", 700),
            Figure("DL 2019 run, quality and latency pass", run.seconds, "s"),
            Figure(f"loading {num_documents:,} documents, peak memory", load.peak_mb, "MB", 1500),
            Figure(
                f"loading {num_documents:,} documents, above Python and the imports", load.peak_mb - bare.peak_mb, "MB"
            ),
            Figure(f"loading {num_documents:,} documents, whole process", load.seconds, "s", 60),
        ]
    )


if __name__ == "__main__":
    main()
