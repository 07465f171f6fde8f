"""Depths written beside their marks, only where there is room."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MANY = 30
_MARK_POINTS = 8
_Box = tuple[float, float, float, float]


class DepthLabel(NamedTuple):
    """A depth to be written beside its mark where there is room; those on the front come first."""

    x: float
    y: float
    depth: int
    on_front: bool
    series: int


def write_depths(
    axes: "Axes",
    labels: Sequence[DepthLabel],
    others: Sequence[tuple[float, float]],
    width_inches: float,
    height_inches: float,
) -> None:
    """Write each depth beside its mark where neither a mark, one of `others`, nor another label is; the limits must be set.

    Depths of a series whose marks lie on each other, one after the other, have one label: the first and the last of them. Where there
    are many marks, only those on the front get theirs.
    """
    size = 72 * width_inches, 72 * height_inches
    places = [_points_of(axes, label.x, label.y, *size) for label in labels]
    marks = [*places, *(_points_of(axes, x, y, *size) for x, y in others)]
    taken = [_box(x, y, _MARK_POINTS, _MARK_POINTS) for x, y in marks]
    groups = _group_near(labels, places)
    for first, last, on_front in sorted(groups, key=lambda group: not group[2]):
        if len(groups) > _MANY and not on_front:
            break
        label, (x, y) = labels[first], places[first]
        shown = "-".join(dict.fromkeys(str(labels[place].depth) for place in (first, last)))
        found = _find_room(shown, x, y, size, taken)
        if found is None:
            continue
        shift, box = found
        taken.append(box)
        text = axes.annotate(
            shown,
            (label.x, label.y),
            shift,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
        )
        text.set_gid(f"s{label.series}.depth{label.depth}")


def _group_near(labels: Sequence[DepthLabel], places: Sequence[tuple[float, float]]) -> list[tuple[int, int, bool]]:
    """Return the positions of the first and the last label of each group, and whether one of it is on the front."""
    groups: list[tuple[int, int, bool]] = []
    for number, (label, (x, y)) in enumerate(zip(labels, places, strict=True)):
        if groups:
            first, _, on_front = groups[-1]
            is_near = max(abs(x - places[first][0]), abs(y - places[first][1])) < _MARK_POINTS
            if is_near and labels[first].series == label.series:
                groups[-1] = first, number, on_front or label.on_front
                continue
        groups.append((number, number, label.on_front))
    return groups


def _find_room(
    text: str, x: float, y: float, size: tuple[float, float], taken: Sequence[_Box]
) -> tuple[tuple[float, float], _Box] | None:
    """Return where a text beside (x, y) lies on nothing, as a shift and a box; None where there is no such place."""
    width = 5.0 * len(text) + 1
    beside = 7 + width / 2
    for shift in ((0, 9), (0, -9), (beside, 0), (-beside, 0), (6, 8), (-6, 8), (6, -8), (-6, -8)):
        box = _box(x + shift[0], y + shift[1], width, 7)
        is_inside = box[0] > 0 and box[1] > 0 and box[2] < size[0] and box[3] < size[1]
        if is_inside and not any(_overlap(box, other) for other in taken):
            return shift, box
    return None


def _points_of(axes: "Axes", x: float, y: float, width: float, height: float) -> tuple[float, float]:
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    is_log = axes.get_xscale() == "log"
    across = math.log(x / left) / math.log(right / left) if is_log else (x - left) / (right - left)
    return across * width, (y - bottom) / (top - bottom) * height


def _box(x: float, y: float, width: float, height: float) -> _Box:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
