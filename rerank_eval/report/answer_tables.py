"""The short tables on answers.

On those of rerankers: what went wrong on the way to them, and how stable they are; and on those of a language model from their context.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import NamedTuple

from rerank_eval.depth_results import Reliability
from rerank_eval.report.cells import show_estimate, show_gain, show_latency
from rerank_eval.report.formats import STABILITY_KINDS, format_curve, format_share, format_usd
from rerank_eval.report.model import Point, makes_calls
from rerank_eval.report.tables import Row, Table, make_table


class LabelledPoint(NamedTuple):
    """A system at one depth, under the name that tables show."""

    label: str
    point: Point

    def as_row(self) -> Row:
        """Return the columns that name it."""
        return {"system": self.label, "depth": self.point.depth}


def make_answer_tables(name: str, on: str, measures: Sequence[str], points: Sequence[LabelledPoint]) -> list[Table]:
    """Return the tables; one without rows is empty."""
    return [
        make_context_table(name, on, points),
        make_reliability_table(name, on, points),
        make_stability_table(name, on, measures, points),
    ]


def make_reliability_table(name: str, on: str, points: Sequence[LabelledPoint]) -> Table:
    """Return failed queries, and retries, repairs, fallbacks and refusals per call; empty where nothing makes calls."""
    names = [field.name for field in fields(Reliability)]
    rows: list[Row] = [
        labelled.as_row()
        | {"failed": labelled.point.failures}
        | {rate.replace("_", " "): format_share(getattr(labelled.point.reliability, rate)) for rate in names}
        for labelled in points
        if makes_calls(labelled.point)
    ]
    title = f"Reliability {on}: errors are of queries, the other rates are per call of an answered query"
    return make_table(f"reliability-{name}", title, rows, [rate.replace("_", " ") for rate in names])


def make_stability_table(name: str, on: str, measures: Sequence[str], points: Sequence[LabelledPoint]) -> Table:
    """Return how far answers to the same queries are apart, per measure; empty where none were asked for again."""
    rows: list[Row] = []
    for labelled in points:
        for kind, found in labelled.point.stability.items():
            for measure in measures:
                spread = found.measures.get(measure)
                rows.append(
                    labelled.as_row()
                    | {
                        "what": STABILITY_KINDS.get(kind, kind),
                        "measure": measure,
                        "answers": found.count + 1,
                        "queries": found.num_queries,
                        "SD of means": None if spread is None else spread.standard_deviation,
                        "SD per query": None if spread is None else spread.per_query,
                        "lowest mean": None if spread is None else min(spread.means),
                        "highest mean": None if spread is None else max(spread.means),
                        "Kendall's tau": found.tau,
                        "position bias": format_curve(found.position_bias),
                    }
                )
    title = f"Stability {on}: answers to the same queries; position bias is the mean place (0 first, 1 last) of what each tenth of a shuffled list ended at"
    return make_table(f"stability-{name}", title, rows)


_CONTEXT_NUMBERS = (
    "token F1 [95%]",
    "F1 to first stage",
    "no answer",
    "USD per 1000",
    "answer p50",
    "chain p50",
    "chain p95",
)


def make_context_table(name: str, on: str, points: Sequence[LabelledPoint]) -> Table:
    """Return what a language model answered from the reranked documents, and what the chain took; empty where none did."""
    rows: list[Row] = []
    for labelled in points:
        found = labelled.point.answers
        if found is not None:
            precision, recall, exact = (
                None if estimate is None else estimate.mean
                for estimate in (found.precision, found.recall, found.exact_match)
            )
            rows.append(
                labelled.as_row()
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
