from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval import rank
from rerank_eval.errors import ConfigError, RerankerError
from rerank_eval.rerankers.minilm import MiniLM
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.types import Request, Scores
from tests.fakes import Broken, Constant, Hashed, Reversed

TEXTS = st.lists(st.text(st.characters(codec=None), max_size=5), max_size=30)
PROPERTY = settings(deadline=None, max_examples=50, derandomize=True)


class ByLength:
    """Longer is better."""

    name = "by_length"
    pointwise = True
    concurrency = 1

    def score(self, request: Request) -> Scores:
        return Scores([float(len(document.text)) for document in request.documents])


@PROPERTY
@given(TEXTS)
def test_every_text_comes_once_with_its_place_and_its_score_best_first(texts: list[str]) -> None:
    ranked = rank(ByLength(), "query", texts)
    assert sorted(found.position for found in ranked) == list(range(len(texts)))
    assert all(found.text == texts[found.position] for found in ranked)
    assert all(first.score >= second.score for first, second in pairwise(ranked))


@PROPERTY
@given(TEXTS)
def test_equal_scores_keep_the_order_given(texts: list[str]) -> None:
    assert [found.text for found in rank(Constant(), "query", texts)] == texts
    assert [found.text for found in rank(NoReranker(), "query", texts)] == texts
    assert [found.text for found in rank(Reversed(), "query", texts)] == texts[::-1]
    by_length = sorted(range(len(texts)), key=lambda place: -len(texts[place]))  # sorted() is stable
    assert [found.position for found in rank(ByLength(), "query", texts)] == by_length


@PROPERTY
@given(TEXTS, st.integers(1, 40))
def test_top_k_is_the_beginning_of_the_whole(texts: list[str], top_k: int) -> None:
    assert rank(Hashed(), "query", texts, top_k) == rank(Hashed(), "query", texts)[:top_k]


def test_no_documents_give_no_ranking_and_ask_nothing() -> None:
    reranker = Hashed()
    assert rank(reranker, "query", []) == []
    assert reranker.asked == []


@pytest.mark.parametrize("documents", [[], ["text"]])
@pytest.mark.parametrize("top_k", [0, -1])
def test_a_top_k_below_1_is_refused(documents: Sequence[str], top_k: int) -> None:
    with pytest.raises(ConfigError, match=f"top_k is {top_k}; it must be"):
        rank(Hashed(), "query", documents, top_k)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda values: Scores(values[:-1]), "broken returned 2 scores for the 3 documents"),
        (lambda values: Scores([float("nan"), *values[1:]]), "broken returned NaN"),
        (lambda values: Scores([None, *values[1:]]), "broken returned None"),  # type: ignore[list-item] # what is wrong
        (lambda values: values, "broken returned list"),
    ],
)
def test_wrong_scores_are_never_sorted(answer: object, message: str) -> None:
    with pytest.raises(RerankerError, match=message):
        rank(Broken(answer, bad=["query"]), "query", ["a", "b", "c"])  # type: ignore[arg-type] # a table of lambdas


def test_a_lone_surrogate_reaches_the_model_replaced_and_the_user_as_it_was() -> None:
    texts = ["\ud800 lunch is at noon", "we give your money back"]
    ranked = rank(MiniLM(), "money back \udfff", texts)
    assert [found.text for found in ranked] == texts[::-1]
