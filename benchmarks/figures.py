"""The table that every benchmark here prints: figure, measured, limit, verdict; and the collections that some need."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

from data_folder import MissingCollectionError, find_collection

ROOT = Path(__file__).parents[1]


class Figure(NamedTuple):
    """One measured value; without a limit it is shown only."""

    name: str
    measured: float
    unit: str
    limit: float | None = None
    rule: Literal["at most", "at least"] = "at most"

    @property
    def holds(self) -> bool:
        """Whether the limit is kept."""
        if self.limit is None:
            return True
        return self.measured <= self.limit if self.rule == "at most" else self.measured >= self.limit

    def cells(self) -> tuple[str, str, str, str]:
        """Return the row of the table."""
        limit = "" if self.limit is None else f"{self.rule} {self.limit:g} {self.unit}"
        verdict = "" if self.limit is None else ("holds" if self.holds else "BROKEN")
        return self.name, f"{self.measured:.3f} {self.unit}", limit, verdict


def need_collection(name: str) -> Path:
    """Return the folder of a reference collection, or end with exit code 2 and a message that says how to get it."""
    try:
        return find_collection(name)
    except MissingCollectionError as error:
        print(f"this benchmark needs a reference collection: {error}", file=sys.stderr)
        sys.exit(2)


def report(figures: Sequence[Figure]) -> NoReturn:
    """Print the table and exit: 1 if a limit is broken, else 0."""
    rows = [("figure", "measured", "limit", "verdict"), *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, measured, limit, verdict in rows:
        print(f"{name:<{widths[0]}}  {measured:>{widths[1]}}  {limit:<{widths[2]}}  {verdict}".rstrip())
    sys.exit(0 if all(figure.holds for figure in figures) else 1)
