"""How the tables of the terminal write their numbers, and how wide they must be."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from rerank_eval.paired import format_signed
from rerank_eval.results.depth_results import MeasureResult
from rerank_eval.terminal.console import PADDING, new_table


def make_table(rows: Sequence[Sequence[str]], dim: str | None = None) -> Table:
    """Return the table of `rows`, the headings first and names in the first column; a row that begins with `dim` is set back.

    Every column is as wide as its longest word: narrower, and a number would be cut.
    """
    table = new_table()
    for number, (heading, width) in enumerate(zip(rows[0], _column_widths(rows), strict=True)):
        table.add_column(escape(heading), justify="right" if number else "left", min_width=width)
    for row in rows[1:]:
        table.add_row(*map(escape, row), style="dim" if row[0] == dim else None)
    return table


def least_width(rows: Sequence[Sequence[str]]) -> int:
    """Return how many columns of the terminal the table of `rows` needs at least."""
    return sum(_column_widths(rows)) + PADDING * len(rows[0])


def _column_widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(word) for cell in column for word in [*cell.split(), ""]) for column in zip(*rows, strict=True)]


def show_interval(measure: MeasureResult) -> str:
    """Return a mean with its 95% interval; n/a in its place where there is none."""
    if measure.mean is None:
        return "n/a"
    if measure.low is None or measure.high is None:
        return f"{show_number(measure.mean)} [n/a]"
    return f"{show_number(measure.mean)} [{_short(measure.low)},{_short(measure.high)}]"


def show_difference(measure: MeasureResult) -> str:
    """Return the difference to depth 0 with its interval; nothing where there is none."""
    found = measure.difference
    if found is None or found["mean"] is None:
        return ""
    if found["low"] is None or found["high"] is None:
        return f"{format_signed(found['mean'], 4)} [n/a]"
    return f"{format_signed(found['mean'], 4)} [{format_signed(found['low'], 3)},{format_signed(found['high'], 3)}]"


def show_number(value: float | None) -> str:
    """Return a value with four decimals; n/a where it is unknown."""
    return "n/a" if value is None else f"{value:.4f}"


def _short(value: float) -> str:
    return f"{value:z.3f}".removeprefix("0")


def show_milliseconds(value: object) -> str:
    """Return milliseconds without the unit; n/a where they are unknown."""
    if not isinstance(value, float):
        return "n/a"
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
