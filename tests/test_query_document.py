"""A query that is a document itself is not its own candidate (ArguAna, Quora)."""

from dataclasses import replace
from pathlib import Path

import pytest

from rerank_eval.corpus import Corpus
from rerank_eval.errors import NotEvaluableError
from rerank_eval.evaluation import prepare
from rerank_eval.protocols import Retriever, SilentProgress
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.retrievers.run_file import RunFile
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, Query, Request, Scores
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
    with pytest.raises(NotEvaluableError, match="found no candidate for any query"):
        prepare(REMOVED, RunFile(str(tmp_path / "run.trec")), SETTINGS, SilentProgress())
