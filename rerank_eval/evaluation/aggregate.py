"""Answers + first stage + judgments -> the measures of each system at each depth."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rerank_eval.calls.prices import Prices
from rerank_eval.candidates import count_tied, rerank
from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.latency_results import describe_latency
from rerank_eval.evaluation.losses import Bounds, QueryValues, drop_unjudged, find_losses, queries_with_cut_relevant
from rerank_eval.evaluation.measure_results import mean_or_none, measure_by_depth
from rerank_eval.evaluation.provider_calls import cost_usd
from rerank_eval.evaluation.quality import Answers
from rerank_eval.evaluation.systems import System
from rerank_eval.latency import LatencySample
from rerank_eval.results.depth_results import DepthResult, Loss, Reliability
from rerank_eval.results.experiment import AnswerRow, ScoreRow, SystemResult
from rerank_eval.types import Dataset, Run, Usage

JUDGED = "Judged@10"
_PER_CALL = {
    "retries": "retry_rate",
    "repairs": "repair_rate",
    "fallbacks": "fallback_rate",
    "refusals": "refusal_rate",
}


class Evaluated(NamedTuple):
    """One system: its result, and what the result folder holds of it query by query."""

    result: SystemResult
    rows: list[ScoreRow]
    runs: dict[tuple[str, int], Run]
    answers: Sequence[AnswerRow] = ()


def aggregate(
    evaluation: Evaluation,
    bounds: Bounds,
    system: System,
    answers: Answers,
    samples: Sequence[LatencySample],
    first_stage_samples: Sequence[LatencySample],
    prices: Prices | None = None,
) -> Evaluated:
    """Return the system's measures at depth 0 and each depth of the settings, over the queries it answered.

    `samples` may hold those of other systems as well. Without `prices`, what calls cost is not known.
    """
    dataset, first_stage, measures = evaluation.dataset, evaluation.first_stage, evaluation.measures
    depths, seed = evaluation.settings.depths, evaluation.settings.seed
    wanted = list(dict.fromkeys([*measures, JUDGED]))
    own_samples = [sample for sample in samples if sample.system == system.name]
    runs = {0: first_stage} | {depth: reranked_run(answers, first_stage, dataset, depth) for depth in depths}
    values = {depth: evaluation.score(run, wanted) for depth, run in runs.items()}
    found = measure_by_depth({depth: {name: own[name] for name in measures} for depth, own in values.items()}, seed)
    results = []
    for depth in runs:
        results.append(
            DepthResult(
                depth=depth,
                measures=found[depth],
                judged_at_10=mean_or_none(
                    [value for query_id, value in values[depth].get(JUDGED, {}).items() if runs[depth][query_id]]
                ),
                **(
                    _describe_answers(system, answers, dataset, first_stage, depth, prices or Prices()) if depth else {}
                ),
                losses=_losses(bounds, evaluation, answers, depth, runs[depth], values[depth]) if depth else {},
                **describe_latency(
                    own_samples, first_stage_samples, depth, "measured" if system.calls is None else "recorded"
                ),
            )
        )
    rows = [
        ScoreRow(query_id, system.name, depth, name, value)
        for depth in runs
        for name in measures
        for query_id, value in sorted(values[depth][name].items())
    ]
    result = SystemResult(
        name=system.name,
        config=system.config,
        fingerprint=system.fingerprint,
        load_seconds=system.load_seconds,
        tie_rate=results[-1].tie_rate,
        reused_answers=len(answers.reused),
        depths=results,
        saw_judgments=system.saw_judgments,
        asks_provider=system.asks_provider,
    )
    return Evaluated(result, rows, {(system.name, depth): run for depth, run in runs.items()})


def _losses(
    bounds: Bounds, evaluation: Evaluation, answers: Answers, depth: int, run: Run, values: QueryValues
) -> Mapping[str, Loss]:
    dataset, measures = evaluation.dataset, list(bounds.perfect)
    if not measures:
        return {}
    return find_losses(
        bounds,
        depth,
        {name: values[name] for name in measures},
        evaluation.score(drop_unjudged(run, dataset), measures),
        queries_with_cut_relevant(answers, dataset, evaluation.first_stage, depth),
    )


def reranked_run(answers: Answers, first_stage: Run, dataset: Dataset, depth: int) -> Run:
    """Return the run over the queries that were answered."""
    run = {}
    for query in dataset.queries:
        scores = answers.at(depth, query.query_id)
        if scores is not None:
            run[query.query_id] = rerank(first_stage[query.query_id], scores.values)
    return run


def _describe_answers(
    system: System, answers: Answers, dataset: Dataset, first_stage: Run, depth: int, prices: Prices
) -> dict[str, Any]:
    """Return what `DepthResult` says of the answers themselves; who asks no provider owes none."""
    found = [scores for query in dataset.queries if (scores := answers.at(depth, query.query_id)) is not None]
    num_pairs = sum(len(scores.values) for scores in found)
    marks = [scores.truncated for scores in found if scores.values]
    known = [mark for mark in marks if mark is not None]
    failed = {
        failure.query_id for failure in answers.failures if failure.depth == depth or depth not in answers.asked_depths
    }
    asked = depth in answers.asked_depths
    usage = sum_usage([scores.usage for scores in found if scores.values]) if asked else None
    usd = 0.0 if system.calls is None else cost_usd(prices, [call for scores in found for call in scores.calls])
    return {
        "usage": None if usage is None else usage | {"usd": usd},
        "failures": len(failed),
        "reliability": _reliability(len(failed), len(failed) + len(found), usage),
        "repairs": sum(scores.usage.repairs for scores in found) if asked else None,
        "truncated_pairs": sum(map(sum, known)) if len(known) == len(marks) else None,
        "num_pairs": num_pairs,
        "tie_rate": sum(count_tied(scores.values) for scores in found) / num_pairs if num_pairs else None,
    }


def _reliability(num_failed: int, num_asked: int, usage: Mapping[str, int | float | None] | None) -> Reliability:
    calls = (usage or {}).get("calls")
    rates = {
        field: None if not calls or (count := (usage or {})[name]) is None else count / calls
        for name, field in _PER_CALL.items()
    }
    return Reliability(num_failed / num_asked if num_asked else None, **rates)


def sum_usage(usages: Sequence[Usage]) -> dict[str, int | float | None]:
    """Return the sum under the names of `result.json`, None for each where there is none to sum."""
    total = Usage.total(usages)
    names = ("calls", "input_tokens", "output_tokens", "cached_tokens", "search_units", *_PER_CALL)
    return {name: getattr(total, name) if usages else None for name in names}
