"""The tables that people read: few columns, an interval beside its mean, names cut to a length that fits."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rerank_eval.report.cells import show_difference, show_estimate, show_latency, show_samples, show_signed
from rerank_eval.report.context_tables import make_context_table
from rerank_eval.report.formats import UNKNOWN, format_p, format_share, format_usd, shorten
from rerank_eval.report.labelled_places import LabelledPlace
from rerank_eval.report.model import DatasetReport, Place, Point, Report
from rerank_eval.report.reliability_tables import make_reliability_table, make_stability_table
from rerank_eval.report.short_labels import LONGEST_LABEL, shorten_first_stages, shorten_labels
from rerank_eval.report.tables import (
    Row,
    Table,
    is_on_front,
    loss_row,
    make_macro_table,
    make_not_averaged_table,
    make_table,
    name_datasets,
    unique_file_name,
)

_LONGEST_QUERY = 120
_MOST_CHANGES = 10  # in each direction; the HTML report has all of them


class ReadingTables(NamedTuple):
    """The short tables of one dataset, in the order in which they are read; one table per measure in `qualities` and `losses`."""

    choices: Table
    knees: Table
    qualities: Sequence[Table]
    costs: Table
    answers: Sequence[Table]
    losses: Sequence[Table]
    changes: Table


def make_reading_tables(report: Report) -> Sequence[ReadingTables]:
    """Return the short tables of each dataset; a table without rows is empty. Labels are shortened as `shorten_labels` does.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    labels = shorten_labels(report)
    return [_dataset_tables(dataset, name, report.measures, labels) for name, dataset in name_datasets(report)]


def list_reading_tables(report: Report) -> Sequence[Table]:
    """Return every short table that has a row, the means over datasets and the systems' whole names included."""
    tables = [*make_means(report), make_matrix(report)]
    for made in make_reading_tables(report):
        tables += [made.choices, made.knees, *made.qualities, made.costs, *made.answers, *made.losses, made.changes]
    return [table for table in (*tables, make_systems(report)) if len(table.frame)]


def make_means(report: Report) -> Sequence[Table]:
    """Return the means over datasets, and what has none; both are empty where there is one dataset."""
    name = shorten_labels(report).__getitem__
    return make_macro_table(report, name), make_not_averaged_table(report, name)


def make_matrix(report: Report) -> Table:
    """Return each system over each first stage at its best depth by the first measure; empty where there is one first stage."""
    rows: list[Row] = [
        {
            "dataset": dataset.name,
            "system": cell.system,
            "first stage": cell.retriever,
            "best depth": cell.depth,
            f"{report.measures[0]} [95% interval]": show_estimate(cell.estimate),
        }
        for dataset in report.datasets
        for cell in dataset.matrix
    ]
    return make_table("first-stages", "Systems over first stages, each at its best depth", rows)


def make_systems(report: Report) -> Table:
    """Return one row per series: which reranker over which first stage a label stands for, and the label before it was cut."""
    labels = shorten_labels(report)
    is_any_cut = any(
        labels[series.label] != series.whole_label for dataset in report.datasets for series in dataset.series
    )
    rows: list[Row] = [
        {
            "system": labels[series.label],
            **({"whole name": series.whole_label} if is_any_cut else {}),
            "reranker": series.system,
            "first stage": series.retriever,
            "dataset": dataset.name,
            "hardware": series.hardware,
            "run started": series.started,
        }
        for dataset in report.datasets
        for series in dataset.series
    ]
    return make_table("systems", "Systems", rows)


def _dataset_tables(
    dataset: DatasetReport, name: str, measures: Sequence[str], labels: Mapping[str, str]
) -> ReadingTables:
    on = f"on {shorten(dataset.name, LONGEST_LABEL)}"
    places = [*_first_stages(dataset)]
    places += [
        LabelledPlace(labels[series.label], series, point) for series in dataset.series for point in series.points
    ]
    taken: set[str] = set()
    measure_names = {measure: unique_file_name(measure, taken) for measure in measures}
    return ReadingTables(
        choices=make_table(
            f"choices-{name}",
            f"Choices {on} that no other beats both in quality and in latency, or both in quality and in cost",
            list(_choices(dataset, measures, places)),
            numbers=("mean [95% interval]", "total p95, ms", "USD per 1000"),
        ),
        knees=make_table(
            f"knees-{name}",
            f"Depths {on}: the best, the cheapest within the noise of the best, and deeper ones that are worse than the best",
            list(_knees(dataset, labels)),
        ),
        qualities=[
            (_quality_table if dataset.is_judged else _rank_change_table)(
                f"quality-{name}-{measure_names[measure]}", f"{measure} {on}", measure, places
            )
            for measure in measures
        ],
        costs=make_table(
            f"costs-{name}",
            f"Latency {on} in ms per query with 95% intervals, what providers are paid (0 where none is asked; machine time is not counted), "
            "and what qualifies the scores",
            [place.as_row() | _cost(place.point) for place in places],
            numbers=_COST_NUMBERS,
        ),
        answers=[
            make_context_table(name, on, places),
            make_reliability_table(name, on, places),
            make_stability_table(name, on, measures, places),
        ],
        losses=[
            make_table(
                f"losses-{name}-{measure_names[measure]}",
                f"Where {measure} is lost {on}: first stage and ordering add up to the distance from a perfect ranking",
                [
                    place.as_row() | loss_row(place.point.losses[measure])
                    for place in places
                    if measure in place.point.losses
                ],
            )
            for measure in measures
        ],
        changes=make_table(
            f"changes-{name}",
            f"Queries {on} that lost and gained most",
            list(_most_changed(dataset, labels)),
            numbers=("change",),
        ),
    )


