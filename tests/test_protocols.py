"""A reranker needs no base class; what more it can do is seen from its methods."""

import pytest

from rerank_eval.protocols import BatchReranker, HasIdentity, HasParts, Reranker, SeesDataset, SilentProgress
from rerank_eval.types import Request, Scores


class Minimal:
    name = "minimal"
    pointwise = False
    concurrency = 1

    def score(self, request: Request) -> Scores:
        return Scores([0.0] * len(request.documents))


def test_a_class_with_score_alone_is_a_reranker_without_further_abilities() -> None:
    reranker: Reranker = Minimal()
    assert not isinstance(reranker, BatchReranker | SeesDataset | HasIdentity | HasParts)


def test_the_silent_progress_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    silent = SilentProgress()
    silent.start("work", 3)
    silent.advance()
    silent.advance(2)
    silent.note("something")
    assert capfd.readouterr() == ("", "")
