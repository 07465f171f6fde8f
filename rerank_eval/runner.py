"""Dataset + retriever + rerankers + settings -> ExperimentResult. Sees protocols, not backends."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field

from rerank_eval.answers.answerer import Answerer
from rerank_eval.answers.answering import Replies, answer_from_contexts
from rerank_eval.answers.results import Latencies, add_answers, describe_answers
from rerank_eval.calls.client import ApiClient
from rerank_eval.clock import utc_now
from rerank_eval.core_use import cores_of_others, read_core_use
from rerank_eval.errors import RunStoppingError
from rerank_eval.evaluation.aggregate import aggregate, as_json
from rerank_eval.evaluation.caveats import collect_warnings
from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.excerpts import collect_excerpts
from rerank_eval.evaluation.losses import find_bounds
from rerank_eval.evaluation.provider_calls import (
    describe_faults,
    describe_recording,
    describe_spent,
    describe_waiting,
    recorded_samples,
)
from rerank_eval.evaluation.quality import Answers, answer_queries
from rerank_eval.evaluation.stability import Further, add_stability, ask_again
from rerank_eval.evaluation.systems import System
from rerank_eval.fingerprint import fingerprint
from rerank_eval.latency import (
    LatencyFailure,
    LatencySample,
    measure_rerankers,
    measure_retriever,
    sample_queries,
    summarise,
)
from rerank_eval.opening import asked_depths, open_evaluation
from rerank_eval.protocols import Progress, Reranker, Retriever, SilentProgress
from rerank_eval.results.experiment import ExperimentResult, Status
from rerank_eval.results.provenance import describe_provenance
from rerank_eval.settings import Settings
from rerank_eval.store import Store
from rerank_eval.types import Dataset


class EvaluationInterrupted(KeyboardInterrupt):
    """Ctrl-C came; `result` holds what was finished, with the status "incomplete"."""

    def __init__(self, result: ExperimentResult) -> None:
        """Keep the partial result."""
        super().__init__("the evaluation was interrupted")
        self.result = result


class EvaluationStoppedError(RunStoppingError):
    """A provider could not or must not be asked further; `result` holds what was finished, with the status "incomplete"."""

    def __init__(self, cause: RunStoppingError, result: ExperimentResult) -> None:
        """Keep the partial result."""
        super().__init__(str(cause))
        self.exit_code = cause.exit_code
        self.result = result


@dataclass
class _Passes:
    """What the two passes have found so far; whole when both have ended."""

    answers: dict[str, Answers]
    samples: list[LatencySample] = field(default_factory=list)
    first_stage_samples: list[LatencySample] = field(default_factory=list)
    latency_failures: list[LatencyFailure] = field(default_factory=list)
    cores_of_others: float | None = None
    further: list[Further] = field(default_factory=list)
    replies: Replies = field(default_factory=Replies)


def evaluate(
    dataset: Dataset,
    retriever: Retriever,
    rerankers: Iterable[Reranker | System],
    settings: Settings | None = None,
    progress: Progress | None = None,
    answerer: Answerer | None = None,
) -> ExperimentResult:
    """Return quality and latency of every reranker at every depth; what the command writes.

    A query that a reranker cannot answer is left out of its means, and counted; above `settings.max_error_rate`, or where none is
    left, the status is "not_evaluable". Answers are kept in `settings.store_path`, and reused, for rerankers that have an `identity()`.
    With an `answerer` its language model answers from the reranked documents, where the dataset has reference answers.

    Raises:
        ConfigError: a setting or a name is wrong.
        DataError: the first stage and the dataset do not fit, or there are no reference answers for the answerer.
        NotEvaluableError: there is no query with a judgment, or the first stage found nothing.
        StoreError: the store is in use or cannot be written.
        EvaluationInterrupted: Ctrl-C; carries the partial result.
        EvaluationStoppedError: a provider refuses, asks to wait too long, or the budget is reached; carries the partial result.
    """
    settings = settings or Settings()
    progress = progress or SilentProgress()
    provenance = describe_provenance()
    evaluation, systems, prices, budget = open_evaluation(dataset, retriever, rerankers, settings, progress, answerer)
    passes = _Passes({system.name: Answers(asked_depths(system, settings.depths)) for system in systems})
    status: Status = "complete"
    stopped: RunStoppingError | None = None
    with _open_store(settings, progress) as store:
        if store is not None and store.moved_aside is not None:
            progress.note(f"the store could not be read and was moved aside to {store.moved_aside}; starting a new one")
        client = ApiClient(store, budget, note=progress.note)
        systems = [system.asking(client) for system in systems]
        try:
            _ask_all(evaluation, systems, store, progress, passes)
            _time_all(evaluation, systems, progress, passes)
            if answerer is not None:
                answer_from_contexts(evaluation, answerer, passes.answers, client, progress, passes.replies)
            ask_again(evaluation, systems, client, store, progress, passes.further)
        except KeyboardInterrupt:
            status = "incomplete"
        except RunStoppingError as error:
            status, stopped = "incomplete", error
    for system in systems:
        passes.samples.extend(recorded_samples(system, passes.answers[system.name]))
    bounds = find_bounds(evaluation)
    evaluated = [
        aggregate(
            evaluation, bounds, system, passes.answers[system.name], passes.samples, passes.first_stage_samples, prices
        )
        for system in systems
    ]
    evaluated = [
        item._replace(
            result=add_stability(evaluation, item.result, passes.answers[item.result.name], passes.further, prices)
        )
        for item in evaluated
    ]
    if answerer is not None:
        latencies = Latencies(passes.samples, passes.first_stage_samples)
        evaluated = [
            add_answers(
                evaluation, answerer, system, item, passes.answers[system.name], passes.replies, latencies, prices
            )
            for system, item in zip(systems, evaluated, strict=True)
        ]
    too_many = _worst_error_rate(passes.answers, dataset) > settings.max_error_rate
    if status == "complete" and (too_many or any(item.result.has_no_value for item in evaluated)):
        status = "not_evaluable"
    runs = {key: run for item in evaluated for key, run in item.runs.items()}
    result = ExperimentResult(
        status=status,
        dataset=_describe_dataset(dataset),
        retriever=_describe_retriever(evaluation, passes.first_stage_samples),
        systems=[item.result for item in evaluated],
        ceiling=bounds.ceiling(),
        settings=asdict(settings)
        | {"measures": list(evaluation.measures), "answer": None if answerer is None else dict(answerer.identity())},
        warnings=collect_warnings(
            evaluation,
            passes.answers,
            [item.result for item in evaluated],
            passes.samples,
            passes.latency_failures,
            passes.cores_of_others,
            store,
        )
        + [sentence for system in systems for sentence in describe_recording(system, passes.answers[system.name])]
        + describe_answers(passes.replies)
        + describe_faults(client.faults)
        + describe_waiting(client.waiting)
        + describe_spent(budget.spent),
        failures=[failure.message for found in passes.answers.values() for failure in sorted(found.failures)],
        provenance={**provenance, "finished": utc_now(), "spent_usd": budget.spent.usd},
        scores=[row for item in evaluated for row in item.rows],
        latency=[*passes.first_stage_samples, *passes.samples],
        runs=runs,
        excerpts=collect_excerpts(evaluation, passes.answers, runs),
        answers=[row for item in evaluated for row in item.answers],
    )
    if stopped is not None:
        raise EvaluationStoppedError(stopped, result) from stopped
    if status == "incomplete":
        raise EvaluationInterrupted(result)
    return result


def _open_store(settings: Settings, progress: Progress) -> Store | nullcontext[None]:
    return (
        nullcontext()
        if settings.store_path is None
        else Store(settings.store_path, settings.store_timeout_s, progress.note)
    )


def _ask_all(
    evaluation: Evaluation, systems: Sequence[System], store: Store | None, progress: Progress, passes: _Passes
) -> None:
    """The quality pass: fill `passes.answers`; an interrupt leaves in it what was answered."""
    queries = evaluation.dataset.queries
    for system in systems:
        answers = passes.answers[system.name]
        answer_queries(system, queries, evaluation.request, store, progress, answers)
        if answers.num_resumed:
            progress.note(f"{system.name}: resumed {answers.num_resumed} of {len(queries)} queries from the store")


def _time_all(evaluation: Evaluation, systems: Sequence[System], progress: Progress, passes: _Passes) -> None:
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


def _worst_error_rate(answers: Mapping[str, Answers], dataset: Dataset) -> float:
    """Return the largest share of a system's queries that failed at any depth."""
    failed = [len({failure.query_id for failure in found.failures}) for found in answers.values()]
    return max(failed) / len(dataset.queries)


