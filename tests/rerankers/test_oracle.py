from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.evaluation.systems import System
from rerank_eval.rerankers.oracle import Oracle
from tests.fakes import make_dataset, make_request


def test_a_score_is_the_grade_of_this_query_and_0_where_there_is_none() -> None:
    oracle = Oracle(qrels={"q1": {"d2": 3, "d3": 1}, "q2": {"d1": 2}})
    assert oracle.score(make_request("q1")).values == [0.0, 3.0, 1.0]
    assert oracle.score(make_request("q2")).values == [2.0, 0.0, 0.0]
    assert oracle.score(make_request("unjudged")).values == [0.0, 0.0, 0.0]


def test_it_takes_the_judgments_of_a_dataset_and_stays_as_it_was() -> None:
    oracle = Oracle(name="ceiling")
    dataset = make_dataset()
    judged = oracle.for_dataset(dataset)
    assert judged.name == "ceiling"
    assert judged.identity() == Oracle(qrels=dataset.qrels).identity()
    assert oracle.identity() == Oracle().identity() != judged.identity()


GRADES = st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), st.integers(-1, 3)))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(GRADES, GRADES)
def test_two_oracles_have_one_fingerprint_only_if_they_have_the_same_judgments(
    one: dict[str, dict[str, int]], other: dict[str, dict[str, int]]
) -> None:
    prints = {System("oracle", Oracle(qrels=qrels)).fingerprint for qrels in (one, other)}
    assert (len(prints) == 1) == (one == other)
    turned = {query_id: dict(reversed(grades.items())) for query_id, grades in reversed(one.items())}
    assert System("oracle", Oracle(qrels=turned)).fingerprint in prints
