"""Small recorded results for the tests of `compare`: real evaluations of a reranker that knows the judgments."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rerank_eval import LatencySettings, Settings, evaluate
from rerank_eval.protocols import Reranker
from rerank_eval.results.reading import read_recorded
from rerank_eval.results.recorded import Cell, RecordedResult
from rerank_eval.results.writing import write_result
from rerank_eval.types import Dataset, Request, Scores
from tests.fakes import FixedRetriever, Hashed, draw, make_dataset

NUM_QUERIES = 60
DATASET = make_dataset(NUM_QUERIES, 30)


class Informed(Hashed):
    """Scores by the judgments; `spoil` says which queries get scores by chance, and `broken` which none at all."""

    def __init__(
        self,
        name: str = "informed",
        spoil: Callable[[int], bool] = lambda index: False,
        broken: Callable[[int], bool] = lambda index: False,
    ) -> None:
        super().__init__(name)
        self.spoil = spoil
        self.broken = broken

    def score(self, request: Request) -> Scores:
        index = int(request.query.query_id[1:])
        if self.broken(index):
            raise RuntimeError("no answer")
        if self.spoil(index):
            return Scores([draw(request.query.text, document.text) for document in request.documents])
        grades = DATASET.qrels[request.query.query_id]
        return Scores([float(grades.get(document.doc_id, 0)) for document in request.documents])


def write_small_result(parent: Path, *rerankers: Reranker, dataset: Dataset = DATASET, **settings: Any) -> Path:
    """Evaluate and return the result folder; without settings at two depths, without latency."""
    chosen = {"depths": (5, 20), "measures": ("nDCG@10", "RR@10"), "latency": LatencySettings(0), **settings}
    result = evaluate(dataset, FixedRetriever(), rerankers or [Informed()], Settings(**chosen))
    return write_result(result, parent)


def small_result(parent: Path, *rerankers: Reranker, **settings: Any) -> RecordedResult:
    return read_recorded(write_small_result(parent, *rerankers, **settings))


def shift(result: RecordedResult, system: str, by: Callable[[int], float]) -> RecordedResult:
    """Return the result with `by(number of the query)` added to every value of a system at depths above 0."""
    scores = {
        cell: {query_id: value + by(int(query_id[1:])) for query_id, value in values.items()}
        if (cell.system == system and cell.depth)
        else values
        for cell, values in result.scores.items()
    }
    return replace(result, scores=scores)


def with_scores(result: RecordedResult, cell: Cell, values: dict[str, float]) -> RecordedResult:
    return replace(result, scores={**result.scores, cell: values})
