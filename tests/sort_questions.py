"""How many questions the sorts ask, by formulas (docs/llm_rerankers.md)."""


def count_windows(num_items: int, window: int, stride: int, passes: int = 1) -> int:
    """How many windows `sort_by_windows` asks about."""
    if num_items < 2:
        return 0
    return passes * (1 + -(-max(0, num_items - window) // stride))


def count_bubbles(num_items: int, group: int, top: int) -> int:
    """How many groups `sort_by_bubbles` asks about."""
    return sum(-(-(num_items - 1 - done) // (group - 1)) for done in range(min(top, num_items - 1)))
