"""What a person sees of the answers from reranked context, after a run."""

from collections.abc import Sequence

from rich.console import Console

from rerank_eval.results.depth_results import AnswerResult
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.terminal.cells import (
    least_width,
    make_table,
    show_difference,
    show_interval,
    show_milliseconds,
    show_number,
)
from rerank_eval.terminal.console import print_line

_NAMES = {"context_precision": "P", "context_recall": "R", "exact_match": "exact match", "token_f1": "token F1"}

Cells = dict[str, str]
"""Heading -> cell."""


def print_answers(result: ExperimentResult, console: Console) -> None:
    """Print one row per system and depth that was answered at; nothing where none was. A narrow terminal gets two tables."""
    found = [
        (f"{result.retriever['name']} (first stage)" if depth.depth == 0 else system.name, depth.depth, depth.answer)
        for number, system in enumerate(result.systems)
        for depth in system.depths
        if depth.answer is not None and (depth.depth or number == 0)
    ]
    if not found:
        return
    places: list[Cells] = [{"answers of": name, "depth": str(depth)} for name, depth, _ in found]
    qualities = [_quality(answer) for _, _, answer in found]
    costs = [_cost(answer) for _, _, answer in found]
    tables = [_rows(places, qualities, costs)]
    if least_width(tables[0]) > console.width:
        tables = [_rows(places, qualities), _rows(places, costs)]
    for rows in tables:
        console.print()
        console.print(make_table(rows))
    print_line(
        console,
        f"Answers from the first {found[0][2].context} documents, of which P and R are, to queries with reference answers. Tokens and USD are of "
        "reranker and answer together; the chain's latency adds the first stage, on queries of which all is known.",
        style="dim",
    )


def _rows(*parts: Sequence[Cells]) -> list[list[str]]:
    """Return the rows that these parts make side by side, the headings first."""
    joined: list[Cells] = [
        {name: cell for part in row for name, cell in part.items()} for row in zip(*parts, strict=True)
    ]
    return [list(joined[0]), *(list(row.values()) for row in joined)]


def _quality(answer: AnswerResult) -> Cells:
    return {
        **{_name(name): show_number(measure.mean) for name, measure in answer.measures.items()},
        "token F1": show_interval(answer.measures["token_f1"]),
        "Δ token F1": show_difference(answer.measures["token_f1"]),
    }


def _name(measure: str) -> str:
    kind, _, cutoff = measure.partition("@")
    return f"{_NAMES[kind]}@{cutoff}" if cutoff else _NAMES[kind]


def _cost(answer: AnswerResult) -> Cells:
    tokens, usd = answer.tokens_per_query, answer.usd_per_1000
    failed = f" ({answer.failures} failed)" if answer.failures else ""
    return {
        "queries": f"{answer.num_queries}{failed}",
        "tokens per query": "n/a" if tokens is None else f"{tokens:,.0f}",
        "USD per 1000": "n/a" if usd is None else f"{usd:.3f}",
        "p50 ms": show_milliseconds((answer.latency or {}).get("p50_ms")),
        "chain p50 ms": show_milliseconds((answer.chain_latency or {}).get("p50_ms")),
    }
