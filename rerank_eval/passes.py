"""The passes of a run: every system is asked, timed, answered from, and asked again; what they found is kept as it comes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rerank_eval.answers.answerer import Answerer
from rerank_eval.answers.answering import Replies, answer_from_contexts
from rerank_eval.calls.client import ApiClient
from rerank_eval.core_use import cores_of_others, read_core_use
from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.quality import Answers, answer_queries
from rerank_eval.evaluation.stability import Further, ask_again
from rerank_eval.evaluation.systems import System
from rerank_eval.latency import LatencyFailure, LatencySample, measure_rerankers, measure_retriever, sample_queries
from rerank_eval.protocols import Progress
from rerank_eval.store import Store


@dataclass
class Passes:
    """What the passes have found so far; whole when all have ended."""

    answers: dict[str, Answers]
    samples: list[LatencySample] = field(default_factory=list)
    first_stage_samples: list[LatencySample] = field(default_factory=list)
    latency_failures: list[LatencyFailure] = field(default_factory=list)
    cores_of_others: float | None = None
    further: list[Further] = field(default_factory=list)
    replies: Replies = field(default_factory=Replies)


def run_passes(
    evaluation: Evaluation,
    systems: Sequence[System],
    answerer: Answerer | None,
    client: ApiClient,
    store: Store | None,
    progress: Progress,
    passes: Passes,
) -> None:
    """Fill `passes`; an interrupt or an error leaves in it what was found until then.

    Raises:
        StoreError: an answer cannot be kept.
        RunStoppingError: a provider cannot or must not be asked further.
    """
    _ask_all(evaluation, systems, store, progress, passes)
    _time_all(evaluation, systems, progress, passes)
    if answerer is not None:
        answer_from_contexts(evaluation, answerer, passes.answers, client, progress, passes.replies)
    ask_again(evaluation, systems, client, store, progress, passes.further)


def _ask_all(
    evaluation: Evaluation, systems: Sequence[System], store: Store | None, progress: Progress, passes: Passes
) -> None:
    """The quality pass: fill `passes.answers`; an interrupt leaves in it what was answered."""
    queries = evaluation.dataset.queries
    for system in systems:
        answers = passes.answers[system.name]
        limit = evaluation.settings.max_error_rate
        answer_queries(system, queries, evaluation.request, store, progress, answers, limit)
        if answers.num_resumed:
            progress.note(f"{system.name}: resumed {answers.num_resumed} of {len(queries)} queries from the store")


def _time_all(evaluation: Evaluation, systems: Sequence[System], progress: Progress, passes: Passes) -> None:
    """The latency pass: fill the samples of `passes`; an interrupt leaves in them what was timed."""
    settings, retriever = evaluation.settings, evaluation.retriever
    if settings.latency.queries == 0:
        return
    num_candidates = {query: len(evaluation.first_stage[query.query_id]) for query in evaluation.dataset.queries}
    sampled = sample_queries(num_candidates, settings.latency.queries, settings.depths[-1], settings.seed)
    warmup, repetitions = settings.latency.warmup, settings.latency.repetitions
    use_before = read_core_use()
    if retriever.searches:
        progress.start(f"latency: {retriever.name}", 1)
        passes.first_stage_samples.extend(
            measure_retriever(
                retriever,
                evaluation.dataset,
                sampled,
                settings.first_stage_depth,
                warmup=warmup,
                repetitions=repetitions,
            )
        )
    for outcome in measure_rerankers(
        {system.name: system.reranker for system in systems if not system.asks_provider},
        {depth: [evaluation.request(query, depth) for query in sampled] for depth in settings.depths},
        warmup=warmup,
        repetitions=repetitions,
        seed=settings.seed,
        progress=progress,
    ):
        if isinstance(outcome, LatencySample):
            passes.samples.append(outcome)
        else:
            passes.latency_failures.append(outcome)
    passes.cores_of_others = cores_of_others(use_before, read_core_use())
