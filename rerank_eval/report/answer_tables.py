"""The short tables on the answers themselves: what went wrong on the way to them."""

from collections.abc import Sequence
from dataclasses import fields
from typing import NamedTuple

from rerank_eval.report.formats import format_share
from rerank_eval.report.model import Point, makes_calls
from rerank_eval.report.tables import Row, Table, make_table
from rerank_eval.results import Reliability


class LabelledPoint(NamedTuple):
    """A system at one depth, under the name that tables show."""

    label: str
    point: Point

    def as_row(self) -> Row:
        """Return the columns that name it."""
        return {"system": self.label, "depth": self.point.depth}


def make_reliability_table(name: str, on: str, points: Sequence[LabelledPoint]) -> Table:
    """Return failed queries, and retries, repairs, fallbacks and refusals per call; empty where nothing makes calls."""
    names = [field.name for field in fields(Reliability)]
    rows: list[Row] = [
        labelled.as_row()
        | {"failed": labelled.point.failures}
        | {rate.replace("_", " "): format_share(getattr(labelled.point.reliability, rate)) for rate in names}
        for labelled in points
        if makes_calls(labelled.point)
    ]
    title = f"Reliability {on}: errors are of queries, the other rates are per call of an answered query"
    return make_table(f"reliability-{name}", title, rows, [rate.replace("_", " ") for rate in names])
