"""Single values of a result as the report shows them: a point, a run, the warnings."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from rerank_eval.latency import FEWEST_FOR_P95
from rerank_eval.report.model import (
    ContextAnswers,
    Estimate,
    Milliseconds,
    Point,
    RunDescription,
    Series,
    is_total_of_fewer,
)
from rerank_eval.results.depth_results import AnswerResult, DepthResult
from rerank_eval.results.experiment import SystemResult
from rerank_eval.results.recorded import RecordedResult


def has_total_latency(result: RecordedResult) -> bool:
    """Return whether the first stage was timed with the rerankers."""
    return any(depth.total_latency is not None for system in result.systems for depth in system.depths[1:])


def drop_unknown(system: SystemResult, measures: Sequence[str]) -> tuple[SystemResult | None, list[str]]:
    """Return the system with the depths that have a mean of every measure, and a warning for each that has not."""
    kept = [depth for depth in system.depths if all(depth.measures[name].mean is not None for name in measures)]
    warnings = [
        f"{system.name} at depth {depth.depth}: no query has an answer; it is not shown"
        for depth in system.depths
        if depth not in kept
    ]
    if len(kept) < 2 or kept[0].depth != 0:
        return None, warnings
    return replace(system, depths=kept), warnings


def make_point(
    result: RecordedResult, system: SystemResult, depth: DepthResult, total_from: Literal["total_latency", "latency"]
) -> Point:
    """Return a depth of a system whose means are known.

    `total_from` is "latency" where no first stage of the dataset was timed: the reranker's own latency is all there is.
    """
    total = depth.total_latency if total_from == "total_latency" else depth.latency
    num_answered = min(measure.num_queries for measure in depth.measures.values())
    usd = _cost(system, depth)
    return Point(
        depth=depth.depth,
        num_queries=num_answered,
        estimates={
            name: Estimate(measure.mean, measure.low, measure.high)
            for name, measure in depth.measures.items()
            if measure.mean is not None
        },
        to_first_stage={},
        to_best={},
        losses=depth.losses,
        total_p50=_percentile(total, "p50"),
        total_p95=_percentile(total, "p95"),
        own_p50=_percentile(depth.latency, "p50"),
        own_p95=_percentile(depth.latency, "p95"),
        own_samples_ms=[
            nanoseconds / 1e6 for nanoseconds in result.samples.get((system.name, depth.depth), {}).values()
        ],
        num_total_samples=count if isinstance(count := (total or {}).get("count"), int) else 0,
        usd_per_1000=None if usd is None or not num_answered else 1000 * usd / num_answered,
        judged_at_10=depth.judged_at_10,
        tie_rate=depth.tie_rate,
        failures=depth.failures,
        truncated_share=None
        if depth.truncated_pairs is None or not depth.num_pairs
        else depth.truncated_pairs / depth.num_pairs,
        reliability=depth.reliability,
        stability=depth.stability,
        answers=None if depth.answer is None else _make_answers(depth.answer),
    )


def _make_answers(found: AnswerResult) -> ContextAnswers:
    def estimate(name: str) -> Estimate | None:
        measure = found.measures.get(name)
        return None if measure is None or measure.mean is None else Estimate(measure.mean, measure.low, measure.high)

    gain = found.measures["token_f1"].difference or {}
    mean = gain.get("mean")
    return ContextAnswers(
        context=found.context,
        num_queries=found.num_queries,
        failures=found.failures,
        precision=estimate(f"context_precision@{found.context}"),
        recall=estimate(f"context_recall@{found.context}"),
        exact_match=estimate("exact_match"),
        token_f1=estimate("token_f1"),
        gain=None if mean is None else Estimate(mean, gain.get("low"), gain.get("high")),
        without_answer=(found.unanswered + found.unusable) / found.num_queries if found.num_queries else None,
        tokens_per_query=found.tokens_per_query,
        usd_per_1000=found.usd_per_1000,
        own_p50=_percentile(found.latency, "p50"),
        chain_p50=_percentile(found.chain_latency, "p50"),
        chain_p95=_percentile(found.chain_latency, "p95"),
    )


def describe_run(result: RecordedResult) -> RunDescription:
    """Return where a result comes from: settings, first stage, systems, and the machine."""
    provenance = result.provenance
    lines = [
        ("folder", result.path.name),
        ("status", result.status),
        ("command", provenance.get("command")),
        ("started", provenance["started"]),
        ("finished", provenance.get("finished")),
        ("spent, USD", provenance.get("spent_usd")),
        ("dataset", f"{result.dataset['name']} ({result.dataset['split']}), sha256 {result.dataset['sha256']}"),
        ("first stage", _as_text(result.retriever.get("identity", result.retriever["name"]))),
        *((f"system {system.name}", _as_text(system.config)) for system in result.systems),
        *((f"load time {system.name}", _seconds(system.load_seconds)) for system in result.systems),
        ("settings", _as_text(result.settings)),
        ("commit of the working folder", _as_text(provenance.get("git"))),
        ("packages", _as_text({name: found for name, found in (provenance.get("packages") or {}).items() if found})),
        ("hardware", _as_text(provenance["hardware"])),
    ]
    title = f"{result.dataset['name']}, {provenance['started']}"
    return RunDescription(title, [(name, str(value)) for name, value in lines if value not in (None, "", "{}")])


def warn(results: Sequence[RecordedResult], series: Sequence[Series], same_hardware: bool) -> list[str]:
    """Return the runs' own warnings, each once, and what the report itself must say of its numbers."""
    warnings = list(dict.fromkeys(warning for result in results for warning in result.warnings))
    for result in results:
        if result.status != "complete":
            warnings.append(f"the run of {result.provenance['started']} is {result.status.replace('_', ' ')}")
        if result.failures:
            warnings.append(f"{len(result.failures)} failed queries; first: {result.failures[0]}")
    partial = [
        found.label
        for found in series
        if any(p.num_queries < int(results[0].dataset["num_queries"]) for p in found.points)
    ]
    if partial:
        warnings.append(
            f"not every query was answered by {', '.join(partial)}: its means are over fewer queries, and it is no choice"
        )
    if not same_hardware:
        warnings.append(
            "the results come from different machines: their latencies do not compare, and no Pareto front is drawn"
        )
    is_timed = any(point.own_samples_ms for found in series for point in found.points)
    if not is_timed:
        warnings.append("latency was not measured (latency.queries=0)")
        return warnings
    untimed = dict.fromkeys(result.retriever["name"] for result in results if not has_total_latency(result))
    if len(untimed) == len({result.retriever["name"] for result in results}):
        warnings.append(f"the latency of {', '.join(untimed)} is not known: total latencies are the rerankers' alone")
    elif untimed:
        warnings.append(f"the latency of {', '.join(untimed)} is not known: its systems have no total latency")
    timed_runs = {found.started for found in series if any(point.own_samples_ms for point in found.points)}
    if len(timed_runs) > 1 and same_hardware:
        warnings.append(
            "latencies come from runs at different times: what else the machine did may differ more than the systems do"
        )
    if of_fewer := [found.label for found in series if any(map(is_total_of_fewer, found.points))]:
        warnings.append(
            f"the total latency of {', '.join(of_fewer)} is over fewer samples than its own, those whose first stage was timed as well, and "
            "may so lie below it; it compares with other totals, which are over the same queries"
        )
    return [*warnings, *_warn_of_few_samples(results, series)]


