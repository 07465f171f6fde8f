from rerank_eval.rerankers.random import RandomReranker
from rerank_eval.types import Document, Query, Request
from tests.fakes import make_request


def test_a_score_depends_on_the_seed_the_query_and_the_document() -> None:
    scored = [
        RandomReranker(seed=seed).score(make_request(query_id)).values for seed in (1, 2) for query_id in ("q1", "q2")
    ]
    values = [value for values in scored for value in values]
    assert len(set(values)) == len(values) == 12


def test_another_name_or_another_text_gives_the_same_scores() -> None:
    expected = RandomReranker().score(make_request(text="how")).values
    assert RandomReranker(name="floor").score(make_request(text="other")).values == expected


def test_its_order_says_nothing_about_the_place_of_a_document() -> None:
    num_documents = 2000
    request = Request(Query("q", "how"), tuple(Document(f"d{i}", "text") for i in range(num_documents)))
    values = RandomReranker().score(request).values
    assert all(0 <= value < 1 for value in values)
    assert abs(sum(values) / num_documents - 0.5) < 0.03
    assert abs(sum(values[: num_documents // 2]) / (num_documents // 2) - 0.5) < 0.04


def test_its_identity_is_its_seed() -> None:
    assert RandomReranker(seed=1).identity() != RandomReranker(seed=2).identity()
