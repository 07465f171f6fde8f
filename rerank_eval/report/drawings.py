"""All figures of a report, in the order in which they are read."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rerank_eval.report.canvas import Plot
from rerank_eval.report.depth_plots import draw_latency, draw_quality_depth
from rerank_eval.report.difference_plots import draw_differences, draw_losses
from rerank_eval.report.model import DatasetReport, Report
from rerank_eval.report.tables import unique_file_name
from rerank_eval.report.tradeoff_plots import draw_cost, draw_quality_latency


class Drawing(NamedTuple):
    """A figure with the place in `report.datasets` and the measure that it is of (None for latency alone), and a file name."""

    dataset: int
    measure: str | None
    file_name: str
    plot: Plot


def draw_report(report: Report) -> Sequence[Drawing]:
    """Return every figure that has something to show.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    taken: set[str] = set()
    drawings = []
    for number, dataset in enumerate(report.datasets):
        for measure, plot in _draw_dataset(dataset, report.measures):
            drawings.append(Drawing(number, measure, unique_file_name(plot.name, taken), plot))
    return drawings


def _draw_dataset(dataset: DatasetReport, measures: Sequence[str]) -> Iterator[tuple[str | None, Plot]]:
    for measure in measures if dataset.is_judged else ():
        for draw in (draw_quality_latency, draw_quality_depth, draw_differences, draw_losses, draw_cost):
            plot = draw(dataset, measure)
            if plot is not None:
                yield measure, plot
    latency = draw_latency(dataset)
    if latency is not None:
        yield None, latency
