"""Exact search equals numpy written out, ties included, whatever the blocks, the margin of float32, and who else asks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rerank_eval.search.best_candidates import BestCandidates, Hits
from rerank_eval.search.exact_search import ExactSearch


def reference(vectors: NDArray[Any], query: NDArray[Any], ranks: NDArray[np.int64], depth: int) -> list[int]:
    scores = [sum(float(a) * float(b) for a, b in zip(row, query, strict=True)) for row in vectors]
    return sorted(range(len(vectors)), key=lambda position: (scores[position], ranks[position]), reverse=True)[:depth]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 120),
    depth=st.integers(1, 130),
    dtype=st.sampled_from([np.float16, np.float32]),
    values=st.sampled_from(["few", "many"]),
    num_queries=st.sampled_from([5, 12]),
)
def test_it_finds_what_numpy_written_out_finds_ties_included(
    seed: int, count: int, depth: int, dtype: type, values: str, num_queries: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.integers(-2, 3, (count, 4)) if values == "few" else random.standard_normal((count, 4))
    vectors = vectors.astype(dtype)
    queries = random.integers(-2, 3, (num_queries, 4)).astype(np.float32)  # few values: exact ties, in float64 too
    ranks = random.permutation(count)
    blocks: list[NDArray[Any]] = np.split(vectors, np.sort(random.integers(0, count + 1, 3)))
    found = ExactSearch(blocks, ranks).search(queries, depth)
    for query, hits in zip(queries, found, strict=True):
        assert hits.positions.tolist() == reference(vectors, query, ranks, depth)
        exact = vectors[hits.positions].astype(np.float64) @ query.astype(np.float64)
        assert hits.scores == pytest.approx(exact, rel=1e-12, abs=1e-12)


def equal(found: list[Hits], expected: list[Hits]) -> bool:
    return all(
        np.array_equal(a.positions, b.positions) and np.array_equal(a.scores, b.scores)
        for a, b in zip(found, expected, strict=True)
    )


@pytest.fixture(scope="module")
def large() -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """More documents than a stack holds, of which a third come twice; more queries than a pass takes."""
    random = np.random.default_rng(1)
    vectors = random.standard_normal((12_000, 16)).astype(np.float16)
    vectors[8000:] = vectors[:4000]
    return vectors, random.standard_normal((520, 16)).astype(np.float32)


def test_results_depend_neither_on_blocks_nor_on_the_other_queries(
    large: tuple[NDArray[np.float16], NDArray[np.float32]],
) -> None:
    vectors, queries = large
    ranks = np.random.default_rng(2).permutation(len(vectors))
    expected = ExactSearch([vectors], ranks).search(queries, 50)
    assert equal(ExactSearch(np.array_split(vectors, 37), ranks).search(queries, 50), expected)
    alone = [ExactSearch([vectors], ranks).search(query[None], 50)[0] for query in queries[:20]]
    assert equal(alone, expected[:20])


def test_deep_rankings_over_several_stacks_are_those_of_a_full_sort(
    large: tuple[NDArray[np.float16], NDArray[np.float32]],
) -> None:
    vectors, queries = large
    ranks = np.arange(len(vectors))
    exact = queries[:30].astype(np.float64) @ vectors.astype(np.float64).T
    for query, hits in enumerate(ExactSearch([vectors], ranks).search(queries[:30], 1000)):
        assert hits.positions.tolist() == np.lexsort((-ranks, -exact[query].round(12)))[:1000].tolist()


def test_a_vector_much_longer_than_the_others_is_not_lost_to_rounding() -> None:
    vectors = np.full((20_000, 8), 0.001, np.float32)
    vectors[-1], vectors[-2] = 1e6, -1e6
    (hits,) = ExactSearch([vectors], np.arange(20_000)).search(np.ones((1, 8), np.float32), 3)
    assert hits.positions.tolist() == [19_999, 19_997, 19_996]


def test_a_corpus_of_equal_documents_needs_little_memory_and_keeps_the_largest_ids() -> None:
    vectors = np.ones((50_000, 4), np.float16)
    ranks = np.random.default_rng(0).permutation(50_000)
    (hits,) = ExactSearch([vectors], ranks).search(np.ones((1, 4), np.float32), 10)
    assert ranks[hits.positions].tolist() == list(range(49_999, 49_989, -1))


def test_a_document_within_the_margin_is_kept_until_the_exact_scores_are_known() -> None:
    exact = {0: 1.0, 1: 1.0 + 1e-9, 2: 0.5}
    best = BestCandidates(1, 1, 3, np.arange(3), lambda _, at: np.array([exact[position] for position in at.tolist()]))
    best.widen(np.array([1e-6], np.float32))
    best.add_matrix(np.array([[1.0000002, 1.0, 0.5]], np.float32), 0)
    assert best.best()[0].positions.tolist() == [1]


def test_float16_and_float32_differ_by_no_more_than_the_rounding_of_what_is_stored() -> None:
    random = np.random.default_rng(3)
    vectors = random.standard_normal((500, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query = vectors[:1]
    ranks = np.arange(500)
    (whole,) = ExactSearch([vectors], ranks).search(query, 500)
    (half,) = ExactSearch([vectors.astype(np.float16)], ranks).search(query, 500)
    by_position = dict(zip(whole.positions.tolist(), whole.scores.tolist(), strict=True))
    expected = [by_position[position] for position in half.positions.tolist()]
    assert half.scores == pytest.approx(expected, abs=2**-11)
    assert not np.array_equal(half.scores, expected)


@pytest.mark.parametrize("num_queries", [3, 20])
@pytest.mark.parametrize(
    ("documents", "queries"),
    [(1e19, 1e19), (1e20, 1), (1e37, 1e37), (1e-25, 1e-25), (1e-40, 1), (1e-40, 1e-40), (1e37, 1e-40), (1e-40, 1e37)],
)
def test_vectors_of_any_length_are_found_as_numpy_written_out_finds_them(
    documents: float, queries: float, num_queries: int
) -> None:
    random = np.random.default_rng(4)
    vectors = (random.standard_normal((5000, 16)) * documents).astype(np.float32)
    asked = (random.standard_normal((num_queries, 16)) * queries).astype(np.float32)
    exact = asked.astype(np.float64) @ vectors.astype(np.float64).T
    for scores, hits in zip(exact, ExactSearch([vectors], np.arange(5000)).search(asked, 10), strict=True):
        assert hits.positions.tolist() == np.argsort(-scores)[:10].tolist()
        assert hits.scores == pytest.approx(scores[hits.positions], rel=1e-12)


def test_a_query_without_direction_finds_the_largest_ids() -> None:
    (hits,) = ExactSearch([np.ones((50, 4), np.float32)], np.arange(50)).search(np.zeros((1, 4), np.float32), 2)
    assert (hits.positions.tolist(), hits.scores.tolist()) == ([49, 48], [0.0, 0.0])


@pytest.mark.parametrize("exponent", [-78, 0, 100])
def test_documents_closer_than_float32_tells_are_told_apart_whatever_their_length(exponent: int) -> None:
    random = np.random.default_rng(6)
    vectors = np.ldexp(np.float32(1) + random.integers(0, 3, (3000, 64)).astype(np.float32) * 2**-23, exponent)
    query = random.standard_normal((1, 64)).astype(np.float32)
    exact = vectors.astype(np.float64) @ query[0].astype(np.float64)
    (hits,) = ExactSearch([vectors.astype(np.float32)], np.arange(3000)).search(query, 50)
    assert hits.positions.tolist() == np.argsort(-exact)[:50].tolist()
