"""What a person sees of a dry run."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from rerank_eval.calls.token_estimate import ESTIMATE_ACCURACY
from rerank_eval.dry_run import Estimate, total_usd
from rerank_eval.terminal.console import new_table, print_line


def print_estimates(estimates: Sequence[Estimate], budget_usd: float | None, console: Console) -> None:
    """Print a row per system and depth, and what all of it costs."""

    def say(text: str) -> None:
        print_line(console, text)

    if not estimates:
        say("dry run: no reranker asks a provider; nothing would be sent or paid for")
        return
    table = new_table()
    table.add_column("system")
    for heading in ("depth", "calls", "kept already", "input tokens", "output tokens, at most", "USD"):
        table.add_column(heading, justify="right")
    for found in estimates:
        counts = (found.kept, found.input_tokens, found.output_tokens)
        bound = "at least " if found.is_least else "at most " if found.is_most else ""
        cells = [f"{bound}{found.calls:,}", *map(_count, counts), _usd(found.usd)]
        table.add_row(escape(found.system), str(found.depth), *cells)
    console.print(table)
    for name, factor in {
        found.system: found.tokens_per_estimated for found in estimates if found.tokens_per_estimated
    }.items():
        say(
            f"{name}: input tokens as its provider counts them, {factor:.2f} for each one estimated, by earlier answers"
        )
    for fault in dict.fromkeys(found.fault for found in estimates if found.fault):
        say(f"Queries failed, so that their calls and what these cost are not known; the first: {fault}")
    if any(found.input_tokens and not found.tokens_per_estimated for found in estimates):
        say(f"Input tokens without earlier answers are estimated: {ESTIMATE_ACCURACY}.")
    if any(found.is_most for found in estimates):
        say(
            "Answers from reranked documents: what will be first is not known. The tokens are those of documents from all over the candidates; "
            "a context that two systems share, or that an earlier run had, is not asked again."
        )
    total = total_usd(estimates)
    prices_lack = any(found.usd is None and not found.fault for found in estimates)
    unknown = " (a price is not known; prices=FILE, a list of your own, adds it)" if prices_lack else ""
    say(
        f"dry run: nothing was sent; a run costs about {_usd(total)} USD: input as estimated, output at most, retries aside{unknown}"
    )
    if budget_usd is not None and total is not None and total > budget_usd:
        say(f"budget.usd={budget_usd:g} is less: the run would end when it is reached, with its answers kept")


def _count(value: int | None) -> str:
    return "n/a" if value is None else f"{value:,}"


def _usd(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}" if value < 1 else f"{value:,.2f}"
