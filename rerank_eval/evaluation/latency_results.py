"""Latency as `result.json` has it: of a reranker alone, and together with the first stage."""

from collections.abc import Sequence
from typing import Any

from rerank_eval.latency import LatencySample, LatencySummary, summarise


def describe_latency(
    samples: Sequence[LatencySample], first_stage_samples: Sequence[LatencySample], depth: int, source: str
) -> dict[str, Any]:
    """Return the reranker's latency at a depth, and the sum with the first stage's; `samples` may be of other depths as well."""
    if depth == 0:
        return {"latency": None, "total_latency": latency_as_json(summarise(first_stage_samples))}
    own = [sample for sample in samples if sample.depth == depth]
    return {
        "latency": latency_as_json(summarise(own), source),
        "total_latency": latency_as_json(summarise(add_first_stage(own, first_stage_samples)), source),
    }


def add_first_stage(
    samples: Sequence[LatencySample], first_stage_samples: Sequence[LatencySample]
) -> list[LatencySample]:
    """Return the samples with the first stage's time added, of the queries and repetitions that both have."""
    before = {(sample.query_id, sample.repetition): sample.nanoseconds for sample in first_stage_samples}
    return [
        sample._replace(nanoseconds=sample.nanoseconds + before[sample.query_id, sample.repetition])
        for sample in samples
        if (sample.query_id, sample.repetition) in before
    ]


def latency_as_json(summary: LatencySummary | None, source: str = "measured") -> dict[str, object] | None:
    """Return a latency under the names of `result.json`."""
    if summary is None:
        return None
    fields: dict[str, object] = {"source": source, "count": summary.count, "mean_ms": summary.mean_ms}
    for name, percentile in (("p50", summary.p50), ("p95", summary.p95)):
        fields[f"{name}_ms"] = None if percentile is None else percentile.value_ms
        fields[f"{name}_low_ms"] = None if percentile is None else percentile.low_ms
        fields[f"{name}_high_ms"] = None if percentile is None else percentile.high_ms
    return fields
