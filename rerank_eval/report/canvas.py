"""An empty figure in the report's style: colours and second cues of systems, axes, legend.

Colours are made for the colour-blind (Okabe & Ito, 2008), darkened until each has a contrast of 3:1 on white.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from rerank_eval.errors import MissingExtraError
from rerank_eval.report.formats import shorten_names
from rerank_eval.report.model import Series

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

INK = "#1b1b1b"  # a page in dark mode replaces these two
PAPER = "#fefefe"
COLOURS = ("#0072b2", "#d55e00", "#008a63", "#b4528c", "#a87000", "#3388bb", "#7d7500", "#666666")
WIDTH_INCHES = 8.0
FIRST_STAGE = "first"
PANEL_HEIGHT = 3.6
PANEL_WIDTH = 7.1

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
_DASHES: tuple[tuple[float, ...], ...] = ((), (5.0, 2.0), (1.5, 1.5), (7, 2, 1.5, 2), (3, 1, 1, 1, 1, 1))
_LEGEND_ROW_INCHES = 0.21
_LABEL_WIDTH = 25


class Plot(NamedTuple):
    """A figure with what it shows in words.

    `name` may name a file; `marks` maps the id of a drawn group -> a line of details for each of its marks, in drawing order.
    Ids begin with `s<index>.` for what belongs to a system. `caveat` is the end of `alt` that no shorter caption may lack.
    """

    name: str
    title: str
    alt: str
    figure: "Figure"
    marks: Mapping[str, Sequence[str]]
    caveat: str = ""


class LossPart(NamedTuple):
    """How a part of a loss looks, and its name."""

    label: str
    colour: str
    hatch: str


LOSS_PARTS = (
    LossPart("achieved", COLOURS[0], ""),
    LossPart("lost by ordering", COLOURS[4], "////"),
    LossPart("lost by the first stage", COLOURS[7], "\\\\\\\\"),
)


class Cue(NamedTuple):
    """How a system looks: no two of the first forty share colour, marker and dash."""

    colour: str
    marker: str
    linestyle: tuple[float, tuple[float, ...]]


def cue_of(index: int) -> Cue:
    """Return the colour, marker and dash of a system."""
    dashes = _DASHES[(index + index // len(COLOURS)) % len(_DASHES)]
    return Cue(COLOURS[index % len(COLOURS)], _MARKERS[index % len(_MARKERS)], (0.0, dashes))


@contextmanager
def report_style(hashsalt: str = "", text_as_paths: bool = True) -> Iterator[None]:
    """Hold matplotlib's defaults with the report's changes, whatever the user's matplotlibrc says; no text is mathematics.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "text.parse_math": False,
                "text.color": INK,
                "axes.labelcolor": INK,
                "axes.edgecolor": INK,
                "xtick.color": INK,
                "ytick.color": INK,
                "font.size": 9.0,
                "axes.unicode_minus": True,
                "figure.facecolor": "none",
                "axes.facecolor": "none",
                "savefig.facecolor": "none",
                "svg.hashsalt": hashsalt,
                "svg.fonttype": "path" if text_as_paths else "none",
            }
        )
        yield


