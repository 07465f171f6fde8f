"""Sparse: exact inner products, and weights on disk that are kept, gone on with, and checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rerank_eval.corpus import Corpus
from rerank_eval.encoders.sparse import SparseEncoder
from rerank_eval.errors import DataError, NotEvaluableError
from rerank_eval.findings import Findings
from rerank_eval.protocols import EncodedTexts
from rerank_eval.retrievers.sparse import Sparse
from rerank_eval.search.sparse_search import SparseSearch
from rerank_eval.types import Dataset, Query, Ranking
from tests.encoders.tiny_models import save_splade
from tests.fakes import Recorder, make_dataset
from tests.retrievers.hashed_encoder import HashedEncoder

TINY = make_dataset()
THREE_BLOCKS = Corpus((f"d{number:04}", f"text {number}") for number in range(2500))


def over(corpus: Corpus, *queries: str) -> Dataset:
    asked = tuple(Query(f"q{number}", text) for number, text in enumerate(queries))
    return Dataset("made", "test", corpus, asked, {query.query_id: {"d0000": 1} for query in asked})


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 60), depth=st.integers(1, 70))
def test_search_finds_what_numpy_written_out_finds_ties_included(seed: int, count: int, depth: int) -> None:
    random = np.random.default_rng(seed)
    documents = (random.integers(0, 4, (count, 6)) * (random.random((count, 6)) < 0.4)).astype(np.float32)
    queries = (random.integers(0, 3, (4, 6)) * (random.random((4, 6)) < 0.6)).astype(np.float32)
    ranks = random.permutation(count)
    parts = np.split(documents, np.sort(random.integers(0, count + 1, 2)))
    found = SparseSearch([csr_array(part.T) for part in parts], ranks).search(csr_array(queries), depth)
    for query, hits in zip(queries, found, strict=True):
        scores = documents @ query
        best = sorted(np.flatnonzero(scores > 0), key=lambda at: (scores[at], ranks[at]), reverse=True)[:depth]
        assert hits.positions.tolist() == best
        assert hits.scores.tolist() == scores[best].tolist()


def test_the_ranking_is_by_inner_product_and_has_no_document_without_a_shared_term(tmp_path: Path) -> None:
    encoder = HashedEncoder(prompt="query: ", sparse=True)
    run = Sparse(encoder, index_dir=str(tmp_path)).retrieve(TINY, 100)
    documents = zip(TINY.corpus.doc_ids, TINY.corpus.texts(), strict=True)
    weights = {doc_id: encoder.vector(text).clip(0) for doc_id, text in documents}
    for query in TINY.queries:
        asked = encoder.vector("query: " + query.text).clip(0)
        scores = {doc_id: float(vector @ asked) for doc_id, vector in weights.items()}
        assert run[query.query_id] == Ranking((doc_id, score) for doc_id, score in scores.items() if score > 0)


def test_one_query_alone_has_the_same_ranking_as_among_others(tmp_path: Path) -> None:
    sparse = Sparse(HashedEncoder(sparse=True), index_dir=str(tmp_path))
    dataset = over(THREE_BLOCKS, *(f"query {number}" for number in range(20)))
    run = sparse.retrieve(dataset, 30)
    assert {
        query.query_id: sparse.retrieve(dataset.only(query), 30)[query.query_id] for query in dataset.queries
    } == run


def test_weights_are_kept_and_only_a_damaged_block_is_encoded_again(tmp_path: Path) -> None:
    dataset = over(THREE_BLOCKS, "query")
    first, second, third = (HashedEncoder(sparse=True) for _ in range(3))
    run = Sparse(first, index_dir=str(tmp_path)).retrieve(dataset, 10)
    assert Sparse(second, index_dir=str(tmp_path)).retrieve(dataset, 10) == run
    damaged = next(path for path in sorted(tmp_path.rglob("00000001.*")))
    damaged.write_bytes(damaged.read_bytes()[:-9] + b"\1" * 9)
    assert Sparse(third, index_dir=str(tmp_path)).retrieve(dataset, 10) == run
    assert [first.calls, second.calls, third.calls] == [3, 0, 1]


class Wrong(HashedEncoder):
    """Gives texts that end with "bad" a weight that is not a number."""

    def _encode(self, texts: Sequence[str]) -> EncodedTexts[Any]:
        encoded = super()._encode(texts)
        for row, text in enumerate(texts):
            if text.endswith("bad"):
                encoded.vectors.data[encoded.vectors.indptr[row]] = np.nan
        return encoded


def test_a_weight_that_is_not_finite_is_an_error_that_names_document_or_query(tmp_path: Path) -> None:
    corpus = Corpus([("a", "good"), ("b", "bad"), ("c", "good too")])
    with pytest.raises(DataError, match="sparse: the vector of document 'b'"):
        Sparse(Wrong(sparse=True), index_dir=str(tmp_path)).build_index(corpus, Recorder())
    with pytest.raises(NotEvaluableError, match="the vector of query 'q1' is not finite"):
        Sparse(Wrong(sparse=True), index_dir=str(tmp_path)).retrieve(over(TINY.corpus, "good", "bad"), 5)


def test_texts_without_any_weight_find_nothing_and_are_not_found(tmp_path: Path) -> None:
    class Blank(HashedEncoder):
        def vector(self, text: str) -> NDArray[np.float32]:
            return super().vector(text) * np.float32(bool(text))

    dataset = over(Corpus([("d0000", "text"), ("a", "")]), "", "text")
    run = Sparse(Blank(sparse=True), index_dir=str(tmp_path)).retrieve(dataset, 5)
    assert [ranking.doc_ids for ranking in run.values()] == [(), ("d0000",)]
    only_blank = over(Corpus([("d0000", "")]), "text")
    assert Sparse(Blank(sparse=True), index_dir=str(tmp_path)).retrieve(only_blank, 5)["q0"] == Ranking(())


def test_a_real_model_serves_as_first_stage(tmp_path: Path) -> None:
    encoder = SparseEncoder(str(save_splade(tmp_path / "splade")), device="cpu", max_active_dims=64)
    sparse = Sparse(encoder, index_dir=str(tmp_path / "index"))
    run = sparse.retrieve(TINY, 5)
    queries = encoder.encode_queries([query.text for query in TINY.queries]).vectors.toarray().astype(np.float64)
    documents = encoder.encode_documents(list(TINY.corpus.texts())).vectors.toarray().astype(np.float64)
    for query, scores in zip(TINY.queries, (queries @ documents.T).tolist(), strict=True):
        best = Ranking(zip(TINY.corpus.doc_ids, scores, strict=True))[:5]
        assert [doc.score for doc in run[query.query_id]] == pytest.approx([doc.score for doc in best], rel=1e-5)
    assert sparse.findings(TINY) == Findings()
    assert sparse.identity()["encoder"] == encoder.identity()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_score_too_large_for_float32_is_an_error(sign: int) -> None:
    weights = csr_array(np.array([[1e30, sign * 1e30]], np.float32))
    with pytest.raises(NotEvaluableError, match="too large for float32"):
        SparseSearch([csr_array(weights.T)], np.arange(1)).search(csr_array(abs(weights)), 1)
