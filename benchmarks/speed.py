"""Shows what the harness costs: the bundled cross-encoder over 20 queries x 100 candidates of TREC DL 2019.

    python benchmarks/speed.py [--queries 20] [--rounds 3]      about 6 minutes on 2 idle cores

The whole of `evaluate()` (requests, store, measures, intervals; no latency pass) is compared with two other ways to score
the same pairs with the same weights: one padded batch per query with onnxruntime's defaults (what FlashRank does), and
a bare loop, one pair per call, on as many threads. They take turns query by query inside one evaluation, in
changing order, so that whatever else the machine does hits all alike. Of each query the fastest round counts, and
so it does for the time that `evaluate()` spends outside the model. Then: the model time of five depths against the largest.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from contenders import Contender, bare_loop, padded_batch
from figures import Figure, need_collection, report

from rerank_eval import LatencySettings, Settings, evaluate
from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.rerankers.minilm import MiniLM
from rerank_eval.retrievers.run_file import RunFile
from rerank_eval.types import Dataset, Request, Scores

DEPTH = 100
SWEEP = (10, 20, 30, 50, DEPTH)
SWEEP_QUERIES = 5


class Timed:
    """The bundled cross-encoder, its seconds per request noted; contenders score the same requests in turn."""

    name = "minilm"
    pointwise = MiniLM.pointwise
    concurrency = MiniLM.concurrency

    def __init__(self, reranker: MiniLM, contenders: Mapping[str, Contender] | None = None) -> None:
        """Take turns with `contenders`, in every order."""
        self._reranker = reranker
        self._contenders = dict(contenders or {})
        self._orders = itertools.cycle(itertools.permutations(["minilm", *self._contenders]))
        self.seconds: dict[str, list[float]] = {name: [] for name in ("minilm", *self._contenders)}

    def score(self, request: Request) -> Scores:
        """Return the cross-encoder's answer."""
        answer = Scores([])
        for name in next(self._orders):
            start = time.perf_counter()
            if name == "minilm":
                answer = self._reranker.score(request)
            else:
                self._contenders[name](request)
            self.seconds[name].append(time.perf_counter() - start)
        return answer

    def identity(self) -> Mapping[str, object]:
        """Return that of the cross-encoder, so that the answers are kept."""
        return self._reranker.identity()


def time_evaluation(reranker: Timed, dataset: Dataset, retriever: RunFile, depths: Sequence[int]) -> float:
    """Return the seconds of one evaluation with a fresh store, without those inside the reranker."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(depths=depths, latency=LatencySettings(0), store_path=Path(folder) / "store.sqlite")
        start = time.perf_counter()
        evaluate(dataset, retriever, [reranker], settings)
        return time.perf_counter() - start - sum(sum(seconds) for seconds in reranker.seconds.values())


def sum_of_fastest(rounds: Sequence[Sequence[float]]) -> float:
    """Return the sum over the requests of each one's fastest round."""
    return float(np.min(np.array(rounds), axis=0).sum())


def first_queries(dataset: Dataset, count: int) -> Dataset:
    """Return the dataset with its first `count` queries."""
    queries = dataset.queries[:count]
    return replace(dataset, queries=queries, qrels={query.query_id: dataset.qrels[query.query_id] for query in queries})


def compare_contenders(minilm: MiniLM, threads: int, dataset: Dataset, retriever: RunFile, rounds: int) -> list[Figure]:
    """Return the figures of the harness against the two contenders."""
    contenders = {"padded": padded_batch(), "bare": bare_loop(threads)}
    timed = [Timed(minilm, contenders) for _ in range(rounds)]
    outside = min(time_evaluation(reranker, dataset, retriever, [DEPTH]) for reranker in timed)
    model, padded, bare = (
        sum_of_fastest([reranker.seconds[name] for reranker in timed]) for name in ("minilm", "padded", "bare")
    )
    num_pairs = len(dataset.queries) * DEPTH
    return [
        Figure("harness", num_pairs / (model + outside), "pairs/s"),
        Figure("one padded batch per query", num_pairs / padded, "pairs/s"),
        Figure("bare loop", num_pairs / bare, "pairs/s"),
        Figure("harness outside the model", outside, "s"),
        Figure("harness, times as fast as padded batches", padded / (model + outside), "x", 3.0, "at least"),
        Figure("harness, time relative to the bare loop", (model + outside) / bare, "x", 1.03),
    ]


def compare_depths(minilm: MiniLM, dataset: Dataset, retriever: RunFile, rounds: int) -> list[Figure]:
    """Return the model time of all depths relative to the largest alone; they take turns, one query each."""
    both: list[tuple[int, ...]] = [SWEEP, (DEPTH,)]
    seconds: dict[tuple[int, ...], list[list[float]]] = {depths: [[] for _ in range(rounds)] for depths in both}
    for turn, query in itertools.product(range(rounds), dataset.queries[:SWEEP_QUERIES]):
        for depths in both if turn % 2 else reversed(both):
            reranker = Timed(minilm)
            time_evaluation(reranker, dataset.only(query), retriever, depths)
            seconds[depths][turn].append(sum(reranker.seconds["minilm"]))
    ratio = sum_of_fastest(seconds[SWEEP]) / sum_of_fastest(seconds[DEPTH,])
    return [Figure(f"model time of {len(SWEEP)} depths relative to the largest", ratio, "x", 1.03)]


def main() -> None:
    parser = argparse.ArgumentParser(description="What the harness costs; the file's first lines say more.")
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    folder = need_collection("trec-dl-2019")
    dataset = first_queries(load_beir_dir(str(folder), relevance_level=2), arguments.queries)
    retriever = RunFile(str(folder / "runs" / "bm25.top100.trec"))
    threads = os.cpu_count() or 1
    minilm = MiniLM(threads=threads)
    figures = compare_contenders(minilm, threads, dataset, retriever, arguments.rounds)
    report(figures + compare_depths(minilm, dataset, retriever, arguments.rounds))


if __name__ == "__main__":
    main()
