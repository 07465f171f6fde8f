"""What is checked and fixed before anything is asked: by a run and a dry run alike."""

from pathlib import Path
from typing import Any

import pytest

from rerank_eval.configuration import CONF
from rerank_eval.errors import ConfigError
from rerank_eval.evaluation.systems import System
from rerank_eval.opening import Opened, asked_depths, open_evaluation
from rerank_eval.protocols import Reranker, SilentProgress
from rerank_eval.rerankers.cascade import Cascade
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.settings import Settings
from rerank_eval.types import Dataset, Run
from tests.fakes import FixedRetriever, Hashed, make_dataset, make_request

CLOSED = "http://127.0.0.1:9/rerank"
"""Nobody answers there."""


class Counted(FixedRetriever):
    """Counts how often it searched."""

    searched = 0

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        self.searched += 1
        return super().retrieve(dataset, depth)


def open_(*rerankers: Reranker, retriever: FixedRetriever | None = None, **settings: Any) -> Opened:
    chosen = Settings(**{"depths": (3, 6), "prices_path": CONF / "prices.yaml", **settings})
    return open_evaluation(make_dataset(), retriever or Counted(), rerankers, chosen, SilentProgress(), None)


def test_the_first_stage_has_run_once_and_no_reranker_was_asked() -> None:
    reranker, retriever = Hashed(), Counted()
    opened = open_(reranker, HttpRerank(CLOSED, "m"), retriever=retriever)
    assert retriever.searched == 1
    assert reranker.asked == []
    assert list(opened.evaluation.first_stage) == [query.query_id for query in make_dataset().queries]
    assert [system.name for system in opened.systems] == ["hashed", "http_rerank"]


def test_systems_have_seen_the_dataset() -> None:
    (system,) = open_(Oracle()).systems
    assert system.saw_judgments
    query_id, grades = next(iter(make_dataset().qrels.items()))
    request = make_request(query_id, documents=[(doc_id, "text") for doc_id in grades])
    assert list(system.reranker.score(request).values) == list(map(float, grades.values()))


@pytest.mark.parametrize("as_part", [False, True])
def test_a_budget_that_cannot_be_kept_is_refused_before_the_search(as_part: bool, tmp_path: Path) -> None:
    asking: Reranker = HttpRerank(CLOSED, "of no list")
    reranker = Cascade({"first": Hashed(), "second": asking}, keep=[2]) if as_part else asking
    retriever = Counted()
    with pytest.raises(ConfigError, match=r"budget\.usd is set, and there is no price for http of no list"):
        open_(reranker, retriever=retriever, budget_usd=1.0, store_path=tmp_path / "s.sqlite")
    assert retriever.searched == 0
    assert open_(reranker, retriever=retriever).budget.spent.usd == 0


def test_two_systems_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="hashed"):
        open_(Hashed(), Hashed())


def test_only_a_reranker_that_looks_at_the_other_candidates_is_asked_at_each_depth() -> None:
    assert asked_depths(System("p", Hashed(pointwise=True)), (5, 10, 20)) == (20,)
    assert asked_depths(System("l", Hashed(pointwise=False)), (5, 10, 20)) == (5, 10, 20)
