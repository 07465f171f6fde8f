"""The tables of the HTML report on the answers of rerankers: what went wrong on the way to them, and how stable they are."""

from collections.abc import Mapping

from rerank_eval.report.formats import STABILITY_KINDS, format_curve, format_score, format_share
from rerank_eval.report.html_cells import Cell, count_cell, number_cell
from rerank_eval.report.html_tables import PLACE_HEADINGS, Heading, TableView, list_places
from rerank_eval.report.model import DatasetReport, makes_calls


def make_reliability_table(dataset: DatasetReport, labels: Mapping[str, str]) -> TableView:
    """Return failed queries, and retries, repairs, fallbacks and refusals per call; without rows where nothing makes calls."""
    headings = [
        *PLACE_HEADINGS,
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
        "completed. Fallback: no answer to a question could be used, and its documents stayed in candidate order among themselves.",
    )


def make_stability_table(dataset: DatasetReport, measure: str, labels: Mapping[str, str]) -> TableView:
    """Return how far answers to the same queries are apart; without rows where none were asked for again."""
    headings = [
        *PLACE_HEADINGS,
        Heading("What", "was done", is_number=False),
        Heading("Answers", "with the first"),
        Heading("n", "queries"),
        Heading(measure, "SD of means"),
        Heading("Per query", "mean SD"),
        Heading("Range", "of means"),
        Heading("Kendall's tau", "between answers"),
        Heading("Position bias", "mean place by tenth shown"),
    ]
    rows = []
    for place in list_places(dataset, labels):
        for kind, found in place.point.stability.items():
            spread = found.measures.get(measure)
            cells = [
                Cell(STABILITY_KINDS.get(kind, kind), is_number=False),
                count_cell(found.count + 1),
                count_cell(found.num_queries),
                number_cell(None if spread is None else spread.standard_deviation, format_score),
                number_cell(None if spread is None else spread.per_query, format_score),
                number_cell(None if spread is None else max(spread.means) - min(spread.means), format_score),
                number_cell(found.tau, format_score),
                Cell(format_curve(found), is_number=False),
            ]
            rows.append(place.row(cells))
    return TableView(
        f"Stability of {measure} on {dataset.name}: answers to the same queries",
        headings,
        rows,
        "The first answer is the one that all other tables are about. Position bias: for each tenth of a shuffled list, the mean place (0 first, 1 last) "
        "at which what was shown there ended; 0.50 everywhere without a bias, * where its 95% interval over queries leaves that out.",
    )
