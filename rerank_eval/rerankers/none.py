"""No reranking: keeps the first-stage order."""

from collections.abc import Mapping

from rerank_eval.types import Request, Scores, Usage


class NoReranker:
    """Gives `n - rank`: the system is the first stage alone."""

    pointwise = False
    concurrency = 1
    keeps_order = True

    def __init__(self, name: str = "none") -> None:
        """Take the name shown in results."""
        self.name = name

    def score(self, request: Request) -> Scores:
        """Return n, n-1, … 1."""
        return Scores([float(n) for n in range(len(request.documents), 0, -1)], Usage(calls=0))

    def identity(self) -> Mapping[str, object]:
        """Return nothing: the scores depend on the request alone."""
        return {}
