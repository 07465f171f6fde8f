import numpy as np
import pytest

from rerank_eval.encoders.bge_small import QUERY_PROMPT, BGESmall
from rerank_eval.rerankers.bge_small import BGESmall as Reranker
from rerank_eval.types import Document, Query, Request

TEXTS = ["To get a refund, send the device back within 30 days.", "The cafeteria opens at nine.", ""]


@pytest.fixture(scope="module")
def bge_small() -> BGESmall:
    return BGESmall()


def test_vectors_have_length_1_and_384_numbers_even_of_a_blank_text(bge_small: BGESmall) -> None:
    vectors = bge_small.encode_documents(TEXTS).vectors
    assert (vectors.shape, vectors.dtype) == ((3, 384), np.dtype("float32"))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert bge_small.encode_documents([]).vectors.shape == (0, 384)


def test_a_vector_depends_neither_on_the_other_texts_nor_on_the_number_of_threads(bge_small: BGESmall) -> None:
    together = bge_small.encode_documents(TEXTS).vectors
    alone = [BGESmall(threads=1).encode_documents([text]).vectors[0] for text in TEXTS]
    assert np.array_equal(together, alone)


def test_inner_products_are_the_scores_of_the_reranker(bge_small: BGESmall) -> None:
    request = Request(Query("q", "can I get my money back"), tuple(Document(text, text) for text in TEXTS))
    products = bge_small.encode_documents(TEXTS).vectors @ bge_small.encode_queries([request.query.text]).vectors[0]
    assert products == pytest.approx(Reranker().score(request).values, abs=1e-6)


def test_each_side_gets_its_own_prompt(bge_small: BGESmall) -> None:
    plain = BGESmall(query_prompt="", document_prompt="doc: ")
    assert np.array_equal(bge_small.encode_queries(["x"]).vectors, plain.encode_queries([QUERY_PROMPT + "x"]).vectors)
    assert np.array_equal(plain.encode_documents(["x"]).vectors, bge_small.encode_documents(["doc: x"]).vectors)


def test_cut_texts_are_marked() -> None:
    short = BGESmall(query_prompt="", max_length=8)
    assert short.encode_documents(["password", "password " * 30]).truncated.tolist() == [False, True]
    assert short.encode_queries(["password " * 30]).truncated.tolist() == [True]


def test_only_the_query_prompt_leaves_the_documents_identity_alone(bge_small: BGESmall) -> None:
    others = [BGESmall(query_prompt="q: "), BGESmall(document_prompt="d: "), BGESmall(max_length=64)]
    identities = [encoder.identity() for encoder in (bge_small, *others)]
    assert all(identities.count(identity) == 1 for identity in identities)
    same = [encoder.document_identity() == bge_small.document_identity() for encoder in others]
    assert same == [True, False, False]
    assert BGESmall(threads=1).identity() == bge_small.identity()
