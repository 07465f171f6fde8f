"""The tables of a report with every value, a column each: for programs."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, cast

from rerank_eval.errors import MissingExtraError
from rerank_eval.paired import Difference
from rerank_eval.report.model import (
    ContextAnswers,
    DatasetReport,
    Milliseconds,
    Place,
    Point,
    QueryChange,
    Report,
    Series,
)
from rerank_eval.report.overview import count_collections
from rerank_eval.results.depth_results import Loss, Reliability, Stability

if TYPE_CHECKING:
    import pandas as pd

_PARTS = 10

NOT_AVERAGED = "Not in the means over datasets: what not all of them have under the same name with the same settings"

Value = str | int | float | None
Row = dict[str, Value]


@dataclass(frozen=True)
class Table:
    """A named table. `name` may name a file; an unknown value is missing in `frame`, never 0.

    `numbers` are the columns of text that are set like numbers: a mean with its interval, say.
    """

    name: str
    title: str
    frame: "pd.DataFrame" = field(repr=False)
    numbers: frozenset[str] = frozenset()

    @property
    def columns(self) -> Sequence[str]:
        """The names of the columns."""
        return [str(name) for name in self.frame.columns]

    def rows(self) -> Sequence[Sequence[Value]]:
        """Return the values as Python's own, None where one is missing."""
        columns = [
            [None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)]
            for _, column in self.frame.items()
        ]
        return cast("Sequence[Sequence[Value]]", list(zip(*columns, strict=True)))

    def is_words(self, column: str) -> bool:
        """Whether a column holds words and not numbers."""
        return str(self.frame[column].dtype) == "string" and column not in self.numbers


def make_table(name: str, title: str, rows: Sequence[Row], numbers: Iterable[str] = ()) -> Table:
    """Return the table of `rows`, which all have the same columns.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError(error.name or "pandas", "report") from error
    columns = {column: [row[column] for row in rows] for column in (rows[0] if rows else ())}
    frame = pd.DataFrame({column: pd.Series(values, dtype=_dtype(values)) for column, values in columns.items()})
    return Table(name, title, frame, frozenset(numbers))


def make_tables(report: Report) -> Sequence[Table]:
    """Return the tables with every value: per dataset results, knees, Pareto fronts, losses, answers and changes; the macro means.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    tables = [table for name, dataset in name_datasets(report) for table in _dataset_tables(name, dataset, report)]
    tables += [make_macro_table(report), make_not_averaged_table(report)]
    return [table for table in tables if len(table.frame)]


def make_macro_table(report: Report, name: Callable[[str], str] = str) -> Table:
    """Return the means over datasets, each label as `name` writes it; empty where there is one dataset."""
    rows: list[Row] = [
        {"system": name(row.label), "depth": row.depth, **{one: row.means.get(one) for one in report.measures}}
        for row in report.macro
    ]
    title = f"Means over {count_collections(report.datasets)} datasets, each counting the same"
    return make_table("macro", title, rows)


def make_not_averaged_table(report: Report, name: Callable[[str], str] = str) -> Table:
    """Return what has no mean over datasets, and why, each label as `name` writes it; empty where nothing is left out."""
    rows: list[Row] = [{"system": name(one.label), "why": one.reason} for one in report.not_averaged]
    return make_table("not-averaged", NOT_AVERAGED, rows)


def name_datasets(report: Report) -> Sequence[tuple[str, DatasetReport]]:
    """Return each dataset with a name of its own that may be part of a file name."""
    taken: set[str] = set()
    return [(unique_file_name(dataset.name, taken), dataset) for dataset in report.datasets]


def unique_file_name(name: str, taken: set[str]) -> str:
    """Return `name` with no character that a file name should not have, not in `taken` in any case, and add it there."""
    plain = re.sub(r"[^A-Za-z0-9@_+-]+", "_", name)[:80].strip("_") or "unnamed"
    candidate, number = plain, 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{plain}-{number}"
    taken.add(candidate.lower())
    return candidate


def is_on_front(front: Sequence[Place], series: Series, depth: int, dataset: DatasetReport) -> bool:
    """Whether a front has this place; at depth 0, that of any series over the same first stage."""
    first_stage = (series.retriever, series.started)
    return any(
        place.depth == depth
        and (place.series == series.index or (depth == 0 and first_stage_of(dataset, place) == first_stage))
        for place in front
    )


def loss_row(loss: Loss) -> Row:
    """Return the parts of a loss under their names in a table."""
    return {
        "lost by first stage": loss.first_stage,
        "lost by ordering": loss.ordering,
        "of it truncation, at most": loss.truncation,
        "change without unjudged": loss.unjudged,
    }


def first_stage_of(dataset: DatasetReport, place: Place) -> tuple[str, str]:
    """Return retriever and start of the run in which a place was measured."""
    series = next(series for series in dataset.series if series.index == place.series)
    return series.retriever, series.started


