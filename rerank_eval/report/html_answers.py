"""The tables of the HTML report on the answers themselves: what went wrong on the way to them."""

from collections.abc import Mapping

from rerank_eval.report.formats import format_share
from rerank_eval.report.html_cells import count_cell, number_cell
from rerank_eval.report.html_tables import Heading, TableView, list_places
from rerank_eval.report.model import DatasetReport, makes_calls


def make_reliability_table(dataset: DatasetReport, labels: Mapping[str, str]) -> TableView:
    """Return failed queries, and retries, repairs, fallbacks and refusals per call; without rows where nothing makes calls."""
    headings = [
        Heading("System", is_number=False),
        Heading("Depth"),
        Heading("Failed", "queries"),
        Heading("Error rate", "of queries"),
        Heading("Retries", "per call"),
        Heading("Repairs", "per call"),
        Heading("Fallbacks", "per call"),
        Heading("Refusals", "per call"),
    ]
    rows = []
    for place in list_places(dataset, labels):
        found = place.point.reliability
        if found is not None and makes_calls(place.point):
            rates = (found.error_rate, found.retry_rate, found.repair_rate, found.fallback_rate, found.refusal_rate)
            rows.append(
                place.row([count_cell(place.point.failures), *(number_cell(rate, format_share) for rate in rates)])
            )
    return TableView(
        f"Reliability on {dataset.name} per system and depth; lower is better",
        headings,
        rows,
        "Rates per call are over the calls of answered queries, also those made in an earlier run. Repaired: an answer that was no whole ranking was "
        "completed. Fallback: candidate order was taken for want of a usable answer.",
    )
