"""What an evaluation would ask of providers, and what that would cost, with nothing sent."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rerank_eval.calls.dry_run import DryCalls
from rerank_eval.calls.prices import Prices, read_prices
from rerank_eval.candidates import shown_to
from rerank_eval.evaluation import Evaluation, prepare
from rerank_eval.protocols import Progress, Reranker, Retriever, SilentProgress
from rerank_eval.runner import asked_depths
from rerank_eval.settings import Settings
from rerank_eval.store import Store
from rerank_eval.systems import System, make_systems
from rerank_eval.types import Dataset


class Estimate(NamedTuple):
    """What one system would ask at one depth: calls that are new, those that are kept already, and of the new ones what is billed.

    Input tokens are estimated, output tokens and the cost are at most; None is unknown. `is_least`: the next questions depend on
    answers that cannot be imagined, so that there are more. `tokens_per_estimated` is what earlier answers of its models were billed
    for each estimated token; None without such.
    """

    system: str
    depth: int
    calls: int
    kept: int
    input_tokens: int | None
    output_tokens: int | None
    usd: float | None
    is_least: bool = False
    tokens_per_estimated: float | None = None


def estimate_calls(
    dataset: Dataset,
    retriever: Retriever,
    rerankers: Iterable[Reranker | System],
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> list[Estimate]:
    """Return what each system that asks a provider would ask at each depth; nothing is sent.

    The first stage runs, and so do the local parts of such a system.

    Raises:
        RerankEvalError: as `runner.evaluate`.
    """
    settings = settings or Settings()
    progress = progress or SilentProgress()
    systems = [system.on(dataset) for system in make_systems(rerankers)]
    evaluation = prepare(dataset, retriever, settings, progress)
    prices = Prices() if settings.prices_path is None else read_prices(settings.prices_path)
    is_there = settings.store_path is not None and settings.store_path.exists()
    store = Store(settings.store_path, settings.store_timeout_s) if is_there and settings.store_path else None
    try:
        return [
            _estimate(evaluation, system, depth, DryCalls(store, prices), progress)
            for system in systems
            if system.asks_provider
            for depth in asked_depths(system, settings.depths)
        ]
    finally:
        if store is not None:
            store.close()


def total_usd(estimates: Sequence[Estimate]) -> float | None:
    """Return what all of it costs at most; None where that of one is unknown."""
    known = [estimate.usd for estimate in estimates if estimate.usd is not None]
    return sum(known) if len(known) == len(estimates) else None


def _estimate(evaluation: Evaluation, system: System, depth: int, calls: DryCalls, progress: Progress) -> Estimate:
    asking = system.asking(calls).reranker
    queries = evaluation.dataset.queries
    progress.start(f"{system.name}: counting calls", len(queries))
    for query in queries:
        request = evaluation.request(query, depth)
        if request.documents:
            try:
                asking.score(shown_to(asking, request))
            except (
                Exception
            ):  # any adapter may raise anything; the query would fail in a run, and what it would ask next is unknown
                calls.is_whole = False
        progress.advance()
    factors = calls.factors.values()
    return Estimate(
        system=system.name,
        depth=depth,
        calls=calls.usage.calls or 0,
        kept=calls.num_kept,
        input_tokens=calls.usage.input_tokens,
        output_tokens=calls.usage.output_tokens,
        usd=calls.usd,
        is_least=not calls.is_whole,
        tokens_per_estimated=next(iter(factors)) if len(factors) == 1 else None,
    )
