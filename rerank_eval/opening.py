"""What a run and a dry run check and fix before anything is asked; what one refuses, the other does."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rerank_eval.answers.answerer import Answerer
from rerank_eval.answers.answering import check_answerable
from rerank_eval.calls.batches import check_has_store
from rerank_eval.calls.budget import Budget
from rerank_eval.calls.prices import Prices, gather_prices
from rerank_eval.calls.types import Endpoint
from rerank_eval.evaluation.evaluation import Evaluation, check_dataset, prepare
from rerank_eval.evaluation.systems import System, make_systems
from rerank_eval.parts import all_parts
from rerank_eval.protocols import CallingReranker, Progress, Reranker, Retriever
from rerank_eval.settings import Settings
from rerank_eval.types import Dataset


class Opened(NamedTuple):
    """An evaluation with the systems that are evaluated, the prices and the budget."""

    evaluation: Evaluation
    systems: Sequence[System]
    prices: Prices
    budget: Budget


def open_evaluation(
    dataset: Dataset,
    retriever: Retriever,
    rerankers: Iterable[Reranker | System],
    settings: Settings,
    progress: Progress,
    answerer: Answerer | None,
) -> Opened:
    """Return what is evaluated, with everything checked and the first stage run; no provider is asked.

    Raises:
        RerankEvalError: as `runner.evaluate`.
    """
    check_dataset(dataset)
    if answerer is not None:
        check_answerable(answerer, dataset, settings.depths)
    systems = [system.on(dataset) for system in make_systems(rerankers)]
    prices = gather_prices(settings.prices_path, settings.own_prices_path)
    budget = Budget(prices, settings.budget_usd)
    for endpoint in [*_asked_endpoints(systems), *([] if answerer is None else [answerer.endpoint])]:
        check_has_store(endpoint, settings.store_path is not None)
        budget.check_known(endpoint)
    for system in systems:  # an identity that is not plain is refused here, and code counts as it was loaded
        _ = system.fingerprint
    return Opened(prepare(dataset, retriever, settings, progress), systems, prices, budget)


def asked_depths(system: System, depths: Sequence[int]) -> tuple[int, ...]:
    """Return the depths at which the quality pass asks the system: one answer of a pointwise reranker serves all."""
    return (depths[-1],) if system.reranker.pointwise else tuple(depths)


def _asked_endpoints(systems: Iterable[System]) -> list[Endpoint]:
    """Return the endpoint of every system, or part of one, that asks a provider."""
    parts = [part for system in systems for _, part in all_parts(system.name, system.reranker)]
    return [part.endpoint for part in parts if isinstance(part, CallingReranker)]