def _first_stages(dataset: DatasetReport) -> Iterator[LabelledPlace]:
    """Yield the first stage of each run once, not once per reranker; its start tells apart those of several runs."""
    runs = {(series.retriever, series.started): series for series in dataset.series}
    retrievers = [retriever for retriever, _ in runs]
    names = shorten_first_stages(dataset)
    for (retriever, started), series in runs.items():
        label = names[retriever]
        if retrievers.count(retriever) > 1:
            label = f"{label.removesuffix(')')}, {started})"
        yield LabelledPlace(label, series, series.first_stage)


def _choices(dataset: DatasetReport, measures: Sequence[str], places: Sequence[LabelledPlace]) -> Iterator[Row]:
    for measure in measures:
        latency, cost = dataset.fronts.get(measure, ()), dataset.cost_fronts.get(measure, ())
        chosen = [
            (place, [name for name, front in (("latency", latency), ("cost", cost)) if _is_on(front, place, dataset)])
            for place in places
        ]
        for place, axes in sorted(chosen, key=lambda item: _cheapness(item[0].point)):
            if axes and measure in place.point.estimates:
                yield {
                    "measure": measure,
                    **place.as_row(),
                    "mean [95% interval]": show_estimate(place.point.estimates[measure]),
                    "total p95, ms": show_latency(place.point.total_p95),
                    "USD per 1000": format_usd(place.point.usd_per_1000),
                    "best for its": " and ".join(axes),
                }


def _is_on(front: Sequence[Place], place: LabelledPlace, dataset: DatasetReport) -> bool:
    return is_on_front(front, place.series, place.point.depth, dataset)


def _cheapness(point: Point) -> tuple[float, float]:
    latency = float("inf") if point.total_p95 is None else point.total_p95.value
    return latency, float("inf") if point.usd_per_1000 is None else point.usd_per_1000


def _knees(dataset: DatasetReport, labels: Mapping[str, str]) -> Iterator[Row]:
    for series in dataset.series:
        for measure, knee in series.knees.items():
            yield {
                "system": labels[series.label],
                "measure": measure,
                "best": knee.best,
                "cheapest within noise": knee.cheapest,
                "deeper and worse": ", ".join(map(str, knee.decayed)) or "none",
            }


def _quality_table(name: str, what: str, measure: str, places: Sequence[LabelledPlace]) -> Table:
    means = [place.point.estimates[measure].mean for place in places if measure in place.point.estimates]
    title = (
        f"{what} with 95% intervals; differences are paired by query, p is adjusted for all comparisons of the report"
    )
    rows = [place.as_row() | _quality(place.point, measure, max(means)) for place in places] if means else []
    return make_table(name, title, rows, _QUALITY_NUMBERS)


def _rank_change_table(name: str, what: str, measure: str, places: Sequence[LabelledPlace]) -> Table:
    title = f"{what} with 95% intervals: what is left of the first stage's ranking; it says nothing of quality"
    rows: list[Row] = [
        place.as_row()
        | {
            "mean [95% interval]": show_estimate(place.point.estimates.get(measure)),
            "queries": place.point.num_queries,
        }
        for place in places
    ]
    return make_table(name, title, rows, _QUALITY_NUMBERS)


_QUALITY_NUMBERS = ("mean [95% interval]", "to first stage", "p (Holm)", "won/tied/lost", "to best")


def _quality(point: Point, measure: str, best: float) -> Row:
    estimate = point.estimates.get(measure)
    first, to_best = point.to_first_stage.get(measure), point.to_best.get(measure)
    is_best = to_best is None and estimate is not None and estimate.mean == best
    return {
        "mean [95% interval]": show_estimate(estimate),
        "queries": point.num_queries,
        "to first stage": show_difference(first),
        "p (Holm)": format_p(first, 4),
        "won/tied/lost": UNKNOWN if first is None else f"{first.wins}/{first.ties}/{first.losses}",
        "detectable": None if first is None else first.detectable,
        "to best": "best" if is_best else show_difference(to_best),
    }


_COST_NUMBERS = ("own p50", "own p95", "total p50", "total p95", "USD per 1000", "judged@10", "ties", "truncated")


def _cost(point: Point) -> Row:
    return {
        "own p50": show_latency(point.own_p50),
        "own p95": show_latency(point.own_p95),
        "total p50": show_latency(point.total_p50),
        "total p95": show_latency(point.total_p95),
        "n": show_samples(point),
        "USD per 1000": format_usd(point.usd_per_1000),
        "judged@10": format_share(point.judged_at_10),
        "ties": format_share(point.tie_rate),
        "truncated": format_share(point.truncated_share),
        "failed": point.failures,
    }


def _most_changed(dataset: DatasetReport, labels: Mapping[str, str]) -> Iterator[Row]:
    by_change = sorted(dataset.changes, key=lambda change: change.after - change.before)
    lost = [change for change in by_change if change.after < change.before][:_MOST_CHANGES]
    gained = [change for change in reversed(by_change) if change.after > change.before][:_MOST_CHANGES]
    names = {series.index: labels[series.label] for series in dataset.series}
    for change in (*lost, *gained):
        yield {
            "query": shorten(f"{change.query_id}: {change.text}", _LONGEST_QUERY),
            "system": names[change.series],
            "depth": change.depth,
            "measure": change.measure,
            "before": change.before,
            "after": change.after,
            "change": show_signed(change.after - change.before),
        }