def _describe_dataset(dataset: Dataset) -> dict[str, object]:
    return {
        "name": dataset.name,
        "split": dataset.split,
        "num_documents": len(dataset.corpus),
        "num_queries": len(dataset.queries),
        "num_judged_queries": len(dataset.qrels),
        "relevance_level": dataset.relevance_level,
        "is_judged": dataset.is_judged,
        "removes_query_document": dataset.removes_query_document,
        "published_bm25": dict(dataset.published_bm25),
        "part_of": dataset.part_of,
        "sha256": dataset.sha256,
        "load_report": asdict(dataset.load_report),
        "reference_answers": _describe_references(dataset),
    }


def _describe_references(dataset: Dataset) -> dict[str, object] | None:
    """Return how many queries have reference answers, and the hash of these; None where none has."""
    answers = {query_id: list(texts) for query_id, texts in dataset.reference_answers.items()}
    return {"num_queries": len(answers), "sha256": fingerprint(answers)} if answers else None


def _describe_retriever(evaluation: Evaluation, samples: Sequence[LatencySample]) -> dict[str, object]:
    identity = dict(evaluation.retriever.identity())
    return {
        "name": evaluation.retriever.name,
        "depth": evaluation.settings.first_stage_depth,
        "sha256": fingerprint(identity),
        "identity": identity,
        "findings": {name: asdict(found) for name, found in evaluation.findings.items()},
        "latency": as_json(summarise(samples)),
    }
