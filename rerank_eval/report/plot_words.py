"""What each figure shows, in words computed from its values: for readers who do not see it."""

from collections.abc import Callable, Iterable, Sequence

from rerank_eval.report.formats import format_difference, format_interval, format_milliseconds, format_score
from rerank_eval.report.model import DatasetReport, Milliseconds, Place, Point, Series
from rerank_eval.report.selections import (
    distinct_ceilings,
    distinct_first_stages,
    is_significant,
    name_place,
    name_series,
    spread_of,
    write_estimate,
)

_MOST_NAMED = 8


def describe_tradeoff(
    dataset: DatasetReport,
    measure: str,
    cost_of: Callable[[Point], Milliseconds | None],
    write_cost: Callable[[Milliseconds], str],
    front: Sequence[Place],
    *,
    is_comparable: bool,
) -> str:
    """Return the first stage, the best and the cheapest point, and the front.

    Where costs of different systems do not compare, none is called the cheapest.
    """
    drawn = [
        (series, point, cost)
        for series, point in _points(dataset)
        if measure in point.estimates and (cost := cost_of(point)) is not None
    ]
    best = max(drawn, key=lambda item: item[1].estimates[measure].mean)
    cheapest = min(drawn, key=lambda item: item[2].value)
    sentences = [
        *_about_first_stages(
            dataset, measure, lambda point: f", {write_cost(found)}" if (found := cost_of(point)) else ""
        ),
        f"Highest: {name_series(best[0])} at depth {best[1].depth} with {write_estimate(best[1], measure)}, {write_cost(best[2])}.",
    ]
    if is_comparable and cheapest != best:
        sentences.append(
            f"Cheapest reranker: {name_series(cheapest[0])} at depth {cheapest[1].depth} with {write_estimate(cheapest[1], measure)}, "
            f"{write_cost(cheapest[2])}."
        )
    if front:
        sentences.append(f"On the Pareto front: {_enumerate(name_place(dataset, place) for place in front)}.")
    return " ".join(sentences)


def describe_missing(dataset: DatasetReport, is_drawn: Callable[[Point], bool]) -> str:
    """Return how many points of rerankers are not drawn; nothing where all are."""
    points = [point for _, point in _points(dataset)]
    num_missing = sum(not is_drawn(point) for point in points)
    return f"Not drawn, because the value is unknown: {num_missing} of {len(points)} points." if num_missing else ""


def describe_depths(dataset: DatasetReport, measure: str) -> str:
    """Return per system where it begins and ends and its best depth, and the ceiling at the ends."""
    sentences = [*_about_first_stages(dataset, measure, lambda _: "")]
    for series in dataset.series[:_MOST_NAMED]:
        points = [point for point in series.points if measure in point.estimates]
        if not points:
            continue
        best = max(points, key=lambda point: point.estimates[measure].mean)
        means = [(point.depth, format_score(point.estimates[measure].mean)) for point in (points[0], points[-1])]
        path = f"{means[0][1]} at depth {means[0][0]}"
        if len(points) > 1:
            path += f" to {means[1][1]} at depth {means[1][0]}, highest {format_score(best.estimates[measure].mean)} at {best.depth}"
        sentences.append(f"{name_series(series)}: {path}.")
    if len(dataset.series) > _MOST_NAMED:
        sentences.append(f"{len(dataset.series) - _MOST_NAMED} more systems are in the table.")
    for retriever, ceiling in distinct_ceilings(dataset, measure):
        ends = f"{format_score(ceiling[min(ceiling)])} at depth {min(ceiling)}"
        if len(ceiling) > 1:
            ends += f" to {format_score(ceiling[max(ceiling)])} at depth {max(ceiling)}"
        sentences.append(f"Ceiling over {retriever}: {ends}.")
    return " ".join(sentences)


def describe_latency(dataset: DatasetReport) -> str:
    """Return per system the median latency at its smallest and largest depth, and the number of samples."""
    sentences = []
    timed = [one for one in dataset.series if any(point.own_samples_ms for point in one.points)]
    for series in timed[:_MOST_NAMED]:
        points = [point for point in series.points if point.own_samples_ms]
        ends = points if len(points) == 1 else (points[0], points[-1])
        medians = " to ".join(
            f"{format_milliseconds(spread_of(point.own_samples_ms).median)} ms at depth {point.depth}" for point in ends
        )
        sizes = sorted({len(point.own_samples_ms) for point in points})
        count = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        sentences.append(f"{name_series(series)}: median {medians} (n = {count} samples a depth).")
    if len(timed) > _MOST_NAMED:
        sentences.append(f"{len(timed) - _MOST_NAMED} more systems are in the table.")
    return " ".join(sentences)


def describe_differences(dataset: DatasetReport, measure: str) -> str:
    """Return how many differences are distinguishable from zero, in which direction, and the extremes."""
    compared = [(series, point) for series, point in _points(dataset) if measure in point.to_first_stage]
    real = [point.to_first_stage[measure].mean for _, point in compared if is_significant(point, measure)]
    better, worse = sum(mean > 0 for mean in real), sum(mean < 0 for mean in real)
    sentences = [
        f"Of {len(compared)} differences to the first stage, {better} are above and {worse} below zero with a Holm-adjusted p of at "
        f"most 0.05; {len(compared) - better - worse} are not distinguishable from zero."
    ]
    largest = max(compared, key=lambda item: item[1].to_first_stage[measure].mean)
    smallest = min(compared, key=lambda item: item[1].to_first_stage[measure].mean)
    for word, (series, point) in {"Largest": largest, "Smallest": smallest}.items():
        found = point.to_first_stage[measure]
        sentences.append(
            f"{word}: {name_series(series)} at depth {point.depth}, {format_difference(found.mean)} {format_interval(found)} "
            f"(n = {point.num_queries} queries)."
        )
    return " ".join(sentences[: 3 if largest != smallest else 2])


def describe_losses(dataset: DatasetReport, measure: str) -> str:
    """Return per system what is lost at its largest depth, by ordering and by the first stage."""
    sentences = []
    for series in dataset.series[:_MOST_NAMED]:
        points = [point for point in series.points if measure in point.losses and measure in point.estimates]
        if points:
            loss = points[-1].losses[measure]
            sentences.append(
                f"{name_series(series)} at depth {points[-1].depth}: achieved {format_score(points[-1].estimates[measure].mean)}, lost by "
                f"ordering {format_score(loss.ordering)}, by the first stage {format_score(loss.first_stage)}."
            )
    if len(dataset.series) > _MOST_NAMED:
        sentences.append(f"{len(dataset.series) - _MOST_NAMED} more systems are in the table.")
    return " ".join(sentences)


def _about_first_stages(dataset: DatasetReport, measure: str, write_more: Callable[[Point], str]) -> list[str]:
    return [
        f"First stage {one.retriever}: {measure} {write_estimate(one.first_stage, measure)}{write_more(one.first_stage)}."
        for one in distinct_first_stages(dataset.series)
        if measure in one.first_stage.estimates
    ]


def _points(dataset: DatasetReport) -> list[tuple[Series, Point]]:
    return [(series, point) for series in dataset.series for point in series.points]


def _enumerate(names: Iterable[str]) -> str:
    listed = list(names)
    shown = ", ".join(listed[:_MOST_NAMED])
    return shown if len(listed) <= _MOST_NAMED else f"{shown} and {len(listed) - _MOST_NAMED} more"
