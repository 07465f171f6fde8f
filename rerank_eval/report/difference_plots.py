"""Figures of what a reranker changes: the difference to the first stage, and where the rest is lost."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rerank_eval.paired import Difference
from rerank_eval.report.canvas import (
    INK,
    LOSS_PARTS,
    PANEL_HEIGHT,
    PAPER,
    Plot,
    add_legend,
    cue_of,
    draw_ranges,
    loss_keys,
    make_panels,
    report_style,
    set_score_limits,
)
from rerank_eval.report.formats import format_difference, format_interval, format_p, format_score, shorten_names
from rerank_eval.report.model import DatasetReport, Point, Series
from rerank_eval.report.plot_words import describe_differences, describe_losses
from rerank_eval.report.selections import is_significant, make_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NUM_COLUMNS = 3


def draw_differences(dataset: DatasetReport, measure: str) -> Plot | None:
    """Return the paired difference of a measure to the first stage, with 95% intervals, per system and depth.

    A filled mark has a Holm-adjusted p of at most 0.05 and an interval that excludes 0, a hollow one has not.
    """
    systems = [one for one in dataset.series if any(measure in point.to_first_stage for point in one.points)]
    depths = sorted({point.depth for one in systems for point in one.points if measure in point.to_first_stage})
    if not depths:
        return None
    marks: dict[str, Sequence[str]] = {}
    slot = 0.84 / len(systems)
    values = [0.0]
    with report_style():
        figure, (axes,) = make_panels(1, 1, PANEL_HEIGHT, len(systems))
        axes.axhline(0, color=INK, lw=1.0)
        for number, series in enumerate(systems):
            cue = cue_of(series.index)
            compared = [point for point in series.points if measure in point.to_first_stage]
            xs = [depths.index(point.depth) + slot * (number + 0.5) - 0.42 for point in compared]
            differences = [point.to_first_stage[measure] for point in compared]
            draw_ranges(axes, series, xs, [(found.low, found.high) for found in differences], "intervals", width=1.3)
            values += [bound for found in differences for bound in found[:3] if bound is not None]
            for part, is_filled in (("filled", True), ("hollow", False)):
                chosen = [
                    item for item in zip(xs, compared, strict=True) if is_significant(item[1], measure) is is_filled
                ]
                gid = f"s{series.index}.{part}"
                axes.plot(
                    [x for x, _ in chosen],
                    [point.to_first_stage[measure].mean for _, point in chosen],
                    cue.marker,
                    color=cue.colour,
                    mfc=cue.colour if is_filled else PAPER,
                    ms=5,
                    gid=gid,
                )
                marks[gid] = [_write_difference(series, point, measure) for _, point in chosen]
        set_score_limits(axes, values)
        axes.set_xlim(-0.5, len(depths) - 0.5)
        axes.set_xticks(range(len(depths)), list(map(str, depths)))
        axes.set_xlabel("depth: candidates reranked  (filled: beyond the noise; hollow: not)")
        axes.set_ylabel(f"{measure}: difference to first stage")
        marks |= add_legend(figure, systems, ())
    title, alt = f"{measure}: difference to the first stage, {dataset.name}", describe_differences(dataset, measure)
    return Plot(make_name("differences", dataset, measure), title, alt, figure, marks)


def draw_losses(dataset: DatasetReport, measure: str) -> Plot | None:
    """Return, per system and depth, what is achieved, lost by ordering and lost by the first stage; they add up to the perfect ranking."""
    systems = [one for one in dataset.series if any(_has_loss(point, measure) for point in one.points)]
    if not systems:
        return None
    depths = sorted({point.depth for one in systems for point in one.points if _has_loss(point, measure)})
    marks: dict[str, Sequence[str]] = {}
    num_columns = min(_NUM_COLUMNS, len(systems))
    num_rows = -(-len(systems) // num_columns)
    short = shorten_names([series.label for series in systems], 28)
    with report_style():
        height = max(0.7, 0.21 * len(depths) + 0.2)
        figure, panels = make_panels(num_rows, num_columns, height, len(LOSS_PARTS))
        for axes in panels[len(systems) :]:
            axes.set_visible(False)
        for number, (axes, series) in enumerate(zip(panels, systems, strict=False)):
            points = [point for point in series.points if _has_loss(point, measure)]
            marks |= _draw_bars(axes, series, points, measure, [depths.index(point.depth) for point in points])
            axes.set_xlim(0, 1)
            axes.set_ylim(len(depths) - 0.5, -0.5)
            axes.set_yticks(range(len(depths)), list(map(str, depths)), fontsize=7.5)
            axes.grid(visible=False)
            has_axis = number + num_columns >= len(systems)
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"] if has_axis else [""] * 5, fontsize=8)
            if has_axis:
                axes.set_xlabel(measure, fontsize=8.5)
            title = axes.set_title(short[series.label], fontsize=8.5, loc="left", pad=3)
            title.set_gid(f"s{series.index}.title")
            marks[f"s{series.index}.title"] = [series.label]
            if number % num_columns == 0:
                axes.set_ylabel("depth")
        marks |= add_legend(figure, (), loss_keys())
    title_text = f"Where {measure} is lost, {dataset.name}"
    return Plot(make_name("losses", dataset, measure), title_text, describe_losses(dataset, measure), figure, marks)


def _draw_bars(
    axes: "Axes", series: Series, points: Sequence[Point], measure: str, rows: Sequence[int]
) -> Iterator[tuple[str, Sequence[str]]]:
    """Draw one bar of all parts per point, and yield the details of each part."""
    starts = [0.0] * len(points)
    shares = [_shares(point, measure) for point in points]
    for number, part in enumerate(LOSS_PARTS):
        lengths = [share[number] for share in shares]
        bars = axes.barh(
            rows, lengths, 0.72, starts, color=part.colour, hatch=part.hatch, edgecolor=PAPER, linewidth=0.6
        )
        for bar, point, length, share in zip(bars, points, lengths, shares, strict=True):
            gid = f"s{series.index}.part{number}-{point.depth}"
            bar.set_gid(gid)
            yield (
                gid,
                [
                    f"{series.label}, depth {point.depth}: {part.label} {format_score(length)} of {format_score(sum(share))}"
                ],
            )
        starts = [start + length for start, length in zip(starts, lengths, strict=True)]


def _has_loss(point: Point, measure: str) -> bool:
    return measure in point.losses and measure in point.estimates


def _shares(point: Point, measure: str) -> tuple[float, float, float]:
    loss = point.losses[measure]
    return point.estimates[measure].mean, max(0.0, loss.ordering), max(0.0, loss.first_stage)


def _write_difference(series: Series, point: Point, measure: str) -> str:
    difference: Difference = point.to_first_stage[measure]
    return (
        f"{series.label}, depth {point.depth}: {format_difference(difference.mean)} {format_interval(difference)}, "
        f"p {format_p(difference)}, won {difference.wins}, tied {difference.ties}, lost {difference.losses} "
        f"(n = {point.num_queries} queries)"
    )
