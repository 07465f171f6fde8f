"""What a person sees of a dry run."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rerank_eval.calls.token_estimate import ESTIMATE_ACCURACY
from rerank_eval.dry_run import Estimate, most_usd, total_usd


def print_estimates(estimates: Sequence[Estimate], budget_usd: float | None, console: Console) -> None:
    """Print a row per system and depth, and what all of it costs."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    if not estimates:
        say("dry run: no reranker asks a provider; nothing would be sent or paid for")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("system")
    for heading in ("depth", "calls", "kept already", "input tokens", "output tokens, at most", "USD"):
        table.add_column(heading, justify="right")
    for found in estimates:
        counts = (found.kept, found.input_tokens, found.output_tokens)
        cells = [_calls(found), *map(_count, counts), _usd(found.usd)]
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
    if any(not found.calls and not found.kept and not found.is_least for found in estimates):
        say("What a row above asks is not asked again.")
    drawn = list(dict.fromkeys(found.system for found in estimates if found.is_drawn))
    total, most = total_usd(estimates), most_usd(estimates)
    if drawn:
        say(
            f"How many questions there are depends on the answers, and these were drawn: {', '.join(drawn)}. A question that gets no usable "
            f"answer is asked once more, which is not counted. With as many questions as there can be, a run costs about {_usd(most)} USD."
        )
    prices_lack = any(found.usd is None and not found.fault for found in estimates)
    unknown = " (a price is not known; prices=FILE, a list of your own, adds it)" if prices_lack else ""
    say(
        f"dry run: nothing was sent; a run costs about {_usd(total)} USD: input as estimated, output at most, retries aside{unknown}"
    )
    if budget_usd is not None and total is not None and total > budget_usd:
        would = "may" if drawn else "would"
        say(f"budget.usd={budget_usd:g} is less: the run {would} end when it is reached, with its answers kept")
    elif budget_usd is not None and drawn and (most is None or most > budget_usd):
        say(f"budget.usd={budget_usd:g} may not be enough: the run ends when it is reached, with its answers kept")


def _calls(found: Estimate) -> str:
    if found.is_least:
        return f"at least {found.calls:,}"
    if found.is_drawn and found.most_calls is None:
        return f"about {found.calls:,}"
    if found.is_drawn and found.most_calls != found.calls:
        return f"about {found.calls:,} (at most {found.most_calls:,})"
    return f"{'at most ' if found.is_drawn or found.is_most else ''}{found.calls:,}"


def _count(value: int | None) -> str:
    return "n/a" if value is None else f"{value:,}"


def _usd(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}" if value < 1 else f"{value:,.2f}"
