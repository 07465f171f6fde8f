"""Sorting by questions that a model answers; who answers them, and how, is not known here.

Items are numbered from 0 in the order they come in. Where a model is of no help, the caller answers with the order as it stands.
"""

from collections.abc import Callable, Sequence

Order = Callable[[Sequence[int]], Sequence[int]]
"""Returns the items it is given, best first."""
Pick = Callable[[Sequence[int]], int]
"""Returns the best of the items it is given."""


def sort_by_windows(num_items: int, order: Order, window: int, stride: int, passes: int = 1) -> list[int]:
    """Return the items as a window leaves them that slides from the back to the front, `passes` times (Sun et al. 2023, arXiv:2304.09542).

    Each window is `stride` further to the front than the one before; the last one begins at the front, so that no item is left out.
    """
    items = list(range(num_items))
    for _ in range(passes if num_items > 1 else 0):
        start = max(0, num_items - window)
        while True:
            items[start : start + window] = order(items[start : start + window])
            if start == 0:
                break
            start = max(0, start - stride)
    return items


def sort_by_bubbles(num_items: int, pick: Pick, group: int, top: int) -> list[int]:
    """Return the items with the best `top` in front, one brought there by each pass from the back to the front.

    A pass asks for the best of each `group` items and moves it before the others; the next group has that one and the items before it.
    Two in a group: Qin et al. 2024 (arXiv:2306.17563); more: Zhuang et al. 2024 (arXiv:2310.09497). The others stay as the passes left them.
    """
    items = list(range(num_items))
    for done in range(min(top, num_items - 1)):
        end = num_items
        while end - done > 1:
            start = max(done, end - group)
            best = pick(items[start:end])
            items.insert(start, items.pop(items.index(best, start, end)))
            end = start + 1
    return items


def most_picks_by_bubbles(num_items: int, group: int, top: int) -> int:
    """Return how often `sort_by_bubbles` asks at most; less only where a group comes again."""
    return sum(-(-(num_items - 1 - done) // (group - 1)) for done in range(min(top, num_items - 1)))


def most_picks_by_heap(num_items: int, group: int, top: int) -> int:
    """Return how often `sort_by_heap` asks at most: once for each level below a place, to build the heap and for each item after the first."""

    def levels_below(place: int, size: int) -> int:
        child = place * (group - 1) + 1
        return 1 + levels_below(child, size) if child < size else 0

    to_build = sum(levels_below(place, num_items) for place in range(num_items))
    return to_build + sum(levels_below(0, num_items - taken) for taken in range(1, min(top, num_items)))


def sort_by_heap(num_items: int, pick: Pick, group: int, top: int) -> list[int]:
    """Return the best `top` items by a heap, best first, then the others in the order they came in.

    A node and its `group - 1` children are one question (Zhuang et al. 2024, arXiv:2310.09497); how many are asked depends on the answers.
    They are asked about in the order they came in, not as the heap has them, so that whoever answers with the first keeps that order.
    """
    heap, branches = list(range(num_items)), group - 1

    def sift_down(place: int) -> None:
        while children := list(range(place * branches + 1, min(place * branches + group, len(heap)))):
            family = [place, *children]
            best = pick(sorted(heap[member] for member in family))
            winner = next(member for member in family if heap[member] == best)
            if winner == place:
                return
            heap[place], heap[winner] = heap[winner], heap[place]
            place = winner

    for place in reversed(range((num_items - 2) // branches + 1)):
        sift_down(place)
    front: list[int] = []
    while heap and len(front) < top:
        front.append(heap[0])
        last = heap.pop()
        if heap and len(front) < top:
            heap[0] = last
            sift_down(0)
    return front + sorted(set(range(num_items)) - set(front))
