"""Depths written beside their marks, only where there is room."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MANY = 30


class DepthLabel(NamedTuple):
    """A depth to be written beside its mark where there is room; those on the front come first."""

    x: float
    y: float
    depth: int
    on_front: bool


def write_depths(axes: "Axes", labels: Sequence[DepthLabel], width_inches: float, height_inches: float) -> None:
    """Write each depth beside its mark where neither a mark nor another label is; the axes' limits must be set.

    Where there are many marks, only those on the front get theirs.
    """
    places = [_points_of(axes, label, 72 * width_inches, 72 * height_inches) for label in labels]
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    for label, (x, y) in sorted(zip(labels, places, strict=True), key=lambda pair: not pair[0].on_front):
        if len(labels) > _MANY and not label.on_front:
            break
        width, height = 5.0 * len(str(label.depth)) + 1, 7.0
        for shift_x, shift_y in (
            (0, 9),
            (0, -9),
            (7 + width / 2, 0),
            (-7 - width / 2, 0),
            (6, 8),
            (-6, 8),
            (6, -8),
            (-6, -8),
        ):
            box = _box(x + shift_x, y + shift_y, width, height)
            inside = box[0] > 0 and box[1] > 0 and box[2] < 72 * width_inches and box[3] < 72 * height_inches
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                axes.annotate(
                    str(label.depth),
                    (label.x, label.y),
                    (shift_x, shift_y),
                    textcoords="offset points",
                    ha="center",
                    va="center",
                    fontsize=7.5,
                )
                break


def _points_of(axes: "Axes", label: DepthLabel, width: float, height: float) -> tuple[float, float]:
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    is_log = axes.get_xscale() == "log"
    across = math.log(label.x / left) / math.log(right / left) if is_log else (label.x - left) / (right - left)
    return across * width, (label.y - bottom) / (top - bottom) * height


def _box(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
