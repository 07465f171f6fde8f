import pytest

from rerank_eval.models.onnx_models import BUNDLED_SHA256
from rerank_eval.rerankers.bge_small import BGESmall
from rerank_eval.types import Document, Query, Request

DOCUMENTS = (
    Document("a", "To get a refund, send the device back within 30 days."),
    Document("b", "The cafeteria opens at nine."),
    Document("c", "can I get my money back"),
)
REQUEST = Request(Query("q", "can I get my money back"), DOCUMENTS)


@pytest.fixture(scope="module")
def bge_small() -> BGESmall:
    return BGESmall()


def test_it_puts_what_answers_the_question_above_what_does_not(bge_small: BGESmall) -> None:
    refund, cafeteria, _ = bge_small.score(REQUEST).values
    assert refund > cafeteria + 0.1


def test_a_score_is_a_cosine() -> None:
    without_prefix = BGESmall(query_prefix="")
    *others, itself = without_prefix.score(REQUEST).values
    assert itself == pytest.approx(1, abs=1e-9)
    assert all(-1 <= value < 1 for value in others)


def test_only_the_query_gets_the_prefix(bge_small: BGESmall) -> None:
    prefixed = Request(REQUEST.query._replace(text=f"Q: {REQUEST.query.text}"), DOCUMENTS)
    assert BGESmall(query_prefix="Q: ").score(REQUEST).values == BGESmall(query_prefix="").score(prefixed).values
    assert bge_small.score(REQUEST).values[2] < 1


def test_score_many_gives_exactly_what_score_gives_and_counts_every_request_as_if_alone(bge_small: BGESmall) -> None:
    requests = [REQUEST, Request(Query("q2", "when is lunch"), DOCUMENTS[::-1]), Request(Query("q3", "x"), ())]
    assert list(bge_small.score_many(requests)) == [bge_small.score(request) for request in requests]


def test_truncated_documents_and_tokens_are_counted() -> None:
    short = BGESmall(query_prefix="", max_length=8)
    scores = short.score(Request(Query("q", "password"), (Document("a", "password"), Document("b", "password " * 30))))
    assert scores.truncated == [False, True]
    assert (scores.usage.calls, scores.usage.input_tokens) == (3, 3 + 3 + 8)


def test_its_identity_has_the_weights_and_what_changes_a_score(bge_small: BGESmall) -> None:
    assert bge_small.identity()["model_sha256"] == BUNDLED_SHA256["bge_small_en"]
    identities = [model.identity() for model in (bge_small, BGESmall(max_length=64), BGESmall(query_prefix=""))]
    assert all(identities.count(identity) == 1 for identity in identities)
    assert bge_small.identity() == BGESmall(name="another", threads=1).identity()
