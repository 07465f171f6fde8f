"""The ceiling: orders by the judgments themselves."""

import hashlib
from collections.abc import Mapping
from typing import Self

from rerank_eval.types import Dataset, Qrels, Request, Scores, Usage


class Oracle:
    """Gives each document its relevance grade; unjudged counts as 0. No reranker of these candidates can be better."""

    pointwise = True
    concurrency = 1
    reads_judgments = True

    def __init__(self, name: str = "oracle", qrels: Qrels | None = None) -> None:
        """Take the judgments; without them `for_dataset` brings those of the dataset."""
        self.name = name
        self._qrels = {} if qrels is None else qrels

    def for_dataset(self, dataset: Dataset) -> Self:
        """Return the oracle of this dataset."""
        return type(self)(self.name, dataset.qrels)

    def identity(self) -> Mapping[str, object]:
        """Return the judgments, as a hash."""
        judgments = sorted((query_id, sorted(grades.items())) for query_id, grades in self._qrels.items())
        return {"qrels_sha256": hashlib.sha256(repr(judgments).encode()).hexdigest()}

    def score(self, request: Request) -> Scores:
        """Return the grade of each document."""
        grades = self._qrels.get(request.query.query_id, {})
        return Scores([float(grades.get(document.doc_id, 0)) for document in request.documents], Usage(calls=0))
