"""What an evaluation would ask of providers, and what that would cost, with nothing sent."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from rerank_eval.answers.answerer import Answerer
from rerank_eval.answers.answering import find_contexts
from rerank_eval.calls.dry_calls import DryCalls, NotImaginedError
from rerank_eval.candidates import explain_failure, shown_to
from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.stability import plan_again, sampled_queries
from rerank_eval.evaluation.systems import System
from rerank_eval.opening import asked_depths, open_evaluation
from rerank_eval.parts import all_parts
from rerank_eval.protocols import (
    AsksByAnswers,
    AsksInTurn,
    CallingReranker,
    Progress,
    Reranker,
    Retriever,
    SilentProgress,
)
from rerank_eval.settings import Settings
from rerank_eval.store import Store
from rerank_eval.types import Dataset, Query, Request


class Estimate(NamedTuple):
    """What one system would ask at one depth: calls that are new, those that are kept already, and of the new ones what is billed.

    Input tokens are estimated, output tokens and the cost are at most; None is unknown. `is_least`: the next questions depend on
    answers that cannot be imagined, so that there are more; `is_most`: they do, and some may be the same or kept already.
    `is_in_turn`: stages ask about what others put first, so that some may be the same. `is_drawn`: they do, and were drawn, so that the number is no bound; `most_calls` is one, where it is known, but for questions that
    are asked again for want of a usable answer. `tokens_per_estimated` is what earlier answers of its models were billed for each
    estimated token; None without such.
    """

    system: str
    depth: int
    calls: int
    kept: int
    input_tokens: int | None
    output_tokens: int | None
    usd: float | None
    is_least: bool = False
    is_most: bool = False
    is_drawn: bool = False
    is_in_turn: bool = False
    most_calls: int | None = None
    tokens_per_estimated: float | None = None
    fault: str | None = None
    """The first error of a query that failed, as it would in a run, unless what is wrong is the imagined answer."""
    documents: int = 0
    """How many documents would be shown, each counted with each of its queries, as far as the reranker tells whether it cuts them."""
    cut_documents: int = 0
    """How many of these would not be shown whole."""


class _Shown(NamedTuple):
    """Documents of the queries for which the reranker tells, how many of them it cut, and how many questions there can be.

    The last is about the queries that are not answered by what is kept; 0 where the system does not say.
    """

    documents: int
    cut_documents: int
    most_questions: int


def estimate_calls(
    dataset: Dataset,
    retriever: Retriever,
    rerankers: Iterable[Reranker | System],
    settings: Settings | None = None,
    progress: Progress | None = None,
    answerer: Answerer | None = None,
) -> list[Estimate]:
    """Return what each system that asks a provider would ask at each depth, and what the answerer would; nothing is sent.

    What one system has asked another does not ask again, as in a run whose answers are kept.
    The first stage runs, and so do the local parts of such a system. What a reranker will put first is not known, but of one
    that keeps the first stage's order: the answerer's questions at a depth above 0 are as many as there are queries, as long as the
    candidates are, and none of them is taken for one that is kept.

    Raises:
        RerankEvalError: as `runner.evaluate`.
    """
    settings = settings or Settings()
    progress = progress or SilentProgress()
    evaluation, systems, prices, _ = open_evaluation(dataset, retriever, rerankers, settings, progress, answerer)
    is_there = settings.store_path is not None and settings.store_path.exists()
    store = Store(settings.store_path, settings.store_timeout_s) if is_there and settings.store_path else None
    seen: set[str] = set()
    try:
        calls = {system.name: DryCalls(store, prices, seen=seen) for system in systems if system.asks_provider}
        asking = [system.asking(calls[system.name]) for system in systems if system.asks_provider]
        # in the order of `passes.run_passes`, in which a budget is spent
        estimates = [
            row for system in asking for row in _estimate_depths(evaluation, system, calls[system.name], progress)
        ]
        if answerer is not None:
            estimates += _estimate_answers(evaluation, answerer, systems, DryCalls(store, prices))
        for system in asking:
            estimates += _estimate_further(evaluation, system, calls[system.name], progress)
        return estimates
    finally:
        if store is not None:
            store.close()


def known_usd(estimates: Sequence[Estimate]) -> float | None:
    """Return what those cost of which it is known; None where there is none."""
    known = [estimate.usd for estimate in estimates if estimate.usd is not None]
    return math.fsum(known) if known else None


def ends_at(estimates: Sequence[Estimate], budget_usd: float) -> Estimate | None:
    """Return during which a run would reach the budget, which is spent in the order of the rerankers; None if it is enough."""
    for count, estimate in enumerate(estimates, start=1):
        if (known_usd(estimates[:count]) or 0.0) > budget_usd:
            return estimate
    return None


def most_usd(estimates: Sequence[Estimate]) -> float | None:
    """Return what all of it costs if the answers make as many questions as they can; None where that is unknown."""
    usd = 0.0
    for found in estimates:
        if found.usd is None or (found.is_drawn and found.most_calls is None):
            return None
        usd += found.usd * (found.most_calls / found.calls if found.is_drawn and found.most_calls else 1)
    return usd


def _estimate_depths(evaluation: Evaluation, system: System, calls: DryCalls, progress: Progress) -> Iterator[Estimate]:
    """Yield an estimate for each depth; what one has asked the next does not ask again."""
    in_turn = _asks_in_turn(system)
    for depth in asked_depths(system, evaluation.settings.depths):
        if in_turn:  # the made-up answers of one stage have the next asked about the same documents at every depth
            calls.forget()
        shown = _ask_all(system, evaluation.dataset.queries, evaluation.request, depth, calls, progress)
        found = _take(calls, system.name, depth)._replace(documents=shown.documents, cut_documents=shown.cut_documents)
        found = found._replace(is_in_turn=in_turn)
        yield _mark_drawn(found, system, shown.most_questions)


def _asks_in_turn(system: System) -> bool:
    """Return whether a stage that asks a provider comes after another that does."""
    return any(
        isinstance(part, AsksInTurn)
        and part.asks_in_turn
        and sum(isinstance(inner, CallingReranker) for _, inner in all_parts(name, part)) > 1
        for name, part in all_parts(system.name, system.reranker)
    )


def _estimate_further(
    evaluation: Evaluation, system: System, calls: DryCalls, progress: Progress
) -> Iterator[Estimate]:
    """Yield an estimate for each kind of further passes."""
    queries, depth = sampled_queries(evaluation), evaluation.settings.depths[-1]
    planned = list(plan_again(evaluation, system, calls))
    for kind in dict.fromkeys(again.kind for again in planned):
        passes = [again for again in planned if again.kind == kind]
        most = sum(
            _ask_all(again.system, queries, again.make_request, depth, calls, progress).most_questions
            for again in passes
        )
        yield _mark_drawn(_take(calls, f"{system.name}, {len(passes)} {kind}", depth), system, most)


def _estimate_answers(
    evaluation: Evaluation, answerer: Answerer, systems: Sequence[System], calls: DryCalls
) -> Iterator[Estimate]:
    """Yield an estimate for the first stage, and for each system at each depth that is answered at."""
    corpus = evaluation.dataset.corpus
    questions = [found for found in find_contexts(evaluation, answerer, evaluation.first_stage) if found.doc_ids]
    for question in questions:
        answerer.answer(calls, question.query.text, [corpus.text(doc_id) for doc_id in question.doc_ids])
    yield _take(calls, f"answers, {evaluation.retriever.name}", 0)
    for system in systems:
        for depth in answerer.depths_among(evaluation.settings.depths)[1:]:
            for question in [] if system.keeps_order else questions:
                candidates = evaluation.first_stage[question.query.query_id].doc_ids[:depth]
                spread = candidates[:: max(1, len(candidates) // answerer.context)][: answerer.context]
                documents = [corpus.text(doc_id) for doc_id in spread]
                calls.count(answerer.endpoint, answerer.make_body(question.query.text, documents))
            yield _take(calls, f"answers, {system.name}", depth)._replace(is_most=not system.keeps_order)


def _ask_all(
    system: System,
    queries: Sequence[Query],
    make_request: Callable[[Query, int], Request],
    depth: int,
    calls: DryCalls,
    progress: Progress,
) -> _Shown:
    """Have the system ask about every query, and return what there is to know besides the calls."""
    cut: list[bool] = []
    most = 0
    progress.start(f"{system.name}: counting calls", len(queries))
    for query in queries:
        request = make_request(query, depth)
        before = calls.num_new
        if request.documents:
            try:
                truncated = system.reranker.score(shown_to(system.reranker, request)).truncated
                cut += [] if truncated is None else map(bool, truncated)
            except NotImaginedError:
                calls.mark_partial()
            except Exception as error:  # any adapter may raise anything; the query would fail in a run as well
                calls.mark_partial(explain_failure(system.name, request, error))
        if calls.num_new > before and isinstance(system.reranker, AsksByAnswers):
            most += system.reranker.most_questions(len(request.documents))
        progress.advance()
    return _Shown(len(cut), sum(cut), most)


def _mark_drawn(found: Estimate, system: System, most: int) -> Estimate:
    """Return the estimate with a note where the system, or a part of it, asks by the answers it gets."""
    asks_by_answers = any(isinstance(part, AsksByAnswers) for _, part in all_parts(system.name, system.reranker))
    if not asks_by_answers or not found.calls:
        return found
    return found._replace(is_drawn=True, most_calls=max(most, found.calls) if most else None)


def _take(calls: DryCalls, name: str, depth: int) -> Estimate:
    found = calls.take()
    return Estimate(
        system=name,
        depth=depth,
        calls=found.usage.calls or 0,
        kept=found.num_kept,
        input_tokens=found.usage.input_tokens,
        output_tokens=found.usage.output_tokens,
        usd=found.usd,
        is_least=not found.is_whole,
        tokens_per_estimated=calls.factor,
        fault=found.fault,
    )
