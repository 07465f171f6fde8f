"""Dataset + retriever + rerankers + settings -> ExperimentResult. Sees protocols, not backends."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from rerank_eval.answers.answerer import Answerer
from rerank_eval.answers.results import Latencies, add_answers, describe_answers
from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.kept_answers import AnswersInMemory
from rerank_eval.calls.prices import Prices
from rerank_eval.clock import utc_now
from rerank_eval.errors import RefusedError, RunStoppingError
from rerank_eval.evaluation.aggregate import Evaluated, aggregate
from rerank_eval.evaluation.caveats import collect_warnings
from rerank_eval.evaluation.descriptions import describe_dataset, describe_retriever
from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.excerpts import collect_excerpts
from rerank_eval.evaluation.losses import Bounds, find_bounds
from rerank_eval.evaluation.provider_calls import (
    describe_faults,
    describe_recording,
    describe_spent,
    describe_waiting,
    recorded_samples,
    total_usd,
)
from rerank_eval.evaluation.quality import Answers
from rerank_eval.evaluation.stability import add_stability
from rerank_eval.evaluation.systems import System
from rerank_eval.opening import asked_depths, open_evaluation
from rerank_eval.passes import Passes, run_passes
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
        super().__init__(f"interrupted: the result is marked incomplete; {_going_on(result)}")
        self.result = result


class EvaluationStoppedError(RunStoppingError):
    """A provider could not or must not be asked further; `result` holds what was finished, with the status "incomplete"."""

    def __init__(self, cause: RunStoppingError, result: ExperimentResult) -> None:
        """Keep the partial result, and say what the same command would do, unless a setting must be changed first."""
        super().__init__(f"{cause}" if isinstance(cause, RefusedError) else f"{cause}; {_going_on(result)}")
        self.exit_code = cause.exit_code
        self.result = result


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
        EvaluationStoppedError: a provider refuses, asks to wait too long, or fails on more queries than `max_error_rate`, or the budget is
            reached; carries the partial result.
    """
    settings = settings or Settings()
    progress = progress or SilentProgress()
    provenance = describe_provenance()
    evaluation, systems, prices, budget = open_evaluation(dataset, retriever, rerankers, settings, progress, answerer)
    asking = [system.name for system in systems if system.asks_provider]
    if settings.budget_usd is not None and len(asking) > 1:
        progress.note(
            f"budget.usd={settings.budget_usd:g} is spent in the order of the rerankers: {', '.join(asking)}; dry_run=true estimates what each costs"
        )
    passes = Passes({system.name: Answers(asked_depths(system, settings.depths)) for system in systems})
    ended_by: KeyboardInterrupt | RunStoppingError | None = None
    with _open_store(settings, progress) as store:
        client = ApiClient(AnswersInMemory() if store is None else store, budget, note=progress.note)
        systems = [system.asking(client) for system in systems]
        try:
            run_passes(evaluation, systems, answerer, client, store, progress, passes)
        except (KeyboardInterrupt, RunStoppingError) as error:
            ended_by = error
    bounds = find_bounds(evaluation)
    evaluated = _evaluate_systems(evaluation, bounds, systems, answerer, passes, prices)
    runs = {key: run for item in evaluated for key, run in item.runs.items()}
    answer_settings = None if answerer is None else dict(answerer.identity())
    result = ExperimentResult(
        status="incomplete" if ended_by is not None else _status(evaluation, evaluated, passes),
        dataset=describe_dataset(dataset),
        retriever=describe_retriever(evaluation, passes.first_stage_samples),
        systems=[item.result for item in evaluated],
        ceiling={
            depth: {name: means.get(name) for name in evaluation.measures} for depth, means in bounds.ceiling().items()
        },
        settings=asdict(settings) | {"measures": list(evaluation.measures), "answer": answer_settings},
        warnings=[
            *_warnings_of_passes(evaluation, evaluated, systems, passes, store),
            *describe_faults(client.faults),
            *describe_waiting(client.waiting),
            *describe_spent(budget.spent),
        ],
        failures=[failure.message for found in passes.answers.values() for failure in sorted(found.failures)],
        provenance={
            **provenance,
            "finished": utc_now(),
            "spent_usd": budget.spent.usd,
            "answers_usd": total_usd(prices, passes.answers.values()),
        },
        scores=[row for item in evaluated for row in item.rows],
        latency=[*passes.first_stage_samples, *passes.samples],
        runs=runs,
        excerpts=collect_excerpts(evaluation, passes.answers, runs),
        answers=[row for item in evaluated for row in item.answers],
    )
    if isinstance(ended_by, RunStoppingError):
        raise EvaluationStoppedError(ended_by, result) from ended_by
    if ended_by is not None:
        raise EvaluationInterrupted(result)
    return result


def _going_on(result: ExperimentResult) -> str:
    if result.settings["store_path"] is None:
        return "store.path=null keeps no answers, so the same command begins anew"
    return "the same command resumes from the store"


@contextmanager
def _open_store(settings: Settings, progress: Progress) -> Iterator[Store | None]:
    if settings.store_path is None:
        yield None
        return
    with Store(settings.store_path, settings.store_timeout_s, progress.note) as store:
        if store.moved_aside is not None:
            progress.note(f"the store could not be read and was moved aside to {store.moved_aside}; starting a new one")
        yield store


def _evaluate_systems(
    evaluation: Evaluation,
    bounds: Bounds,
    systems: Sequence[System],
    answerer: Answerer | None,
    passes: Passes,
    prices: Prices,
) -> list[Evaluated]:
    """Return what the passes found, per system; adds the latency that was recorded with a provider's answers to `passes`."""
    for system in systems:
        passes.samples.extend(recorded_samples(system, passes.answers[system.name]))
    latencies = Latencies(passes.samples, passes.first_stage_samples)
    evaluated = []
    for system in systems:
        answers = passes.answers[system.name]
        item = aggregate(evaluation, bounds, system, answers, passes.samples, passes.first_stage_samples, prices)
        item = item._replace(result=add_stability(evaluation, item.result, answers, passes.further, prices))
        if answerer is not None:
            item = add_answers(evaluation, answerer, system, item, answers, passes.replies, latencies, prices)
        evaluated.append(item)
    return evaluated


def _status(evaluation: Evaluation, evaluated: Sequence[Evaluated], passes: Passes) -> Status:
    """Return whether a run that was not ended early can be evaluated."""
    too_many = _worst_error_rate(passes.answers, evaluation.dataset) > evaluation.settings.max_error_rate
    return "not_evaluable" if too_many or any(item.result.has_no_value for item in evaluated) else "complete"


def _warnings_of_passes(
    evaluation: Evaluation,
    evaluated: Sequence[Evaluated],
    systems: Sequence[System],
    passes: Passes,
    store: Store | None,
) -> list[str]:
    results = [item.result for item in evaluated]
    about_latency = (passes.samples, passes.latency_failures, passes.cores_of_others)
    return [
        *collect_warnings(evaluation, passes.answers, results, *about_latency, store),
        *(sentence for system in systems for sentence in describe_recording(system, passes.answers[system.name])),
        *describe_answers(passes.replies),
    ]


def _worst_error_rate(answers: Mapping[str, Answers], dataset: Dataset) -> float:
    """Return the largest share of a system's queries that failed at any depth."""
    return max(found.num_failed for found in answers.values()) / len(dataset.queries)
