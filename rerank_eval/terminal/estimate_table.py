"""What a person sees of a dry run."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from rerank_eval.calls.token_estimate import ESTIMATE_ACCURACY
from rerank_eval.dry_run import Estimate, ends_at, known_usd, most_usd
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
    for name in dict.fromkeys(found.system for found in estimates if found.is_in_turn):
        say(
            f"{name}: what its later stages are asked depends on the earlier ones; it is counted at each depth, and some may be the same."
        )
    for found in {found.system: found for found in estimates if found.cut_documents}.values():
        say(
            f"{found.system}: {found.cut_documents:,} of {found.documents:,} documents (each counted with each query, depth {found.depth}) "
            "would be shown cut: its settings, such as max_characters, limit what is shown of one"
        )
    if any(not found.calls and not found.kept and not found.is_least for found in estimates):
        say("What a row above asks is not asked again.")
    drawn = list(dict.fromkeys(found.system for found in estimates if found.is_drawn))
    most = most_usd(estimates)
    if drawn:
        say(
            f"How many questions there are depends on the answers, and these were drawn: {', '.join(drawn)}. A question that gets no usable "
            f"answer is asked once more, which is not counted. With as many questions as there can be, a run costs about {_usd(most)} USD."
        )
    say(f"dry run: nothing was sent; a run costs {_total(estimates)}")
    if budget_usd is None:
        return
    end = ends_at(estimates, budget_usd)
    if end is not None:
        say(
            f"budget.usd={budget_usd:g} is less, and spent in the order of the rows: the run may end during "
            f"{end.system}, depth {end.depth}, with its answers kept"
        )
    elif drawn and (most is None or most > budget_usd):
        say(f"budget.usd={budget_usd:g} may not be enough: the run ends when it is reached, with its answers kept")


def _total(estimates: Sequence[Estimate]) -> str:
    unknown = list(dict.fromkeys(found.system for found in estimates if found.usd is None))
    known = _usd(known_usd(estimates))
    how = "input as estimated, output at most, retries aside"
    if not unknown:
        return f"about {known} USD: {how}"
    total = f"an unknown sum for {', '.join(unknown)}"
    if known != "n/a":
        total = f"at least {known} USD, and {total}"
    if any(found.usd is None and not found.fault for found in estimates):
        how += "; a price is not known: prices=FILE, a list of your own, adds it, of 0 for a server of your own"
    return f"{total}: {how}"


def _calls(found: Estimate) -> str:
    if found.is_least:
        return f"at least {found.calls:,}"
    if found.is_drawn and found.most_calls is None:
        return f"about {found.calls:,}"
    if found.is_drawn and found.most_calls != found.calls:
        return f"about {found.calls:,} (at most {found.most_calls:,})"
    return f"{'at most ' if found.is_drawn or found.is_most or found.is_in_turn else ''}{found.calls:,}"


def _count(value: int | None) -> str:
    return "n/a" if value is None else f"{value:,}"


def _usd(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}" if value < 1 else f"{value:,.2f}"
