"""Figures of what quality costs: a measure against latency, and against dollars."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rerank_eval.report.canvas import (
    FIRST_STAGE,
    INK,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    PAPER,
    Plot,
    add_legend,
    draw_line,
    draw_ranges,
    first_stage_key,
    front_key,
    make_panels,
    report_style,
    set_log_limits,
    set_score_limits,
)
from rerank_eval.report.depth_labels import DepthLabel, write_depths
from rerank_eval.report.formats import format_latency_interval, format_milliseconds, format_usd
from rerank_eval.report.model import DatasetReport, Milliseconds, Place, Point, Series
from rerank_eval.report.plot_words import describe_missing, describe_tradeoff
from rerank_eval.report.selections import (
    SMALLEST,
    distinct_first_stages,
    group_by_machine,
    make_name,
    point_at,
    write_estimate,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class _Cost:
    """What the x axis has: a value with an interval where there is one, and how it is written."""

    of: Callable[[Point], Milliseconds | None]
    write: Callable[[Milliseconds], str]
    label: str
    smallest: float = SMALLEST

    def at(self, point: Point) -> Milliseconds:
        """Return the value at a point that has one, moved from zero to where a log axis can show it."""
        found = self.of(point)
        if found is None:
            raise ValueError("a point without this cost is not drawn")
        low, high = (None if bound is None else max(bound, self.smallest) for bound in (found.low, found.high))
        return Milliseconds(max(found.value, self.smallest), low, high)


_LATENCY = _Cost(
    lambda point: point.total_p95,
    lambda value: f"p95 {format_milliseconds(value.value)} ms {format_latency_interval(value)}",
    "p95 latency per query in ms, first stage included (log scale)",
)
_DOLLARS = _Cost(
    lambda point: None if point.usd_per_1000 is None else Milliseconds(point.usd_per_1000, None, None),
    lambda value: f"{format_usd(value.value)} US dollars per 1,000 queries",
    "US dollars paid to providers per 1,000 queries (log scale)",
)


def draw_quality_latency(dataset: DatasetReport, measure: str) -> Plot | None:
    """Return a measure against p95 latency, first stage included: a line per system, 95% intervals, the Pareto front.

    Where latencies come from several machines, each machine has a panel of its own, and there is no front.
    """
    groups = {"": dataset.series} if dataset.same_hardware else group_by_machine(dataset)
    title = f"{measure} against latency, {dataset.name}"
    front = dataset.fronts.get(measure, ()) if dataset.same_hardware else ()
    return _draw(dataset, measure, _LATENCY, groups, front, make_name("quality-latency", dataset, measure), title)


def draw_cost(dataset: DatasetReport, measure: str) -> Plot | None:
    """Return a measure against what is paid to providers, where that is known; None where nothing is paid.

    What is free is drawn left of what costs least, at a mark of its own.
    """
    paid = [point.usd_per_1000 for one in dataset.series for point in one.points if point.usd_per_1000]
    if not paid:
        return None
    front = dataset.cost_fronts.get(measure, ())
    name, title = make_name("cost", dataset, measure), f"{measure} against cost, {dataset.name}"
    cost = replace(_DOLLARS, smallest=min(paid) / 4)
    return _draw(dataset, measure, cost, {"": dataset.series}, front, name, title, marks_zero=True)


def _draw(
    dataset: DatasetReport,
    measure: str,
    cost: _Cost,
    groups: Mapping[str, Sequence[Series]],
    front: Sequence[Place],
    name: str,
    title: str,
    *,
    marks_zero: bool = False,
) -> Plot | None:
    def is_drawn(point: Point) -> bool:
        return cost.of(point) is not None and measure in point.estimates

    def has_point(series: Series) -> bool:
        return any(is_drawn(point) for point in series.points)

    def drawn_points(group: Sequence[Series]) -> list[Point]:
        return [point for one in group for point in (one.first_stage, *one.points) if is_drawn(point)]

    shown = {machine: drawn for machine, group in groups.items() if (drawn := [one for one in group if has_point(one)])}
    if not shown:
        return None
    front = [place for place in front if is_drawn(point_at(dataset.series, place))]
    systems = [one for one in dataset.series if has_point(one)]
    marks: dict[str, Sequence[str]] = {}
    scores = [bound for point in drawn_points(systems) for bound in point.estimates[measure] if bound is not None]
    with report_style():
        keys = [front_key()] if front else []
        has_first_stage = any(is_drawn(one.first_stage) for one in systems)
        keys += [first_stage_key()] if has_first_stage else []
        figure, panels = make_panels(len(shown), 1, PANEL_HEIGHT, len(systems) + len(keys))
        for number, (axes, (machine, group)) in enumerate(zip(panels, shown.items(), strict=True)):
            first_stages = [one for one in distinct_first_stages(group) if is_drawn(one.first_stage)]
            points_of = {one.index: [point for point in one.points if is_drawn(point)] for one in group}
            set_log_limits(
                axes, [bound for point in drawn_points(group) for bound in cost.at(point) if bound is not None], "x"
            )
            if marks_zero:
                _mark_zero(axes, cost.smallest)
            set_score_limits(axes, scores)
            _draw_front(axes, dataset, measure, cost, front)
            for one in group:
                marks |= _draw_system(axes, one, points_of[one.index], measure, cost, number)
            marks |= _draw_first_stages(axes, first_stages, measure, cost, number)
            on_front = {(place.series, place.depth) for place in front}
            labels = [
                DepthLabel(
                    cost.at(point).value,
                    point.estimates[measure].mean,
                    point.depth,
                    (dataset.series.index(one), point.depth) in on_front,
                    one.index,
                )
                for one in group
                for point in points_of[one.index]
            ]
            first_marks = [
                (cost.at(one.first_stage).value, one.first_stage.estimates[measure].mean) for one in first_stages
            ]
            write_depths(axes, labels, first_marks, PANEL_WIDTH, PANEL_HEIGHT)
            axes.set_ylabel(measure)
            if machine:
                axes.set_title(f"machine {machine}", fontsize=9, loc="left")
        panels[-1].set_xlabel(cost.label)
        marks |= add_legend(figure, systems, keys)
    caveat = describe_missing(dataset, is_drawn)
    alt = describe_tradeoff(dataset, measure, cost.of, cost.write, front, is_comparable=len(groups) == 1)
    if len(groups) > 1:
        title += f" ({len(groups)} machines, a panel each)"
        caveat = (
            f"{caveat} The latencies come from different machines and do not compare between panels; there is no common front."
        ).lstrip()
    return Plot(name, title, f"{alt} {caveat}".rstrip(), figure, marks, caveat)


def _mark_zero(axes: "Axes", place: float) -> None:
    """Name the place of zero on a log axis, and nothing between it and the least value above zero."""
    ticks = [float(tick) for tick in axes.get_xticks() if tick > 2 * place]
    if axes.get_xlim()[0] < place:
        axes.set_xticks([place, *ticks], ["0", *(f"{tick:,.10g}" for tick in ticks)])


def _draw_system(
    axes: "Axes", series: Series, points: Sequence[Point], measure: str, cost: _Cost, panel: int
) -> Iterator[tuple[str, Sequence[str]]]:
    costs, estimates = [cost.at(point) for point in points], [point.estimates[measure] for point in points]
    xs, ys = [found.value for found in costs], [estimate.mean for estimate in estimates]
    draw_ranges(axes, series, xs, [(estimate.low, estimate.high) for estimate in estimates], f"scores{panel}")
    draw_ranges(axes, series, ys, [(found.low, found.high) for found in costs], f"costs{panel}", is_horizontal=True)
    gid = draw_line(axes, series, xs, ys, f"marks{panel}")
    yield (
        gid,
        [
            f"{series.label}, depth {point.depth}: {measure} {write_estimate(point, measure)}, {cost.write(found)}"
            for point, found in zip(points, costs, strict=True)
        ],
    )


def _draw_first_stages(
    axes: "Axes", first_stages: Sequence[Series], measure: str, cost: _Cost, panel: int
) -> Iterator[tuple[str, Sequence[str]]]:
    for number, one in enumerate(first_stages):
        point, found = one.first_stage, cost.at(one.first_stage)
        gid = f"{FIRST_STAGE}.marks{panel}-{number}"
        axes.plot([found.value], [point.estimates[measure].mean], "D", color=INK, mfc=PAPER, ms=6, gid=gid)
        yield gid, [f"first stage {one.retriever}: {measure} {write_estimate(point, measure)}, {cost.write(found)}"]


def _draw_front(axes: "Axes", dataset: DatasetReport, measure: str, cost: _Cost, front: Sequence[Place]) -> None:
    places = sorted(
        (cost.at(point).value, point.estimates[measure].mean)
        for point in (point_at(dataset.series, place) for place in front)
    )
    if places:
        xs, ys = zip(*places, strict=True)
        axes.step(xs, ys, where="post", color=INK, alpha=0.2, lw=5, gid="front", solid_joinstyle="round")
