"""What a row of a short table is about."""

from typing import NamedTuple

from rerank_eval.report.model import Point, Series
from rerank_eval.report.tables import Row


class LabelledPlace(NamedTuple):
    """A system at one depth, under the name that tables show."""

    label: str
    series: Series
    point: Point

    def as_row(self) -> Row:
        """Return the columns that name it."""
        return {"system": self.label, "depth": self.point.depth}
