"""Where tables and lines go, and what they look like: the same in every command."""

import sys

from rich.console import Console
from rich.table import Table

from rerank_eval.errors import printable

PADDING = 2
"""Between two columns, in characters."""
_WIDTH_OF_A_FILE = 200


def open_tables() -> Console:
    """Return standard output, 200 characters wide where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)


def new_table() -> Table:
    """Return a table without columns and without lines, its headings bold."""
    return Table(box=None, pad_edge=False, padding=(0, PADDING, 0, 0), header_style="bold")


def print_line(console: Console, text: str, style: str | None = None) -> None:
    """Print text from anywhere as one line, which the terminal alone may break; no character in it has a meaning for either."""
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True, style=style)
