"""The tables of the HTML report on answers.

On those of rerankers: what went wrong on the way to them, and how stable they are; and on those of a language model from their context.
"""

from collections.abc import Mapping

from rerank_eval.report.formats import STABILITY_KINDS, format_curve, format_score, format_share, format_usd
from rerank_eval.report.html_cells import Cell, count_cell, estimate_cell, gain_cell, latency_cell, number_cell
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


def make_stability_table(dataset: DatasetReport, measure: str, labels: Mapping[str, str]) -> TableView:
    """Return how far answers to the same queries are apart; without rows where none were asked for again."""
    headings = [
        Heading("System", is_number=False),
        Heading("Depth"),
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
                Cell(format_curve(found.position_bias), is_number=False),
            ]
            rows.append(place.row(cells))
    return TableView(
        f"Stability of {measure} on {dataset.name}: answers to the same queries",
        headings,
        rows,
        "The first answer is the one that all other tables are about. Position bias: for each tenth of a shuffled list, the mean place (0 first, 1 last) "
        "at which what was shown there ended; 0.50 everywhere without a bias.",
    )


def make_context_table(dataset: DatasetReport, labels: Mapping[str, str]) -> TableView:
    """Return what a language model answered from the reranked documents; without rows where none did."""
    headings = [
        Heading("System", is_number=False),
        Heading("Depth"),
        Heading("k", "documents"),
        Heading("n", "queries"),
        Heading("Precision", "of context [95%]"),
        Heading("Recall", "of context [95%]"),
        Heading("Exact match", "mean [95%]"),
        Heading("Token F1", "mean [95%]"),
        Heading("To first stage", "token F1 [95%]"),
        Heading("No answer", "of n"),
    ]
    rows = []
    for place in list_places(dataset, labels):
        found = place.point.answers
        if found is not None:
            failed = f"{found.failures:,} failed" if found.failures else ""
            estimates = (found.precision, found.recall, found.exact_match, found.token_f1)
            cells = [
                count_cell(found.context),
                count_cell(found.num_queries)._replace(detail=failed),
                *(estimate_cell(estimate) for estimate in estimates),
                gain_cell(found.gain),
                number_cell(found.without_answer, format_share),
            ]
            rows.append(place.row(cells))
    return TableView(
        f"Answers on {dataset.name} from the first k documents of each ranking, to the n queries with reference answers",
        headings,
        rows,
        "Precision: the share of the k documents that is relevant. Recall: the share of the relevant documents that is among them. Exact match and "
        "token F1: the answer against the best of its reference answers, as SQuAD counts them. No answer: the documents do not hold it by the model's word, or it gave "
        "no usable one; both count as wrong.",
    )


def make_chain_table(dataset: DatasetReport, labels: Mapping[str, str]) -> TableView:
    """Return what reranking and answering took; without rows where nothing was answered."""
    headings = [
        Heading("System", is_number=False),
        Heading("Depth"),
        Heading("Tokens", "per query"),
        Heading("Cost", "USD per 1,000"),
        Heading("Answer p50", "ms [95%]"),
        Heading("Chain p50", "ms [95%]"),
        Heading("Chain p95", "ms [95%]"),
    ]
    rows = []
    for place in list_places(dataset, labels):
        found = place.point.answers
        if found is not None:
            cells = [
                count_cell(None if found.tokens_per_query is None else round(found.tokens_per_query)),
                number_cell(found.usd_per_1000, format_usd),
                *(latency_cell(latency) for latency in (found.own_p50, found.chain_p50, found.chain_p95)),
            ]
            rows.append(place.row(cells))
    return TableView(
        f"What the answers on {dataset.name} took, reranking included; lower is better",
        headings,
        rows,
        "Tokens and cost: what providers were asked and paid for reranking and answering together. Answer: the language model alone, as recorded. "
        "Chain: first stage, reranker and answer in a row, on the queries of which all three are known.",
    )
