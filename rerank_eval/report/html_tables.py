"""The tables of the HTML report: each cell as it is read and as the page's script sorts it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rerank_eval.report.formats import UNKNOWN, format_difference, format_score, format_share, format_usd
from rerank_eval.report.html_cells import (
    Cell,
    count_cell,
    difference_cell,
    estimate_cell,
    latency_cell,
    number_cell,
    test_cell,
)
from rerank_eval.report.model import DatasetReport, Point, Report, is_total_of_fewer
from rerank_eval.report.overview import count_collections
from rerank_eval.report.selections import distinct_first_stages
from rerank_eval.report.short_labels import shorten_first_stages
from rerank_eval.report.tables import NOT_AVERAGED

_NOTABLE_SHARE = 0.005
_WELL_JUDGED = 0.995


class Heading(NamedTuple):
    """A column's name, its unit or kind in smaller text below, and whether it holds numbers."""

    text: str
    detail: str = ""
    is_number: bool = True


PLACE_HEADINGS = (Heading("System", is_number=False), Heading("Depth"))


class Row(NamedTuple):
    """A row; `series` is the system's place in its dataset, None for a first stage; `full_name` is the whole of a cut name."""

    series: int | None
    name: str
    full_name: str
    cells: Sequence[Cell]


class TableView(NamedTuple):
    """A table; the first heading is that of the rows' names. `note` explains columns."""

    caption: str
    headings: Sequence[Heading]
    rows: Sequence[Row]
    note: str = ""


class Place(NamedTuple):
    """What a row is about: a first stage or a system, at one depth."""

    series: int | None
    name: str
    full_name: str
    point: Point

    def row(self, cells: Sequence[Cell]) -> Row:
        """Return the row with these cells after name and depth."""
        return Row(self.series, self.name, self.full_name, [count_cell(self.point.depth), *cells])


def make_quality_table(dataset: DatasetReport, measure: str, labels: Mapping[str, str]) -> TableView:
    """Return a measure with intervals and both differences, per system and depth, and what qualifies them."""
    headings = [
        *PLACE_HEADINGS,
        Heading(measure, "mean [95%]"),
        Heading("n", "queries"),
        Heading("To first stage", "difference [95%]"),
        Heading("Holm p", "won / tied / lost"),
        Heading("Detectable", "at 80% power"),
        Heading("To best", "difference [95%]"),
        Heading("Caveats", is_number=False),
    ]
    if not dataset.is_judged:
        return _make_rank_change_table(dataset, measure, labels)
    means = [
        point.estimates[measure].mean for one in dataset.series for point in one.points if measure in point.estimates
    ]
    rows = []
    for place in list_places(dataset, labels):
        point = place.point
        estimate = point.estimates.get(measure)
        is_best = place.series is not None and estimate is not None and estimate.mean == max(means)
        to_first, to_best = point.to_first_stage.get(measure), point.to_best.get(measure)
        cells = [
            estimate_cell(estimate),
            count_cell(point.num_queries),
            difference_cell(to_first),
            test_cell(to_first),
            number_cell(to_first.detectable if to_first else None, format_score),
            Cell("best", value=0.0) if is_best and to_best is None else difference_cell(to_best),
            Cell("; ".join(_caveats(point)) or "none", is_number=False),
        ]
        rows.append(place.row(cells))
    return TableView(
        f"{measure} on {dataset.name} per system and depth; higher is better",
        headings,
        rows,
        "Shares of unjudged documents are of the top 10. Differences are paired by query. Holm p is adjusted for all comparisons of this report. Detectable is the smallest true "
        "difference that this query set shows in 80% of cases. Won, tied and lost count queries.",
    )


def _make_rank_change_table(dataset: DatasetReport, measure: str, labels: Mapping[str, str]) -> TableView:
    headings = [
        *PLACE_HEADINGS,
        Heading(measure, "mean [95%]"),
        Heading("n", "queries"),
    ]
    rows = [
        place.row([estimate_cell(place.point.estimates.get(measure)), count_cell(place.point.num_queries)])
        for place in list_places(dataset, labels)
    ]
    return TableView(
        f"{measure} on {dataset.name} per system and depth: what is left of the first stage's ranking; it says nothing of quality",
        headings,
        rows,
    )


def make_cost_table(dataset: DatasetReport, labels: Mapping[str, str]) -> TableView:
    """Return latency, cost, and the shares that qualify scores, per system and depth."""
    headings = [
        *PLACE_HEADINGS,
        Heading("Own p50", "ms [95%]"),
        Heading("Own p95", "ms [95%]"),
        Heading("Total p50", "ms [95%]"),
        Heading("Total p95", "ms [95%]"),
        Heading("n", "samples"),
        Heading("Cost", "USD per 1,000"),
        Heading("Judged", "of top 10"),
        Heading("Tied", "candidates"),
        Heading("Truncated", "pairs"),
        Heading("Failed", "queries"),
    ]
    rows = []
    for place in list_places(dataset, labels):
        point = place.point
        latencies = (point.own_p50, point.own_p95, point.total_p50, point.total_p95)
        cells = [
            *(latency_cell(latency) for latency in latencies),
            _samples_cell(point),
            number_cell(point.usd_per_1000, format_usd),
            number_cell(point.judged_at_10, format_share),
            number_cell(point.tie_rate, format_share),
            number_cell(point.truncated_share, format_share),
            count_cell(point.failures),
        ]
        rows.append(place.row(cells))
    fewer = (
        " Where n has two numbers, total is over the second, the samples whose first stage was timed as well: it may lie below own."
        if any(is_total_of_fewer(place.point) for place in list_places(dataset, labels))
        else ""
    )
    machines = (
        "" if dataset.same_hardware else " Latencies come from different machines and do not compare between them."
    )
    return TableView(
        f"Latency and cost on {dataset.name} per system and depth; lower is better",
        headings,
        rows,
        f"Own is the reranker alone, total includes the first stage.{fewer} A bound is n/a where the samples are too few for it. "
        "Cost is what providers are paid: 0 where none is asked (machine time is not counted), n/a where no price is known, or where one was "
        f"not asked at that depth by itself.{machines}",
    )


