"""Dataset + retriever + rerankers + settings -> ExperimentResult. Sees protocols, not backends."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rerank_eval.aggregate import Evaluated, aggregate, as_json, ceilings
from rerank_eval.candidates import make_request
from rerank_eval.caveats import collect_warnings
from rerank_eval.errors import NotEvaluableError
from rerank_eval.fingerprint import fingerprint
from rerank_eval.latency import (
    LatencySample,
    measure_rerankers,
    measure_retriever,
    sample_queries,
    summarise,
    utc_now,
)
from rerank_eval.measures import parse_measures
from rerank_eval.protocols import Progress, Reranker, Retriever, Silent
from rerank_eval.provenance import describe_git, describe_hardware, describe_packages
from rerank_eval.quality import Answers, answer_queries
from rerank_eval.results import ExperimentResult, Status
from rerank_eval.settings import Settings
from rerank_eval.store import Store
from rerank_eval.systems import System, make_systems
from rerank_eval.types import Dataset, Query, Ranking, Request, Run


class EvaluationInterrupted(KeyboardInterrupt):
    """Ctrl-C came; `result` holds what was finished, with the status "incomplete"."""

    def __init__(self, result: ExperimentResult) -> None:
        """Keep the partial result."""
        super().__init__("the evaluation was interrupted")
        self.result = result


@dataclass
class _Passes:
    """What the two passes have found so far; whole when both have ended."""

    answers: dict[str, Answers]
    samples: list[LatencySample] = field(default_factory=list)
    first_stage_samples: list[LatencySample] = field(default_factory=list)
    latency_failures: Mapping[str, int] = field(default_factory=dict)


def evaluate(
    dataset: Dataset,
    retriever: Retriever,
    rerankers: Iterable[Reranker | System],
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> ExperimentResult:
    """Return quality and latency of every reranker at every depth; what the command writes.

    A query that a reranker cannot answer is left out of its means, and counted; above `settings.max_error_rate`, or where none is
    left, the status is "not_evaluable". Answers are kept in `settings.store_path`, and reused, for rerankers that have an `identity()`.

    Raises:
        ConfigError: a setting or a name is wrong.
        NotEvaluableError: there is no query with a judgment, or the first stage found nothing.
        StoreError: the store is in use or cannot be written.
        EvaluationInterrupted: Ctrl-C; carries the partial result.
    """
    settings = settings or Settings()
    progress = progress or Silent()
    started = utc_now()
    measures = parse_measures(settings.measures, dataset.relevance_level)
    systems = [system.on(dataset) for system in make_systems(rerankers)]
    if not dataset.queries:
        raise NotEvaluableError(f"{dataset.name} has no query with a judgment in the split {dataset.split!r}")
    progress.start(f"first stage: {retriever.name}", 1)
    retrieved = retriever.retrieve(dataset, settings.first_stage_depth)
    first_stage = {query.query_id: retrieved.get(query.query_id, Ranking(())) for query in dataset.queries}
    if not any(first_stage.values()):
        raise NotEvaluableError(f"{retriever.name} found no candidate for any query; do its query ids fit the dataset?")

    passes = _Passes({system.name: Answers(_asked_depths(system, settings.depths)) for system in systems})
    status: Status = "complete"
    with _open_store(settings) as store:
        if store is not None and store.moved_aside is not None:
            progress.note(f"the store could not be read and was moved aside to {store.moved_aside}; starting a new one")
        try:
            _run_passes(dataset, retriever, first_stage, systems, settings, store, progress, passes)
        except KeyboardInterrupt:
            status = "incomplete"

    evaluated = [
        aggregate(
            system,
            passes.answers[system.name],
            first_stage,
            dataset,
            settings.depths,
            measures,
            settings.seed,
            [sample for sample in passes.samples if sample.system == system.name],
            passes.first_stage_samples,
        )
        for system in systems
    ]
    too_many = _worst_error_rate(passes.answers, dataset) > settings.max_error_rate
    if status == "complete" and (too_many or any(item.result.has_no_value for item in evaluated)):
        status = "not_evaluable"
    result = _result(status, started, dataset, retriever, first_stage, settings, measures, passes, evaluated, store)
    if status == "incomplete":
        raise EvaluationInterrupted(result)
    return result


def _asked_depths(system: System, depths: Sequence[int]) -> tuple[int, ...]:
    return (depths[-1],) if system.reranker.pointwise else tuple(depths)


def _open_store(settings: Settings) -> Store | nullcontext[None]:
    return nullcontext() if settings.store_path is None else Store(settings.store_path, settings.store_timeout_s)


def _run_passes(
    dataset: Dataset,
    retriever: Retriever,
    first_stage: Run,
    systems: Sequence[System],
    settings: Settings,
    store: Store | None,
    progress: Progress,
    passes: _Passes,
) -> None:
    """Fill `passes`; an interrupt leaves in it what was finished."""

    def request(query: Query, depth: int) -> Request:
        return make_request(query, first_stage[query.query_id], depth, dataset.corpus)

    for system in systems:
        answers = passes.answers[system.name]
        answer_queries(system, dataset.queries, request, store, progress, answers)
        if answers.num_resumed:
            progress.note(
                f"{system.name}: resumed {answers.num_resumed} of {len(dataset.queries)} queries from the store"
            )
    if settings.latency.queries == 0:
        return
    num_candidates = {query: len(first_stage[query.query_id]) for query in dataset.queries}
    sampled = sample_queries(num_candidates, settings.latency.queries, settings.depths[-1], settings.seed)
    if retriever.searches:
        progress.start(f"latency: {retriever.name}", 1)
        passes.first_stage_samples = measure_retriever(
            retriever, dataset, sampled, settings.first_stage_depth, settings.latency.warmup
        )
    passes.samples, passes.latency_failures = measure_rerankers(
        {system.name: system.reranker for system in systems},
        {depth: [request(query, depth) for query in sampled] for depth in settings.depths},
        settings.latency.warmup,
        settings.latency.repetitions,
        settings.seed,
        progress,
    )


def _worst_error_rate(answers: Mapping[str, Answers], dataset: Dataset) -> float:
    """Return the largest share of a system's queries that failed at any depth."""
    failed = [len({failure.query_id for failure in found.failures}) for found in answers.values()]
    return max(failed) / len(dataset.queries)


