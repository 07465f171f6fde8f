"""Cells of the HTML report's tables: what is read, and what the page's script sorts by."""

from collections.abc import Callable
from typing import NamedTuple

from rerank_eval.paired import Difference
from rerank_eval.report.formats import (
    UNKNOWN,
    format_difference,
    format_interval,
    format_latency_interval,
    format_milliseconds,
    format_p,
    format_score,
)
from rerank_eval.report.model import Estimate, Milliseconds


class Cell(NamedTuple):
    """What is read, smaller text below it, and what it is sorted by: a number, or None where that is the text or unknown."""

    text: str
    detail: str = ""
    value: float | None = None
    is_number: bool = True


def number_cell(value: float | None, write: Callable[[float | None], str]) -> Cell:
    """Return a number as `write` writes it."""
    return Cell(write(value), value=value)


def count_cell(value: int | None) -> Cell:
    """Return a whole number."""
    return Cell(UNKNOWN if value is None else f"{value:,}", value=value)


def estimate_cell(estimate: Estimate | None) -> Cell:
    """Return a mean above its interval."""
    return (
        Cell(UNKNOWN)
        if estimate is None
        else Cell(format_score(estimate.mean), format_interval(estimate), estimate.mean)
    )


def gain_cell(gain: Estimate | None) -> Cell:
    """Return a difference of which only the interval is known, above that."""
    if gain is None:
        return Cell(UNKNOWN)
    bounds = f"[{format_difference(gain.low)}, {format_difference(gain.high)}]"
    return Cell(format_difference(gain.mean), UNKNOWN if gain.low is None else bounds, gain.mean)


def difference_cell(difference: Difference | None) -> Cell:
    """Return a difference above its interval."""
    if difference is None:
        return Cell(UNKNOWN)
    return Cell(format_difference(difference.mean), format_interval(difference), difference.mean)


def test_cell(difference: Difference | None) -> Cell:
    """Return an adjusted p above the queries won, tied and lost."""
    if difference is None:
        return Cell(UNKNOWN)
    return Cell(format_p(difference), f"{difference.wins} / {difference.ties} / {difference.losses}", difference.p)


def latency_cell(latency: Milliseconds | None) -> Cell:
    """Return a percentile above its interval."""
    if latency is None:
        return Cell(UNKNOWN)
    return Cell(format_milliseconds(latency.value), format_latency_interval(latency), latency.value)
