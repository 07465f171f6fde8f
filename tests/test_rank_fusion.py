"""Fusion agrees with computations written out in numpy, over lists with ties, gaps and missing documents."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.errors import ConfigError, DataError
from rerank_eval.rank_fusion import FusionRule
from rerank_eval.types import Ranking

METHODS = ("rrf", "min_max", "z_score")

few_values = st.sampled_from([-3.0, -0.5, 0.0, 0.1, 0.2, 0.30000000000000004, 7.0, 1e-9])
any_values = st.floats(-1e6, 1e6).map(lambda score: round(score, 6))
lists = st.dictionaries(st.sampled_from([f"d{i}" for i in range(12)]), few_values | any_values)
weighted = st.lists(st.tuples(lists, st.sampled_from([0.0, 0.3, 1.0, 2.5])), min_size=1, max_size=4)


def written_out(method: str, rrf_k: int, scores: Mapping[str, float], doc_ids: Sequence[str]) -> Any:
    """What one ranking gives each of `doc_ids`."""
    found = np.array([doc_id in scores for doc_id in doc_ids], dtype=bool)
    if not scores:
        return np.zeros(len(doc_ids))
    own = np.array([scores.get(doc_id, np.nan) for doc_id in doc_ids])
    if method == "rrf":
        above = [sum((s, d) > (scores.get(doc_id, 0.0), doc_id) for d, s in scores.items()) for doc_id in doc_ids]
        return np.where(found, 1 / (rrf_k + 1 + np.array(above)), 0.0)
    values = np.array(list(scores.values()))
    constant = values.max() == values.min()
    if method == "min_max":
        scaled = np.ones(len(doc_ids)) if constant else (own - values.min()) / (values.max() - values.min())
        return np.where(found, scaled, 0.0)
    if constant:
        return np.zeros(len(doc_ids))
    deviations = (own - values.mean()) / np.sqrt(np.mean((values - values.mean()) ** 2))
    return np.where(found, deviations, np.nanmin(deviations))


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=60, derandomize=True)
@given(given_lists=weighted, rrf_k=st.integers(1, 100))
def test_it_agrees_with_the_computation_written_out(
    method: str, given_lists: list[tuple[dict[str, float], float]], rrf_k: int
) -> None:
    doc_ids = sorted({doc_id for scores, _ in given_lists for doc_id in scores})
    expected = np.zeros(len(doc_ids))
    for scores, weight in given_lists:
        expected += weight * written_out(method, rrf_k, scores, doc_ids)
    fused = FusionRule(method, rrf_k).fuse(
        [Ranking(scores.items()) for scores, _ in given_lists], [weight for _, weight in given_lists]
    )
    found = dict(fused)
    assert sorted(found) == doc_ids
    assert [found[doc_id] for doc_id in doc_ids] == pytest.approx(list(expected), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=60, derandomize=True)
@given(given_lists=weighted)
def test_the_order_in_which_rankings_are_given_changes_nothing(
    method: str, given_lists: list[tuple[dict[str, float], float]]
) -> None:
    rankings, weights = [Ranking(scores.items()) for scores, _ in given_lists], [weight for _, weight in given_lists]
    rule = FusionRule(method)
    assert rule.fuse(rankings, weights) == rule.fuse(rankings[::-1], weights[::-1])


def test_reciprocal_rank_fusion_of_three_lists_by_hand() -> None:
    rankings = [Ranking.from_order(order) for order in (["a", "b", "c"], ["b", "a"], ["d"])]
    fused: list[Any] = list(FusionRule("rrf", 60).fuse(rankings, [1, 1, 1]))
    assert fused == [
        ("b", pytest.approx(1 / 62 + 1 / 61)),
        ("a", pytest.approx(1 / 61 + 1 / 62)),
        ("d", pytest.approx(1 / 61)),
        ("c", pytest.approx(1 / 63)),
    ]


def test_a_document_that_a_ranking_lacks_is_no_better_than_its_last() -> None:
    """With 0, the mean, for a missing document, `z_score` would put it above those found below the mean."""
    first = Ranking([("a", 3.0), ("b", 1.0), ("c", 0.9)])
    second = Ranking([("a", 1.0), ("b", 1.0), ("c", 1.0), ("missing", 1.0)])
    for method in METHODS:
        fused = dict(FusionRule(method).fuse([first, second], [1, 0]))
        assert fused["missing"] <= fused["c"] < fused["b"] < fused["a"]


def test_one_document_found_by_one_ranking_alone_counts_with_min_max() -> None:
    only = Ranking([("rare", 12.5)])
    many = Ranking([("x", 0.9), ("y", 0.8), ("rare", 0.7)])
    assert FusionRule("min_max").fuse([only, many], [1.5, 1]).doc_ids[0] == "rare"


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_scores_of_any_size_give_the_same(scale: float) -> None:
    ranking = Ranking([("a", 0.0), ("b", 1.0 * scale), ("c", 4.0 * scale)])
    fused = dict(FusionRule("z_score").fuse([ranking], [1]))
    assert [fused["a"], fused["b"], fused["c"]] == pytest.approx([-0.98058068, -0.39223227, 1.37281295])


def test_nothing_found_by_any_ranking_is_an_empty_ranking() -> None:
    for method in METHODS:
        assert FusionRule(method).fuse([Ranking(()), Ranking(())], [1, 1]) == Ranking(())
        assert FusionRule(method).fuse([], []) == Ranking(())


def test_scores_too_far_apart_are_an_error_and_no_order() -> None:
    with pytest.warns(RuntimeWarning), pytest.raises(DataError, match="has the score nan"):
        FusionRule("min_max").fuse([Ranking([("a", -1.7e308), ("b", 1.7e308)])], [1])


@pytest.mark.parametrize(
    ("method", "rrf_k", "message"),
    [
        ("rff", 60, "the fusion method 'rff' is unknown: did you mean rrf?"),
        ("sum", 60, "valid: min_max, rrf, z_score"),
        (None, 60, "the fusion method None is unknown"),
        ("rrf", 0, "rrf_k is 0; it must be an integer of at least 1"),
        ("rrf", 1.5, "rrf_k is 1.5"),
        ("rrf", True, "rrf_k is True"),
    ],
)
def test_a_wrong_setting_is_named(method: str, rrf_k: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FusionRule(method, rrf_k)
    assert message in str(caught.value)