def _result(
    status: Status,
    started: str,
    dataset: Dataset,
    retriever: Retriever,
    first_stage: Run,
    settings: Settings,
    measures: Sequence[str],
    passes: _Passes,
    evaluated: Sequence[Evaluated],
    store: Store | None,
) -> ExperimentResult:
    first_stage_latency = summarise([sample.nanoseconds for sample in passes.first_stage_samples])
    return ExperimentResult(
        status=status,
        dataset={
            "name": dataset.name,
            "split": dataset.split,
            "num_documents": len(dataset.corpus),
            "num_queries": len(dataset.queries),
            "num_judged_queries": len(dataset.qrels),
            "relevance_level": dataset.relevance_level,
            "sha256": dataset.sha256,
            "load_report": asdict(dataset.load_report),
        },
        retriever={
            "name": retriever.name,
            "depth": settings.first_stage_depth,
            "sha256": fingerprint(retriever.identity()),
            "identity": dict(retriever.identity()),
            "latency": as_json(first_stage_latency),
        },
        systems=[item.result for item in evaluated],
        ceiling=ceilings(first_stage, dataset, settings.depths, measures),
        settings=asdict(settings) | {"measures": list(measures)},
        warnings=collect_warnings(
            dataset, retriever, first_stage, settings, evaluated, passes.samples, passes.latency_failures, store
        ),
        failures=[failure.message for found in passes.answers.values() for failure in found.failures],
        provenance={
            "started": started,
            "finished": utc_now(),
            "git": describe_git(Path.cwd()),
            "packages": describe_packages(),
            "hardware": describe_hardware(),
            "command": " ".join(sys.argv),
        },
        scores=[row for item in evaluated for row in item.rows],
        latency=[*passes.first_stage_samples, *passes.samples],
        runs={key: run for item in evaluated for key, run in item.runs.items()},
    )
