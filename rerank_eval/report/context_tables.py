"""The short table on answers of a language model from their context."""

from collections.abc import Sequence

from rerank_eval.report.cells import show_estimate, show_gain, show_latency
from rerank_eval.report.formats import format_share, format_usd
from rerank_eval.report.labelled_places import LabelledPlace
from rerank_eval.report.tables import Row, Table, make_table

_CONTEXT_NUMBERS = (
    "token F1 [95%]",
    "F1 to first stage",
    "no answer",
    "USD per 1000",
    "answer p50",
    "chain p50",
    "chain p95",
)


def make_context_table(name: str, on: str, places: Sequence[LabelledPlace]) -> Table:
    """Return what a language model answered from the reranked documents, and what the chain took; empty where none did."""
    rows: list[Row] = []
    for place in places:
        found = place.point.answers
        if found is not None:
            precision, recall, exact = (
                None if estimate is None else estimate.mean
                for estimate in (found.precision, found.recall, found.exact_match)
            )
            rows.append(
                place.as_row()
                | {
                    "k": found.context,
                    "queries": found.num_queries,
                    "context precision": precision,
                    "context recall": recall,
                    "exact match": exact,
                    "token F1 [95%]": show_estimate(found.token_f1),
                    "F1 to first stage": show_gain(found.gain),
                    "no answer": format_share(found.without_answer),
                    "failed": found.failures,
                    "tokens per query": None if found.tokens_per_query is None else round(found.tokens_per_query),
                    "USD per 1000": format_usd(found.usd_per_1000),
                    "answer p50": show_latency(found.own_p50),
                    "chain p50": show_latency(found.chain_p50),
                    "chain p95": show_latency(found.chain_p95),
                }
            )
    title = (
        f"Answers {on} from the first k documents, to queries with reference answers: relevant share of the k, share of the relevant that is there, SQuAD's measures; "
        "no answer counts as wrong; tokens, USD and chain (ms) are of reranking and answering, the chain with the first stage"
    )
    return make_table(f"answers-{name}", title, rows, _CONTEXT_NUMBERS)