def make_panels(
    num_rows: int, num_columns: int, panel_height: float, num_legend_entries: int, *, share_y: bool = True
) -> tuple["Figure", list["Axes"]]:
    """Return a figure with room for a legend below and its panels, row by row. To be called within `report_style`."""
    from matplotlib.figure import Figure

    legend_height = 0.12 + _LEGEND_ROW_INCHES * -(-num_legend_entries // _legend_columns(num_legend_entries))
    bottom, top, between = legend_height + 0.5, 0.3, 0.55
    height = bottom + top + num_rows * panel_height + (num_rows - 1) * between
    figure = Figure(figsize=(WIDTH_INCHES, height))
    grid = figure.subplots(num_rows, num_columns, squeeze=False, sharey=share_y)
    figure.subplots_adjust(
        left=0.75 / WIDTH_INCHES,
        right=(0.75 + PANEL_WIDTH) / WIDTH_INCHES,
        bottom=bottom / height,
        top=1 - top / height,
        hspace=between / panel_height,
        wspace=0.08 if share_y else 0.25,
    )
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(length=3, width=0.7)
    return figure, list(grid.flat)


def _legend_columns(num_entries: int) -> int:
    return 2 if num_entries == 4 else max(1, min(3, num_entries))


def add_legend(figure: "Figure", series: Sequence[Series], others: Sequence["Artist"]) -> dict[str, Sequence[str]]:
    """Draw the legend below the panels: the systems, then `others`, artists with labels; return the whole names by id."""
    from matplotlib.lines import Line2D

    short = shorten_names([one.label for one in series], _LABEL_WIDTH)
    handles: list[Artist] = []
    for one in series:
        cue = cue_of(one.index)
        handles.append(Line2D([], [], color=cue.colour, marker=cue.marker, linestyle=cue.linestyle, markersize=5))
    labels = [short[one.label] for one in series] + [str(other.get_label()) for other in others]
    legend = figure.legend(
        [*handles, *others],
        labels,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=_legend_columns(len(labels)),
        frameon=False,
        fontsize=8.5,
        handlelength=3.2,
        columnspacing=1.4,
        labelspacing=0.35,
    )
    names: dict[str, Sequence[str]] = {}
    for one, text, handle in zip(series, legend.get_texts(), legend.legend_handles, strict=False):
        text.set_gid(f"s{one.index}.name")
        if handle is not None:
            handle.set_gid(f"s{one.index}.key")
        names[f"s{one.index}.name"] = [one.label]
    return names


def set_score_limits(axes: "Axes", values: Sequence[float]) -> None:
    """Set the y axis around the values with a margin, never of zero height."""
    low, high = min(values), max(values)
    margin = max(0.06 * (high - low), 0.005)
    axes.set_ylim(low - margin, high + margin)


def set_log_limits(axes: "Axes", values: Sequence[float], which: str) -> None:
    """Set the x or y axis to a log scale around the values, ticks at 1, 2 and 5 or, over many decades, at powers of ten."""
    from matplotlib.ticker import NullLocator

    low, high = min(values) / 1.25, max(values) * 1.25
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    if len(ticks) > 9:
        ticks = [tick for tick in ticks if f"{tick:e}".startswith("1.0")]
    if len(ticks) < 2:
        ticks = sorted({float(f"{low + (high - low) * part:.2g}") for part in (0.2, 0.5, 0.8)})
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks(ticks, [f"{tick:,.10g}" for tick in ticks])
    axis.set_minor_locator(NullLocator())


def draw_ranges(
    axes: "Axes",
    series: Series,
    at: Sequence[float],
    bounds: Sequence[tuple[float | None, float | None]],
    part: str,
    *,
    is_horizontal: bool = False,
    width: float = 0.9,
) -> None:
    """Draw the ranges of a system whose bounds are both known; a range with an unknown bound is not drawn."""
    known = [
        (place, low, high)
        for place, (low, high) in zip(at, bounds, strict=True)
        if low is not None and high is not None
    ]
    if known:
        places, lows, highs = zip(*known, strict=True)
        draw = axes.hlines if is_horizontal else axes.vlines
        lines = draw(places, lows, highs, colors=cue_of(series.index).colour, linewidth=width, alpha=0.5)
        lines.set_gid(f"s{series.index}.{part}")


def draw_line(axes: "Axes", series: Series, xs: Sequence[float], ys: Sequence[float], part: str) -> str:
    """Draw a system's line with its marks and return the id of the group."""
    cue, gid = cue_of(series.index), f"s{series.index}.{part}"
    axes.plot(
        xs, ys, color=cue.colour, marker=cue.marker, linestyle=cue.linestyle, linewidth=1.5, markersize=5.5, gid=gid
    )
    return gid


def first_stage_key() -> "Artist":
    """Return the legend's entry for the first stage."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=INK, marker="D", markerfacecolor=PAPER, linestyle="", label="first stage alone")


def front_key() -> "Artist":
    """Return the legend's entry for the Pareto front."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=INK, alpha=0.2, linewidth=5, label="Pareto front")


def ceiling_key() -> "Artist":
    """Return the legend's entry for the ceiling."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=INK, linestyle="--", linewidth=1.2, marker="_", label="ceiling: perfect order")


def loss_keys() -> "Sequence[Patch]":
    """Return the legend's entries for the parts of a loss, in drawing order."""
    from matplotlib.patches import Patch

    return [Patch(facecolor=part.colour, edgecolor=PAPER, hatch=part.hatch, label=part.label) for part in LOSS_PARTS]
