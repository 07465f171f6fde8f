"""The floor: a random order that is the same in every run."""

import hashlib
from collections.abc import Mapping

from rerank_eval.types import Request, Scores, Usage


class RandomReranker:
    """Gives each (query, document) a number in [0, 1) that depends on the seed and the ids only."""

    pointwise = True
    concurrency = 1

    def __init__(self, name: str = "random", seed: int = 13) -> None:
        """Take the seed; another one gives another order."""
        self.name = name
        self._seed = seed

    def score(self, request: Request) -> Scores:
        """Return one number per document."""
        return Scores(
            [self._draw(request.query.query_id, document.doc_id) for document in request.documents], Usage(calls=0)
        )

    def identity(self) -> Mapping[str, object]:
        """Return the seed."""
        return {"seed": self._seed}

    def _draw(self, query_id: str, doc_id: str) -> float:
        digest = hashlib.sha256(f"{self._seed}\0{query_id}\0{doc_id}".encode()).digest()
        return int.from_bytes(digest[:6], "big") / 2**48
