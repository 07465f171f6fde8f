"""Evaluations of a small dataset by rerankers that ask `batch_server.BatchServer`."""

from pathlib import Path
from typing import Any

from rerank_eval.calls.claude import Claude
from rerank_eval.configuration import CONF
from rerank_eval.rerankers.listwise import Listwise
from rerank_eval.results.depth_results import DepthResult
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from tests.calls.batch_server import BatchServer
from tests.fakes import FixedRetriever, make_dataset

DATASET = make_dataset()
NUM = len(DATASET.queries)


def make(
    server: BatchServer, kind: Any = Listwise, queries: int | None = NUM, gather_s: float = 0.1, **settings: Any
) -> Any:
    calls = {"attempts": 3, "concurrency": 2}
    batch = {"queries": queries, "poll_s": 0.01, "gather_s": gather_s}
    chat = Claude("claude-haiku-5-5", server.url, batch=batch, calls=calls)
    return kind(chat, **({"window": None} if kind is Listwise and not settings else settings))


def settings_for(tmp_path: Path, **changes: Any) -> Settings:
    base = {"depths": (9,), "store_path": tmp_path / "s.sqlite", "latency": LatencySettings(queries=0)}
    return Settings(**{**base, "prices_path": CONF / "prices.yaml", **changes})


def run(reranker: Any, tmp_path: Path, **changes: Any) -> ExperimentResult:
    return evaluate(DATASET, FixedRetriever(), [reranker], settings_for(tmp_path, **changes))


def deepest(result: ExperimentResult) -> DepthResult:
    return result.systems[0].depths[-1]


def usd(result: ExperimentResult) -> float:
    usage = deepest(result).usage
    assert usage is not None
    return float(usage["usd"])  # type: ignore[arg-type] # None would fail here
