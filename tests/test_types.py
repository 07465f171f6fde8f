"""What a Ranking and a Dataset guarantee: one order for ties, no score that is no number."""

import json
import math
import random
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.corpus import Corpus
from rerank_eval.errors import DataError
from rerank_eval.findings import Findings, SearchRecall
from rerank_eval.types import NO_USAGE, Dataset, Qrels, Query, Ranking, ScoredDoc, Usage

NEAR = st.sampled_from([0.0, -0.0, 1.0, 1.0 + 1e-9, 1.0 - 1e-9, math.nextafter(1.0, 2.0)])
SCORED = st.dictionaries(st.text(max_size=3), NEAR | st.floats(allow_nan=False, allow_infinity=False), max_size=8)
checked = settings(max_examples=50, deadline=None, derandomize=True)


@checked
@given(scored=SCORED, order=st.randoms(use_true_random=False))
def test_a_ranking_has_one_order_whatever_the_order_it_was_given(
    scored: dict[str, float], order: random.Random
) -> None:
    shuffled = list(scored.items())
    order.shuffle(shuffled)
    ranking = Ranking(shuffled)
    assert ranking == Ranking(scored.items())
    assert hash(ranking) == hash(Ranking(scored.items()))
    for better, worse in pairwise(ranking):
        assert (better.score, better.doc_id) > (worse.score, worse.doc_id)


@checked
@given(doc_ids=st.lists(st.text(max_size=3), unique=True, max_size=8))
def test_a_given_order_is_kept_and_has_no_ties(doc_ids: list[str]) -> None:
    ranking = Ranking.from_order(doc_ids)
    assert ranking.doc_ids == tuple(doc_ids)
    assert len({doc.score for doc in ranking}) == len(doc_ids)


def test_equal_scores_go_by_doc_id_descending_in_byte_order() -> None:
    assert Ranking([("a", 1), ("b", 1), ("B", 1), ("é", 1), ("😀", 1), ("\uffff", 1)]).doc_ids == tuple("😀\uffffébaB")


def test_scores_that_float32_cannot_tell_apart_are_told_apart() -> None:
    assert Ranking([("z", 0.9999999999), ("a", 0.9999999999 + 1e-8)]).doc_ids == ("a", "z")


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_a_ranking_with_a_score_that_is_not_finite_cannot_exist(score: float) -> None:
    with pytest.raises(DataError, match="document 'b' has the score"):
        Ranking([("a", 1.0), ("b", score)])


def test_a_ranking_with_a_document_twice_cannot_exist() -> None:
    with pytest.raises(DataError, match="document 'a' comes twice"):
        Ranking([("b", 1.0), ("a", 1.0), ("c", 1.0), ("a", 2.0), ("c", 1.0)])


def test_a_ranking_is_a_sequence_of_scored_documents() -> None:
    ranking = Ranking([("a", 1.0), ("b", 2.0)])
    assert ranking[0] == ScoredDoc("b", 2.0)
    assert list(ranking) == [("b", 2.0), ("a", 1.0)]
    assert all(isinstance(doc, ScoredDoc) for doc in (*ranking, *ranking[:1]))
    assert (ranking[1:], ranking[-1]) == ((("a", 1.0),), ("a", 1.0))
    assert (ranking.doc_ids, ranking.scores) == (("b", "a"), (2.0, 1.0))
    assert ranking != (("b", 2.0), ("a", 1.0))
    assert "2 documents" in repr(ranking)


def make(
    documents: str = "one", queries: tuple[Query, ...] = (Query("q1", "x"),), qrels: Qrels | None = None
) -> Dataset:
    judged = {"q1": {"d1": 1, "d2": 0}} if qrels is None else qrels
    return Dataset("name", "test", Corpus([("d1", documents)]), queries, judged)


def test_the_fingerprint_of_a_dataset_is_that_of_its_content() -> None:
    sha256 = make().sha256
    same = Dataset("other", "dev", Corpus([("d1", "one")]), (Query("q1", "x"),), {"q1": {"d2": 0, "d1": 1}})
    assert same.sha256 == sha256
    changed = [
        make(documents="two"),
        make(queries=(Query("q1", "y"),)),
        make(queries=(Query("q2", "x"),), qrels={"q2": {"d1": 1, "d2": 0}}),
        make(queries=(), qrels={}),
        make(qrels={"q1": {"d1": 2, "d2": 0}}),
        make(qrels={"q1": {"d1": 1, "d3": 0}}),
        make(qrels={"q1": {"d1": 1}}),
    ]
    assert len({dataset.sha256 for dataset in changed} | {sha256}) == len(changed) + 1


def test_the_order_of_queries_and_judgments_changes_no_fingerprint() -> None:
    queries = (Query("q1", "x"), Query("q2", "y"))
    qrels = {"q1": {"d1": 1}, "q2": {"d1": 0}}
    reordered = make(queries=queries[::-1], qrels=dict(reversed(qrels.items())))
    assert make(queries=queries, qrels=qrels).sha256 == reordered.sha256


def test_a_dataset_with_one_query_keeps_the_rest() -> None:
    queries = (Query("q1", "x"), Query("q2", "y"))
    dataset = make(queries=queries, qrels={"q1": {"d1": 1}, "q2": {"d1": 2}})
    assert dataset.only(queries[1]).queries == (queries[1],)
    assert dataset.only(queries[1]).qrels == {"q2": {"d1": 2}}
    assert dataset.only(queries[1]).corpus is dataset.corpus
    assert dataset.queries == queries


@pytest.mark.parametrize(
    ("queries", "judged", "message"),
    [
        (("q1", "q2"), ("q1",), "name: query 'q2' has no judgment; leave it out"),
        (("q1",), ("q1", "q2"), "name: query 'q2' has judgments but is not among the queries; leave it out"),
        (("q1", "q1"), ("q1",), "name has a query_id twice"),
        ((), ("q1",), "name: query 'q1' has judgments but is not among the queries"),
    ],
)
def test_a_dataset_whose_queries_and_judgments_do_not_fit_cannot_exist(
    queries: tuple[str, ...], judged: tuple[str, ...], message: str
) -> None:
    asked = tuple(Query(query_id, f"text {number}") for number, query_id in enumerate(queries))
    with pytest.raises(DataError, match=f"^{message}"):
        make(queries=asked, qrels={query_id: {"d1": 1} for query_id in judged})


def test_a_total_knows_a_count_only_if_all_know_it_and_the_total_of_nothing_is_nothing() -> None:
    first, second = (
        Usage(1, 10, 2, None, retries=1, cached_tokens=4),
        Usage(2, 20, None, 3, refusals=2, cached_tokens=1),
    )
    total = Usage(3, 30, None, None, retries=1, cached_tokens=5, refusals=2)
    assert Usage.total(iter([first, second])) == first + second == total
    assert Usage.total([first]) == first + NO_USAGE == first
    assert Usage.total([]) == NO_USAGE == Usage(0, 0, 0, 0, cached_tokens=0)


def test_findings_are_plain_numbers_and_a_recall_is_a_share() -> None:
    counted: Any = np.int64(3)
    share: Any = np.float32(0.5)
    found = Findings(truncated_documents=counted, recall=SearchRecall(share, counted, counted))
    assert json.loads(json.dumps(asdict(found)))["recall"] == {"value": 0.5, "depth": 3, "num_queries": 3}
    for wrong in (math.nan, -0.1, 1.1):
        with pytest.raises(DataError, match="it is a share between 0 and 1"):
            SearchRecall(wrong, 100, 3)
