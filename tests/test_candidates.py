"""From rankings to requests, and from scores, also unusable ones, back to rankings."""

import decimal
import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.candidates import check_candidates, check_scores, count_tied, explain_failure, make_request, rerank
from rerank_eval.corpus import Corpus
from rerank_eval.errors import DataError, RerankerError
from rerank_eval.types import Query, Ranking, Request, Scores, Usage
from tests.fakes import make_request as three_documents

FIRST_STAGE = Ranking.from_order([f"d{number}" for number in range(6)])
CORPUS = Corpus((f"d{number}", f"text {number}") for number in range(6))
VALUES = st.lists(st.sampled_from([0.0, 1.0, 1.0 + 1e-9, 5.0]) | st.floats(-1e9, 1e9), max_size=6)
checked = settings(max_examples=50, deadline=None, derandomize=True)


@checked
@given(values=VALUES)
def test_the_head_is_sorted_and_the_tail_stays_below_it_in_first_stage_order(values: list[float]) -> None:
    doc_ids = FIRST_STAGE.doc_ids
    reranked = rerank(FIRST_STAGE, values).doc_ids
    head, tail = doc_ids[: len(values)], doc_ids[len(values) :]
    assert reranked[: len(values)] == Ranking(zip(head, values, strict=True)).doc_ids
    assert reranked[len(values) :] == tail


@checked
@given(values=VALUES, factor=st.integers(1, 9))
def test_only_the_order_of_the_scores_matters(values: list[float], factor: int) -> None:
    exact = [value * 2.0**factor for value in values]
    assert rerank(FIRST_STAGE, exact) == rerank(FIRST_STAGE, values)


@checked
@given(order=st.permutations(range(6)), value=st.floats(-1e9, 1e9))
def test_a_constant_reranker_gives_one_ranking_whatever_the_order_of_the_candidates(
    order: list[int], value: float
) -> None:
    shuffled = Ranking.from_order([f"d{number}" for number in order])
    assert rerank(shuffled, [value] * 6).doc_ids == ("d5", "d4", "d3", "d2", "d1", "d0")


def test_no_scores_leave_the_first_stage_order() -> None:
    assert rerank(FIRST_STAGE, []).doc_ids == FIRST_STAGE.doc_ids


@pytest.mark.parametrize(("depth", "count"), [(1, 1), (4, 4), (6, 6), (100, 6)])
def test_a_request_has_the_top_candidates_or_all_there_are(depth: int, count: int) -> None:
    request = make_request(Query("q1", "x"), FIRST_STAGE, depth, CORPUS)
    assert request.documents == tuple((f"d{number}", f"text {number}") for number in range(count))
    assert request.first_stage_scores == tuple(doc.score for doc in FIRST_STAGE[:count])


def test_a_candidate_that_the_corpus_lacks_is_an_error_that_names_query_and_document() -> None:
    with pytest.raises(
        DataError, match=r"document 'd9' for query 'q1', which the corpus lacks; is the run from another"
    ):
        check_candidates({"q0": FIRST_STAGE, "q1": Ranking.from_order(["d1", "d9"])}, CORPUS)
    check_candidates({"q0": FIRST_STAGE, "q1": Ranking(())}, CORPUS)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.nan, "NaN"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (np.float32("nan"), "NaN"),
        (None, "None"),
        ("0.5", "'0.5'"),
        (b"1", "b'1'"),
        (True, "True"),
        ([1.0], r"\[1.0\]"),
        (1 + 2j, r"\(1\+2j\)"),
        (10**400, "1000"),
        ("x" * 1000, "'x{78}…"),
    ],
)
def test_a_score_that_is_no_finite_number_is_an_error_that_names_query_and_document(value: float, shown: str) -> None:
    with pytest.raises(RerankerError, match=rf"minilm returned {shown}.* for query q1, document d2$"):
        check_scores("minilm", three_documents(), Scores([1.0, value, 2.0]))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0, 3.0, 4.0]])
def test_a_wrong_number_of_scores_is_an_error(values: Sequence[float]) -> None:
    with pytest.raises(RerankerError, match=rf"minilm returned {len(values)} scores for the 3 documents of query q1"):
        check_scores("minilm", three_documents(), Scores(values))
    with pytest.raises(RerankerError, match=rf"minilm returned {len(values)} truncation marks for query q1"):
        check_scores("minilm", three_documents(), Scores([1, 2, 3], truncated=[False] * len(values)))


@pytest.mark.parametrize("answer", [None, [1.0, 2.0, 3.0], "scores"])
def test_an_answer_that_is_no_scores_is_an_error(answer: object) -> None:
    with pytest.raises(RerankerError, match=f"minilm returned {type(answer).__name__} for query q1 instead of Scores"):
        check_scores("minilm", three_documents(), answer)


def test_numbers_of_any_kind_become_floats() -> None:
    values = [np.float32(0.5), 2, decimal.Decimal("1.5")]
    scores = Scores(values, Usage(calls=1), np.array([True, False, True]).tolist())  # type: ignore[arg-type]
    checked_scores = check_scores("minilm", three_documents(), scores)
    assert checked_scores == Scores([0.5, 2.0, 1.5], Usage(calls=1), [True, False, True])
    assert [type(value) for value in checked_scores.values] == [float] * 3


def test_an_error_is_placed_in_the_users_own_code_also_where_a_library_raised_it() -> None:
    def ask() -> None:
        json.loads("{")

    with pytest.raises(ValueError, match="Expecting") as caught:
        ask()
    message = explain_failure("mine", three_documents(), caught.value)
    assert message.startswith("mine failed on query q1: JSONDecodeError: Expecting property name")
    assert message.endswith(f" (test_candidates.py:{ask.__code__.co_firstlineno + 1})")


def test_no_scores_for_no_documents_are_right() -> None:
    assert check_scores("minilm", Request(Query("q1", ""), ()), Scores([])).values == []


@checked
@given(values=st.lists(st.sampled_from([0.0, -0.0, 1.0, 1.0 + 1e-9, 3.0]), max_size=8))
def test_tied_are_the_values_that_another_one_equals(values: list[float]) -> None:
    expected = sum(values.count(value) > 1 for value in values)
    assert count_tied(values) == expected
