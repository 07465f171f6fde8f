"""The short tables on the answers of rerankers: what went wrong on the way to them, and how stable they are."""

from collections.abc import Sequence
from dataclasses import fields

from rerank_eval.report.formats import STABILITY_KINDS, format_curve, format_share
from rerank_eval.report.labelled_places import LabelledPlace
from rerank_eval.report.model import makes_calls
from rerank_eval.report.tables import Row, Table, make_table
from rerank_eval.results.depth_results import Reliability


def make_reliability_table(name: str, on: str, places: Sequence[LabelledPlace]) -> Table:
    """Return failed queries, and retries, repairs, fallbacks and refusals per call; empty where nothing makes calls."""
    names = [field.name for field in fields(Reliability)]
    rows: list[Row] = [
        place.as_row()
        | {"failed": place.point.failures}
        | {rate.replace("_", " "): format_share(getattr(place.point.reliability, rate)) for rate in names}
        for place in places
        if makes_calls(place.point)
    ]
    title = f"Reliability {on}: errors are of queries, the other rates are per call of an answered query"
    return make_table(f"reliability-{name}", title, rows, [rate.replace("_", " ") for rate in names])


def make_stability_table(name: str, on: str, measures: Sequence[str], places: Sequence[LabelledPlace]) -> Table:
    """Return how far answers to the same queries are apart, per measure; empty where none were asked for again."""
    rows: list[Row] = []
    for place in places:
        for kind, found in place.point.stability.items():
            for measure in measures:
                spread = found.measures.get(measure)
                rows.append(
                    place.as_row()
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
                        "position bias": format_curve(found),
                    }
                )
    title = f"Stability {on}: answers to the same queries; position bias is the mean place (0 first, 1 last) of what each tenth of a shuffled list ended at, * where its 95% interval leaves out 0.50"
    return make_table(f"stability-{name}", title, rows)
