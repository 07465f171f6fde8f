"""What a person sees of the answers from reranked context, after a run."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rerank_eval.depth_results import AnswerResult
from rerank_eval.results import ExperimentResult
from rerank_eval.terminal_cells import show_difference, show_interval, show_milliseconds, show_number

_NAMES = {"exact_match": "exact match", "token_f1": "token F1"}


def print_answers(result: ExperimentResult, console: Console) -> None:
    """Print one row per system and depth that was answered at; nothing where none was."""
    found = [
        (f"{result.retriever['name']} (first stage)" if depth.depth == 0 else system.name, depth.depth, depth.answer)
        for number, system in enumerate(result.systems)
        for depth in system.depths
        if depth.answer is not None and (depth.depth or number == 0)
    ]
    if not found:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("answers of")
    measures = [_NAMES.get(name, name.replace("_", " ")) for name in found[0][2].measures]
    for heading in ("depth", "queries", *measures, "Δ token F1", "tokens/query", "USD/1000", "p50 ms", "chain p50 ms"):
        table.add_column(escape(heading), justify="right")
    for name, depth, answer in found:
        table.add_row(escape(name), str(depth), *_cells(answer))
    console.print()
    console.print(table)
    console.print(
        f"Answers from the first {found[0][2].context} documents, to the queries with reference answers. Tokens and USD are of reranker and answer "
        "together; the chain's latency adds the first stage, on queries of which all is known.",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )


def _cells(answer: AnswerResult) -> list[str]:
    tokens, usd = answer.tokens_per_query, answer.usd_per_1000
    return [
        f"{answer.num_queries}" + (f" ({answer.failures} failed)" if answer.failures else ""),
        *(
            show_interval(measure) if name == "token_f1" else show_number(measure.mean)
            for name, measure in answer.measures.items()
        ),
        show_difference(answer.measures["token_f1"]),
        "n/a" if tokens is None else f"{tokens:,.0f}",
        "n/a" if usd is None else f"{usd:.3f}",
        *(show_milliseconds((latency or {}).get("p50_ms")) for latency in (answer.latency, answer.chain_latency)),
    ]
