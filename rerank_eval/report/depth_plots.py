"""Figures over depth: a measure with its ceiling, and how latency is distributed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rerank_eval.report.canvas import (
    FIRST_STAGE,
    INK,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    PAPER,
    Plot,
    add_legend,
    ceiling_key,
    cue_of,
    draw_line,
    draw_ranges,
    first_stage_key,
    make_panels,
    report_style,
    set_log_limits,
    set_score_limits,
)
from rerank_eval.report.formats import format_milliseconds, format_score
from rerank_eval.report.model import DatasetReport, Point, Series
from rerank_eval.report.plot_words import describe_depths, describe_latency
from rerank_eval.report.selections import (
    Spread,
    distinct_ceilings,
    distinct_first_stages,
    group_by_machine,
    make_name,
    spread_of,
    write_estimate,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_quality_depth(dataset: DatasetReport, measure: str) -> Plot | None:
    """Return a measure against depth with 95% intervals, and the ceiling that a perfect reranker reaches at each depth."""
    depths = sorted({point.depth for series in dataset.series for point in series.points if measure in point.estimates})
    if not depths:
        return None
    position = {depth: number for number, depth in enumerate([0, *depths])}
    marks: dict[str, Sequence[str]] = {}
    first_stages = [one for one in distinct_first_stages(dataset.series) if measure in one.first_stage.estimates]
    ceilings = distinct_ceilings(dataset, measure)
    values = [
        bound
        for series in dataset.series
        for point in (series.first_stage, *series.points)
        for bound in point.estimates.get(measure, ())
        if bound is not None
    ]
    values += [value for _, ceiling in ceilings for value in ceiling.values()]
    with report_style():
        keys = [ceiling_key()] if ceilings else []
        keys += [first_stage_key()] if first_stages else []
        figure, (axes,) = make_panels(1, 1, PANEL_HEIGHT, len(dataset.series) + len(keys))
        set_score_limits(axes, values)
        for number, series in enumerate(dataset.series):
            points = [point for point in series.points if measure in point.estimates]
            shift = 0.5 * ((number + 0.5) / len(dataset.series) - 0.5)
            xs = [position[point.depth] + shift for point in points]
            estimates = [point.estimates[measure] for point in points]
            draw_ranges(axes, series, xs, [(estimate.low, estimate.high) for estimate in estimates], "scores")
            gid = draw_line(axes, series, xs, [estimate.mean for estimate in estimates], "marks")
            marks[gid] = [
                f"{series.label}, depth {point.depth}: {measure} {write_estimate(point, measure)}" for point in points
            ]
        for number, one in enumerate(first_stages):
            mean, gid = one.first_stage.estimates[measure].mean, f"{FIRST_STAGE}.marks{number}"
            axes.axhline(mean, color=INK, lw=0.9, dashes=(1, 2), alpha=0.7)
            axes.plot([0], [mean], "D", color=INK, mfc=PAPER, ms=6, gid=gid)
            marks[gid] = [f"first stage {one.retriever}: {measure} {write_estimate(one.first_stage, measure)}"]
        for number, (retriever, ceiling) in enumerate(ceilings):
            gid = f"ceiling.marks{number}"
            xs = [float(position[depth]) for depth in ceiling]
            axes.plot(xs, list(ceiling.values()), "_", color=INK, ls="--", lw=1.2, ms=7, gid=gid)
            marks[gid] = [f"ceiling over {retriever}, depth {d}: {format_score(value)}" for d, value in ceiling.items()]
        axes.set_xlim(-0.4, len(depths) + 0.4)
        axes.set_xticks(range(len(depths) + 1), ["first stage", *map(str, depths)])
        axes.set_xlabel("depth: candidates reranked (evenly spaced)")
        axes.set_ylabel(measure)
        marks |= add_legend(figure, dataset.series, keys)
    title, alt = f"{measure} against depth, {dataset.name}", describe_depths(dataset, measure)
    return Plot(make_name("quality-depth", dataset, measure), title, alt, figure, marks)


def draw_latency(dataset: DatasetReport) -> Plot | None:
    """Return the distribution of each system's own latency at each depth; a panel for each machine."""
    groups = {"": dataset.series} if dataset.same_hardware else group_by_machine(dataset)
    timed = {
        machine: shown
        for machine, group in groups.items()
        if (shown := [one for one in group if any(point.own_samples_ms for point in one.points)])
    }
    if not timed:
        return None
    systems = [one for one in dataset.series if any(one in group for group in timed.values())]
    depths = sorted({point.depth for one in systems for point in one.points if point.own_samples_ms})
    marks: dict[str, Sequence[str]] = {}
    with report_style():
        figure, panels = make_panels(len(timed), 1, PANEL_HEIGHT, len(systems), share_y=False)
        for panel, (axes, (machine, group)) in enumerate(zip(panels, timed.items(), strict=True)):
            marks |= _draw_distributions(axes, group, depths, panel)
            axes.set_xlim(-0.5, len(depths) - 0.5)
            axes.set_xticks(range(len(depths)), list(map(str, depths)))
            axes.set_ylabel("ms per query (log scale)")
            if machine:
                axes.set_title(f"machine {machine}", fontsize=9, loc="left")
        panels[-1].set_xlabel("depth: candidates reranked  (mark: median; thick: middle half; thin: all samples)")
        marks |= add_legend(figure, systems, ())
    title, alt = f"Latency of the rerankers alone, {dataset.name}", describe_latency(dataset)
    caveat = ""
    if len(groups) > 1:
        title += f" ({len(groups)} machines, a panel each)"
        caveat = "The latencies come from different machines and do not compare between panels."
    return Plot(make_name("latency", dataset), title, f"{alt} {caveat}".rstrip(), figure, marks, caveat)


def _draw_distributions(
    axes: "Axes", group: Sequence[Series], depths: Sequence[int], panel: int
) -> Mapping[str, Sequence[str]]:
    marks: dict[str, Sequence[str]] = {}
    slot = 0.84 / len(group)
    slot_points = slot * 72 * PANEL_WIDTH / len(depths)
    extremes: list[float] = []
    for number, series in enumerate(group):
        points = [point for point in series.points if point.own_samples_ms]
        xs = [depths.index(point.depth) + slot * (number + 0.5) - 0.42 for point in points]
        spreads = [spread_of(point.own_samples_ms) for point in points]
        extremes += [bound for spread in spreads for bound in (spread.least, spread.most)]
        draw_ranges(axes, series, xs, [(spread.least, spread.most) for spread in spreads], f"all{panel}")
        middles = [(spread.low, spread.high) for spread in spreads]
        draw_ranges(axes, series, xs, middles, f"middle{panel}", width=min(9.0, 0.6 * slot_points))
        gid, cue = f"s{series.index}.marks{panel}", cue_of(series.index)
        medians = [spread.median for spread in spreads]
        axes.plot(xs, medians, cue.marker, color=cue.colour, ms=min(5.0, max(3.0, 0.5 * slot_points)), gid=gid)
        marks[gid] = [_write_spread(series, point, spread) for point, spread in zip(points, spreads, strict=True)]
    set_log_limits(axes, extremes, "y")
    return marks


def _write_spread(series: Series, point: Point, spread: Spread) -> str:
    least, low, median, high, most = map(format_milliseconds, spread)
    return (
        f"{series.label}, depth {point.depth}: median {median} ms, middle half {low} to {high} ms, "
        f"all {least} to {most} ms (n = {len(point.own_samples_ms)} samples)"
    )
