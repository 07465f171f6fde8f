"""Small results written to folders and read back: what reports and comparisons are tested on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rerank_eval import Settings, evaluate
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.results.reading import read_recorded
from rerank_eval.results.recorded import RecordedResult
from rerank_eval.results.writing import write_result
from rerank_eval.settings import LatencySettings
from rerank_eval.types import Dataset
from tests.fakes import FixedRetriever, Hashed, make_dataset

NUM_QUERIES = 30


class NamedRetriever(FixedRetriever):
    """A first stage with a name of its own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def make_result(
    parent: Path,
    rerankers: Sequence[Reranker] = (),
    dataset: Dataset | None = None,
    retriever: str = "fixed",
    depths: Sequence[int] = (2, 5),
    measures: Sequence[str] = ("nDCG@10", "R@2"),
    latency_queries: int = 0,
    name: str | None = None,
) -> RecordedResult:
    """Evaluate and write under `parent`; without rerankers, those of a hash and the oracle."""
    dataset = dataset or make_dataset(NUM_QUERIES)
    settings = Settings(depths, measures, retrieval_depth=12, latency=LatencySettings(queries=latency_queries))
    result = evaluate(
        replace(dataset, name=name or dataset.name),
        NamedRetriever(retriever),
        list(rerankers) or [Hashed(), Oracle()],
        settings,
    )
    return read_recorded(write_result(result, parent))
