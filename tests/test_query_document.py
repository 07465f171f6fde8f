"""A query that is a document itself is not its own candidate (ArguAna, Quora)."""

from dataclasses import replace
from pathlib import Path

import pytest

from rerank_eval.corpus import Corpus
from rerank_eval.errors import NotEvaluableError
from rerank_eval.evaluation.evaluation import prepare
from rerank_eval.protocols import Retriever, SilentProgress
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.retrievers.hybrid import Hybrid
from rerank_eval.retrievers.run_file import RunFile
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, Query, Ranking, Request, Run, Scores
from tests.fakes import Hashed

SETTINGS = Settings(depths=(3,), measures=("nDCG@3",), latency=LatencySettings(queries=0))
TEXTS = {
    f"a{i}": f"an argument about taxes {word}"
    for i, word in enumerate(["abroad", "cars", "houses", "income", "savings", "tobacco"])
}
ITSELF = Dataset(
    name="arguments",
    split="test",
    corpus=Corpus(TEXTS.items()),
    queries=(Query("a1", TEXTS["a1"]), Query("other", "taxes on houses")),
    qrels={"a1": {"a2": 1}, "other": {"a2": 1}},
)
REMOVED = replace(ITSELF, removes_query_document=True)


@pytest.mark.parametrize("kind", ["search", "run"])
def test_the_own_document_is_no_candidate_and_the_next_one_takes_its_place(kind: str, tmp_path: Path) -> None:
    (tmp_path / "run.trec").write_text(
        "".join(
            f"{query} Q0 {doc} 0 {9 - rank} x\n"
            for query in ("a1", "other")
            for rank, doc in enumerate(["a1", "a5", "a4", "a3"])
        )
    )
    retriever: Retriever = BM25() if kind == "search" else RunFile(str(tmp_path / "run.trec"))
    before = prepare(ITSELF, retriever, SETTINGS, SilentProgress()).first_stage
    after = prepare(REMOVED, retriever, SETTINGS, SilentProgress()).first_stage
    assert before["a1"].doc_ids[0] == "a1"
    assert after["a1"].doc_ids[:2] == before["a1"].doc_ids[1:3]
    assert len(after["a1"]) == 3
    assert "a1" not in after["a1"].doc_ids
    assert after["other"] == before["other"]


def test_a_reranker_is_never_shown_the_own_document() -> None:
    shown = []

    class Spy(Hashed):
        def score(self, request: Request) -> Scores:
            shown.append((request.query.query_id, [document.doc_id for document in request.documents]))
            return super().score(request)

    evaluate(REMOVED, BM25(), [Spy()], SETTINGS)
    assert {query_id for query_id, _ in shown} == {"a1", "other"}
    assert all(query_id not in doc_ids and len(doc_ids) == 3 for query_id, doc_ids in shown)


def test_a_query_whose_only_candidate_is_itself_has_none(tmp_path: Path) -> None:
    (tmp_path / "run.trec").write_text("a1 Q0 a1 1 1.0 x\n")
    with pytest.raises(NotEvaluableError, match="found no candidate for any query; do its query ids fit the dataset"):
        prepare(REMOVED, RunFile(str(tmp_path / "run.trec")), SETTINGS, SilentProgress())


def test_a_first_stage_that_searches_and_finds_nothing_is_not_asked_about_query_ids() -> None:
    blank = replace(REMOVED, queries=tuple(Query(query.query_id, " ") for query in REMOVED.queries))
    with pytest.raises(
        NotEvaluableError, match="found no candidate for any query; do queries and documents have words"
    ):
        prepare(blank, BM25(), SETTINGS, SilentProgress())


@pytest.mark.parametrize("method", ["rrf", "min_max", "z_score"])
def test_fused_scores_are_those_of_lists_without_the_own_document(method: str) -> None:
    """Guards the scale: the own document has the highest score of a list, and the others would be measured by it."""

    class Fixed:
        searches = True
        name = "fixed"

        def __init__(self, scores: dict[str, float]) -> None:
            self.scores = scores

        def retrieve(self, dataset: Dataset, depth: int) -> Run:
            return {query.query_id: Ranking(Ranking(self.scores.items())[:depth]) for query in dataset.queries}

        def identity(self) -> dict[str, object]:
            return {}

    def fused(one: dict[str, float], other: dict[str, float], dataset: Dataset) -> Ranking:
        hybrid = Hybrid({"one": Fixed(one), "other": Fixed(other)}, method=method)
        return prepare(dataset, hybrid, SETTINGS, SilentProgress()).first_stage["a1"]

    one, other = {"a5": 3.0, "a2": 2.5, "a0": 0.5}, {"a0": 7.0, "a2": 6.0, "a5": 1.0}
    assert fused(one | {"a1": 9.0}, other | {"a1": 6.5}, REMOVED) == fused(one, other, ITSELF)
