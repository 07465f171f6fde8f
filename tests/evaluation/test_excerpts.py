"""What is kept for reading query by query."""

import gzip
import json
from pathlib import Path

from rerank_eval import Settings, evaluate
from rerank_eval.evaluation.excerpts import EXCERPT_CHARACTERS, TOP
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.results.reading import read_documents, read_queries, read_recorded, read_tops
from rerank_eval.results.writing import write_result
from rerank_eval.settings import LatencySettings
from tests.fakes import FixedRetriever, Hashed, make_dataset

DATASET = make_dataset(5, 14)


def evaluated() -> ExperimentResult:
    settings = Settings((2, 5), ("nDCG@10",), retrieval_depth=14, latency=LatencySettings(queries=0))
    return evaluate(DATASET, FixedRetriever(), [Hashed()], settings)


def test_tops_have_order_model_scores_and_first_stage_ranks() -> None:
    result = evaluated()
    assert result.excerpts is not None
    tops = {(top.system, top.depth, top.query_id): top.documents for top in result.excerpts.tops}
    assert len(tops) == 3 * len(DATASET.queries)
    for (system, depth, query_id), documents in tops.items():
        run = result.runs["hashed", depth][query_id]
        first_stage = result.runs["hashed", 0][query_id].doc_ids
        assert [doc_id for doc_id, _, _ in documents] == list(run.doc_ids[:TOP])
        assert [rank for _, _, rank in documents] == [first_stage.index(doc_id) + 1 for doc_id, _, _ in documents]
        if system == "hashed":
            assert [score is None for _, score, _ in documents] == [rank > depth for _, _, rank in documents]
            scores = [score for _, score, _ in documents if score is not None]
            assert scores == sorted(scores, reverse=True)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    result = evaluated()
    assert result.excerpts is not None
    recorded = read_recorded(write_result(result, tmp_path))
    assert {query_id: query.text for query_id, query in read_queries(recorded).items()} == result.excerpts.queries
    assert {query_id: query.grades for query_id, query in read_queries(recorded).items()} == result.excerpts.grades
    assert read_documents(recorded) == result.excerpts.documents
    wanted = ("hashed", 5, "q001")
    (top,) = [top for top in result.excerpts.tops if (top.system, top.depth, top.query_id) == wanted]
    assert read_tops(recorded, [wanted]) == {wanted: top}


def test_texts_are_cut_and_only_of_documents_that_are_shown() -> None:
    result = evaluated()
    assert result.excerpts is not None
    shown = {doc_id for top in result.excerpts.tops for doc_id, _, _ in top.documents}
    assert set(result.excerpts.documents) == shown
    assert all(len(text) <= EXCERPT_CHARACTERS for text in result.excerpts.documents.values())


def test_equal_results_give_equal_bytes(tmp_path: Path) -> None:
    folders = [write_result(evaluated(), tmp_path / name) for name in ("a", "b")]
    for name in ("queries.jsonl.gz", "documents.jsonl.gz", "tops.jsonl.gz"):
        first, second = ((folder / name).read_bytes() for folder in folders)
        assert first == second
        assert json.loads(gzip.decompress(first).splitlines()[0])