def _samples_cell(point: Point) -> Cell:
    """Return the number of samples of the own latency, above that of the total where it is over fewer."""
    cell = count_cell(len(point.own_samples_ms) or point.num_total_samples or None)
    return cell._replace(detail=f"total {point.num_total_samples:,}") if is_total_of_fewer(point) else cell


def make_loss_table(dataset: DatasetReport, measure: str, labels: Mapping[str, str]) -> TableView:
    """Return where a measure's distance to a perfect ranking lies, per system and depth."""
    headings = [
        *PLACE_HEADINGS,
        Heading("First stage", "not among the candidates"),
        Heading("Ordering", "candidates in the wrong order"),
        Heading("Truncation", "of ordering, at most"),
        Heading("Unjudged", "change without them"),
    ]
    rows = []
    for place in list_places(dataset, labels):
        loss = place.point.losses.get(measure)
        if loss is not None:
            parts = [number_cell(part, format_score) for part in (loss.first_stage, loss.ordering, loss.truncation)]
            rows.append(place.row([*parts, number_cell(loss.unjudged, format_difference)]))
    return TableView(f"Where {measure} is lost on {dataset.name}; lower is better", headings, rows)


def make_knee_table(dataset: DatasetReport, measure: str, labels: Mapping[str, str]) -> TableView:
    """Return per system its best depth, the cheapest within the noise of it, and the deeper ones that are worse."""
    headings = [
        Heading("System", is_number=False),
        Heading("Best depth"),
        Heading("Cheapest depth", "within the noise of the best"),
        Heading("Decays at", "deeper and worse than the best", is_number=False),
    ]
    rows = []
    for number, series in enumerate(dataset.series):
        knee = series.knees.get(measure)
        if knee is not None:
            decayed = ", ".join(map(str, knee.decayed)) or "none"
            cells = [count_cell(knee.best), count_cell(knee.cheapest), Cell(decayed, is_number=False)]
            rows.append(Row(number, labels[series.label], series.label, cells))
    return TableView(f"Depths by {measure} on {dataset.name}", headings, rows)


def make_matrix_table(dataset: DatasetReport, measure: str) -> TableView:
    """Return each reranker over each first stage at its best depth; without rows where there is one first stage."""
    retrievers = list(dict.fromkeys(cell.retriever for cell in dataset.matrix))
    found = {(cell.system, cell.retriever): cell for cell in dataset.matrix}
    rows = []
    for system in dict.fromkeys(cell.system for cell in dataset.matrix):
        cells = []
        for retriever in retrievers:
            cell = found.get((system, retriever))
            estimate = Cell(UNKNOWN) if cell is None else estimate_cell(cell.estimate)
            cells.append(
                estimate if cell is None else estimate._replace(detail=f"{estimate.detail}, depth {cell.depth}")
            )
        rows.append(Row(None, system, system, cells))
    headings = [Heading("Reranker", is_number=False), *(Heading(name, "mean [95%], depth") for name in retrievers)]
    return TableView(
        f"{measure} on {dataset.name}: each reranker over each first stage, at its best depth", headings, rows
    )


def make_macro_table(report: Report, labels: Mapping[str, str]) -> TableView:
    """Return the means over datasets; without rows where there is one dataset."""
    headings = [
        *PLACE_HEADINGS,
        *(Heading(name, "mean") for name in report.measures),
    ]
    rows = [
        Row(
            None,
            labels.get(row.label, row.label),
            row.label,
            [
                count_cell(row.depth),
                *(number_cell(row.means.get(measure), format_score) for measure in report.measures),
            ],
        )
        for row in report.macro
    ]
    return TableView(
        f"Means over {count_collections(report.datasets)} datasets, each counting the same; higher is better",
        headings,
        rows,
    )


def make_not_averaged_table(report: Report, labels: Mapping[str, str]) -> TableView:
    """Return what has no mean over datasets, and why."""
    rows = [Row(None, labels[one.label], one.label, [Cell(one.reason, is_number=False)]) for one in report.not_averaged]
    headings = [Heading("System", is_number=False), Heading("Why", is_number=False)]
    return TableView(NOT_AVERAGED, headings, rows)


def list_places(dataset: DatasetReport, labels: Mapping[str, str]) -> Iterator[Place]:
    """Yield each first stage once, then every system at every depth."""
    names = shorten_first_stages(dataset)
    for one in distinct_first_stages(dataset.series):
        yield Place(None, names[one.retriever], f"{one.retriever} (first stage)", one.first_stage)
    for number, series in enumerate(dataset.series):
        for point in series.points:
            yield Place(number, labels[series.label], series.label, point)


def _caveats(point: Point) -> Iterator[str]:
    if point.failures:
        yield f"{point.failures} failed"
    if point.reliability is not None and point.reliability.fallback_rate:
        yield f"{format_share(point.reliability.fallback_rate)} fell back"
    if point.truncated_share is not None and point.truncated_share >= _NOTABLE_SHARE:
        yield f"{format_share(point.truncated_share)} truncated"
    if point.tie_rate is not None and point.tie_rate >= _NOTABLE_SHARE:
        yield f"{format_share(point.tie_rate)} tied"
    if point.judged_at_10 is not None and point.judged_at_10 < _WELL_JUDGED:
        yield f"{format_share(1 - point.judged_at_10)} unjudged"
