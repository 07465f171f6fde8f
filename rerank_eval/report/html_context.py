"""The tables of the HTML report on answers of a language model from their context."""

from collections.abc import Mapping

from rerank_eval.report.formats import format_share, format_usd
from rerank_eval.report.html_cells import count_cell, estimate_cell, gain_cell, latency_cell, number_cell
from rerank_eval.report.html_tables import PLACE_HEADINGS, Heading, TableView, list_places
from rerank_eval.report.model import DatasetReport


def make_context_table(dataset: DatasetReport, labels: Mapping[str, str]) -> TableView:
    """Return what a language model answered from the reranked documents; without rows where none did."""
    headings = [
        *PLACE_HEADINGS,
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
        *PLACE_HEADINGS,
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