def _dataset_tables(name: str, dataset: DatasetReport, report: Report) -> list[Table]:
    points = [(series, point) for series in dataset.series for point in (series.first_stage, *series.points)]
    results = [
        _place(series, point.depth) | _result(series, point, dataset, report.measures) for series, point in points
    ]
    knees: list[Row] = [
        {
            "system": series.label,
            "measure": measure,
            "best depth": knee.best,
            "cheapest depth within noise": knee.cheapest,
            "deeper and worse": ", ".join(map(str, knee.decayed)),
        }
        for series in dataset.series
        for measure, knee in series.knees.items()
    ]
    losses: list[Row] = [
        {**_place(series, point.depth), "measure": measure, **loss_row(loss)}
        for series, point in points
        for measure, loss in point.losses.items()
    ]
    stability: list[Row] = [
        _place(series, point.depth) | {"kind": kind} | _stability(found, measure)
        for series, point in points
        for kind, found in point.stability.items()
        for measure in report.measures
    ]
    answers: list[Row] = [
        _place(series, point.depth) | _answers(point.answers) for series, point in points if point.answers is not None
    ]
    labels = {series.index: series.label for series in dataset.series}
    changes: list[Row] = [_change(change, labels[change.series]) for change in dataset.changes]
    return [
        make_table(f"results-{name}", f"Results on {dataset.name}", results),
        make_table(f"knees-{name}", f"Knees on {dataset.name}", knees),
        make_table(f"losses-{name}", f"Losses on {dataset.name}", losses),
        make_table(f"stability-{name}", f"Stability on {dataset.name}", stability),
        make_table(f"answers-{name}", f"Answers from reranked context on {dataset.name}", answers),
        make_table(f"changes-{name}", f"Queries that changed most on {dataset.name}", changes),
    ]


def _place(series: Series, depth: int) -> Row:
    return {
        "system": series.label,
        "reranker": series.system,
        "first stage": series.retriever,
        "run started": series.started,
        "hardware": series.hardware,
        "depth": depth,
    }


def _result(series: Series, point: Point, dataset: DatasetReport, measures: Sequence[str]) -> Row:
    row: dict[str, Value] = {"queries": point.num_queries}
    for measure in measures:
        estimate = point.estimates.get(measure)
        for part in ("mean", "low", "high"):
            row[f"{measure} {part}"] = getattr(estimate, part, None)
        row |= _difference(f"{measure} to first stage", point.to_first_stage.get(measure))
        row |= _difference(f"{measure} to best", point.to_best.get(measure))
        row[f"{measure} ceiling"] = series.ceiling.get(point.depth, {}).get(measure)
        row[f"{measure} best for its latency"] = int(
            is_on_front(dataset.fronts.get(measure, ()), series, point.depth, dataset)
        )
        row[f"{measure} best for its cost"] = int(
            is_on_front(dataset.cost_fronts.get(measure, ()), series, point.depth, dataset)
        )
    latencies = {"own p50": point.own_p50, "own p95": point.own_p95}
    latencies |= {"total p50": point.total_p50, "total p95": point.total_p95}
    for name, milliseconds in latencies.items():
        row |= _milliseconds(name, milliseconds)
    return row | {
        "own samples": len(point.own_samples_ms),
        "total samples": point.num_total_samples,
        "usd per 1000 queries": point.usd_per_1000,
        "judged@10": point.judged_at_10,
        "tie rate": point.tie_rate,
        "truncated share": point.truncated_share,
        "failures": point.failures,
        **{field.name.replace("_", " "): getattr(point.reliability, field.name, None) for field in fields(Reliability)},
    }


def _stability(found: Stability, measure: str) -> Row:
    spread = found.measures.get(measure)
    row: Row = {
        "measure": measure,
        "further answers": found.count,
        "queries": found.num_queries,
        "failures": found.failures,
        "lowest mean": None if spread is None else min(spread.means),
        "highest mean": None if spread is None else max(spread.means),
        "standard deviation": None if spread is None else spread.standard_deviation,
        "standard deviation per query": None if spread is None else spread.per_query,
        "tau": found.tau,
        "usd": found.usd,
    }
    for bound, curve in (
        ("", found.position_bias),
        (" low", found.position_bias_low),
        (" high", found.position_bias_high),
    ):
        bias = [*curve, *[None] * _PARTS][:_PARTS]
        row |= {f"mean place of tenth {part}{bound}": place for part, place in enumerate(bias, start=1)}
    return row


def _answers(found: ContextAnswers) -> Row:
    row: Row = {"context": found.context, "queries": found.num_queries, "failures": found.failures}
    for name in ("precision", "recall", "exact_match", "token_f1", "gain"):
        for part in ("mean", "low", "high"):
            row[f"{name.replace('_', ' ')} {part}"] = getattr(getattr(found, name), part, None)
    row |= {"without answer": found.without_answer, "tokens per query": found.tokens_per_query}
    row["usd per 1000 queries"] = found.usd_per_1000
    for name in ("own_p50", "chain_p50", "chain_p95"):
        row |= _milliseconds(name.replace("_", " "), getattr(found, name))
    return row


def _difference(name: str, difference: Difference | None) -> Row:
    fields = Difference._fields
    return {f"{name} {part}": None if difference is None else getattr(difference, part) for part in fields}


def _milliseconds(name: str, latency: Milliseconds | None) -> Row:
    parts = {"ms": "value", "ms low": "low", "ms high": "high"}
    return {f"{name} {unit}": None if latency is None else getattr(latency, part) for unit, part in parts.items()}


def _change(change: QueryChange, label: str) -> Row:
    return {
        "system": label,
        "depth": change.depth,
        "measure": change.measure,
        "query_id": change.query_id,
        "query": change.text,
        "before": change.before,
        "after": change.after,
        "change": change.after - change.before,
    }


def _dtype(values: Sequence[Value]) -> str:
    """Return a type in which a missing value stays missing, and counts do not become fractions.

    Text is kept by Python, since pyarrow, where it is installed, refuses lone surrogates.
    """
    kinds = {type(value) for value in values} - {type(None)}
    return "string[python]" if str in kinds else "Int64" if kinds == {int} else "Float64"
