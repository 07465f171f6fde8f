"""A reranker needs no base class; what more it can do is seen from its methods."""

import pytest

from rerank_eval.protocols import BatchReranker, HasIdentity, HasParts, Reranker, SeesDataset, SilentProgress
from rerank_eval.rerankers.bge_small import BGESmall
from rerank_eval.rerankers.cross_encoder import CrossEncoder
from rerank_eval.rerankers.minilm import MiniLM
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.rerankers.random import RandomReranker
from rerank_eval.types import Request, Scores

KINDS: list[type[Reranker]] = [BGESmall, CrossEncoder, MiniLM, NoReranker, Oracle, RandomReranker]  # mypy checks this


class Minimal:
    name = "minimal"
    pointwise = False
    concurrency = 1

    def score(self, request: Request) -> Scores:
        return Scores([0.0] * len(request.documents))


def test_a_class_with_score_alone_is_a_reranker_without_further_abilities() -> None:
    reranker: Reranker = Minimal()
    assert not isinstance(reranker, BatchReranker | SeesDataset | HasIdentity | HasParts)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_reranker_says_what_its_scores_depend_on(kind: type[Reranker]) -> None:
    assert issubclass(kind, HasIdentity)


def test_those_that_gain_by_batches_or_need_the_dataset_are_seen_as_such() -> None:
    assert [kind.__name__ for kind in KINDS if issubclass(kind, BatchReranker)] == ["BGESmall", "CrossEncoder"]
    assert [kind.__name__ for kind in KINDS if issubclass(kind, SeesDataset)] == ["Oracle"]


def test_the_silent_progress_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    silent = SilentProgress()
    silent.start("work", 3)
    silent.advance()
    silent.advance(2)
    silent.note("something")
    assert capfd.readouterr() == ("", "")
