"""Sorting by questions: the order against independent simulations, and the number of questions against formulas."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_eval.sorting import (
    most_picks_by_bubbles,
    most_picks_by_heap,
    sort_by_bubbles,
    sort_by_heap,
    sort_by_windows,
)
from tests.sort_questions import count_bubbles, count_windows

RELEVANCES = st.lists(st.integers(0, 30), max_size=40)


class Judge:
    """Knows the relevance of every item; prefers the earlier of two that are as good."""

    def __init__(self, relevance: Sequence[int]) -> None:
        self.relevance = relevance
        self.asked: list[list[int]] = []

    def order(self, items: Sequence[int]) -> list[int]:
        self.asked.append(list(items))
        return sorted(items, key=lambda item: -self.relevance[item])

    def pick(self, items: Sequence[int]) -> int:
        return self.order(items)[0]


def slide(relevance: Sequence[int], window: int, stride: int) -> tuple[list[int], int]:
    """The same pass, written as recursion over the front that is not yet seen."""

    def go(front: list[int], carried: list[int]) -> tuple[list[int], int]:
        taken = min(len(front), window - len(carried))
        seen = sorted(front[len(front) - taken :] + carried, key=lambda item: -relevance[item])
        front = front[: len(front) - taken]
        if not front:
            return seen, 1
        step = min(stride, len(front))
        rest, count = go(front, seen[: window - step])
        return rest + seen[window - step :], count + 1

    return go(list(range(len(relevance))), []) if len(relevance) > 1 else (list(range(len(relevance))), 0)


@given(RELEVANCES, st.integers(2, 12), st.data())
def test_a_sliding_window_gives_the_order_and_the_count_of_a_simulation(
    relevance: list[int], window: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, window - 1))
    judge = Judge(relevance)
    order = sort_by_windows(len(relevance), judge.order, window, stride)
    assert (order, len(judge.asked)) == slide(relevance, window, stride)
    assert len(judge.asked) == count_windows(len(relevance), window, stride)
    assert sorted(order) == list(range(len(relevance)))


@pytest.mark.parametrize(
    ("num_items", "window", "stride", "passes", "count"),
    [
        (100, 20, 10, 1, 9),
        (100, 20, 10, 3, 27),
        (25, 20, 10, 1, 2),
        (20, 20, 10, 1, 1),
        (1, 20, 10, 1, 0),
        (0, 4, 2, 1, 0),
    ],
)
def test_windows_are_as_many_as_the_formula_says(
    num_items: int, window: int, stride: int, passes: int, count: int
) -> None:
    judge = Judge(range(num_items))
    sort_by_windows(num_items, judge.order, window, stride, passes)
    assert len(judge.asked) == count_windows(num_items, window, stride, passes) == count


def test_enough_passes_sort_everything() -> None:
    judge = Judge([(7 * item) % 31 for item in range(31)])
    assert sort_by_windows(31, judge.order, 8, 4, passes=8) == Judge(judge.relevance).order(range(31))


@given(RELEVANCES, st.integers(2, 6), st.integers(1, 12))
def test_bubbles_bring_the_best_to_the_front_with_as_many_questions_as_the_formula_says(
    relevance: list[int], group: int, top: int
) -> None:
    judge = Judge(relevance)
    order = sort_by_bubbles(len(relevance), judge.pick, group, top)
    assert sorted(order) == list(range(len(relevance)))
    assert [relevance[item] for item in order[:top]] == sorted(relevance, reverse=True)[:top]
    assert len(judge.asked) == count_bubbles(len(relevance), group, top)
    assert all(2 <= len(asked) <= group for asked in judge.asked)


def test_bubbles_of_two_are_n_minus_1_then_n_minus_2_questions() -> None:
    assert count_bubbles(10, 2, 3) == 9 + 8 + 7
    assert count_bubbles(10, 4, 1) == 3
    assert count_bubbles(10, 2, 99) == 45


@given(RELEVANCES, st.integers(2, 6), st.integers(1, 12))
def test_a_heap_finds_the_best_and_asks_no_more_than_its_height_allows(
    relevance: list[int], group: int, top: int
) -> None:
    judge, num_items = Judge(relevance), len(relevance)
    order = sort_by_heap(num_items, judge.pick, group, top)
    assert sorted(order) == list(range(num_items))
    assert [relevance[item] for item in order[:top]] == sorted(relevance, reverse=True)[:top]
    assert order[top:] == sorted(order[top:])
    assert len(judge.asked) <= most_heap_questions(num_items, group, top)
    assert most_picks_by_heap(num_items, group, top) == most_heap_questions(num_items, group, top)
    assert most_picks_by_bubbles(num_items, group, top) == count_bubbles(num_items, group, top)
    assert all(2 <= len(asked) <= group for asked in judge.asked)


def most_heap_questions(num_items: int, group: int, top: int) -> int:
    """The path of every node while the heap is built, and of the root after each item but the last that is wanted."""

    def path(place: int, size: int) -> int:
        first = place * (group - 1) + 1
        return 0 if first >= size else 1 + path(first, size)

    built = sum(path(place, num_items) for place in range(num_items))
    return built + sum(path(0, num_items - taken) for taken in range(1, min(top, num_items)))


def test_the_manual_says_what_a_heap_and_bubbles_ask_at_most_for_a_hundred_documents() -> None:
    heap, bubbles = ([count(100, 4, top) for top in (1, 10)] for count in (most_heap_questions, count_bubbles))
    manual = " ".join((Path(__file__).parents[1] / "docs" / "llm_rerankers.md").read_text(encoding="utf-8").split())
    assert (
        f"at most {heap[0]} with top=1 and {heap[1]} with top=10; bubble takes {bubbles[0]} and {bubbles[1]}." in manual
    )
    judge = Judge(range(100))
    sort_by_heap(100, judge.pick, 4, 1)
    assert bubbles[0] < len(judge.asked) <= heap[0]


@pytest.mark.parametrize(("num_items", "group"), [(2, 2), (20, 2), (20, 3), (100, 4), (21, 5)])
def test_a_heap_over_candidates_in_the_right_order_asks_once_per_inner_node_to_build(
    num_items: int, group: int
) -> None:
    judge = Judge(range(num_items, 0, -1))
    assert sort_by_heap(num_items, judge.pick, group, top=1) == list(range(num_items))
    assert len(judge.asked) == math.ceil((num_items - 1) / (group - 1))


@pytest.mark.parametrize("sort", [sort_by_bubbles, sort_by_heap])
def test_a_judge_without_an_opinion_leaves_the_order_as_it_came(sort: Callable[..., list[int]]) -> None:
    heap_or_bubbles = sort(9, lambda items: items[0], 3, 1)
    assert heap_or_bubbles == list(range(9))


@given(st.integers(0, 60), st.integers(2, 6), st.integers(1, 12))
def test_who_always_takes_the_first_keeps_the_order_whatever_the_sort(num_items: int, group: int, top: int) -> None:
    """A model that refuses every question must not turn the candidates around."""
    for sort in (sort_by_heap, sort_by_bubbles):
        assert sort(num_items, lambda items: items[0], group, top) == list(range(num_items))