def _warn_of_few_samples(results: Sequence[RecordedResult], series: Sequence[Series]) -> Iterator[str]:
    """Yield whose p95 is lacking; what was recorded does not depend on how many queries the latency pass times."""
    recorded = {
        (str(result.provenance["started"]), system.name)
        for result in results
        for system in result.systems
        if any((depth.latency or {}).get("source") == "recorded" for depth in system.depths)
    }
    timed, asked = [], []
    for found in series:
        is_own = any(point.own_samples_ms and point.own_p95 is None for point in found.points)
        if is_own and (found.started, found.system) in recorded:
            asked.append(found.label)
        elif is_own or any(point.total_p50 is not None and point.total_p95 is None for point in found.points):
            timed.append(found.label)
    if timed:
        yield f"latency: too few timed queries for a p95 of {', '.join(timed)}; set latency.queries={FEWEST_FOR_P95} or more"
    if asked:
        yield f"latency: too few queries with a recorded latency for a p95 of {', '.join(asked)}; it needs {FEWEST_FOR_P95}"


def _cost(system: SystemResult, depth: DepthResult) -> float | None:
    """Return what all queries of a depth cost; nothing at depth 0, and nowhere if the largest depth costs nothing."""
    if depth.depth == 0 or (system.depths[-1].usage or {}).get("usd") == 0:
        return 0.0
    return (depth.usage or {}).get("usd")


def _percentile(latency: Mapping[str, object] | None, name: str) -> Milliseconds | None:
    value, low, high = ((latency or {}).get(f"{name}{bound}_ms") for bound in ("", "_low", "_high"))
    if not isinstance(value, float | int):
        return None
    return Milliseconds(
        value, low if isinstance(low, float | int) else None, high if isinstance(high, float | int) else None
    )


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f} s"


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
