"""Rerankers behind an API in an evaluation: what their answers took when they were asked for, and what they cost."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from rerank_eval.calls.prices import Prices
from rerank_eval.latency import LatencySample
from rerank_eval.quality import Answers
from rerank_eval.systems import System
from rerank_eval.types import CallTiming

_MOST_FAULTS = 5


def recorded_samples(system: System, answers: Answers) -> list[LatencySample]:
    """Return one sample per query and depth asked: the time of its calls, one after the other, without waits and retries."""
    found = [
        (depth, query_id, scores.calls)
        for (depth, query_id), scores in sorted(answers.scores.items(), key=lambda item: item[0])
        if scores.is_timed
    ]
    return [
        LatencySample(query_id, system.name, depth, sum(call.nanoseconds for call in calls), position)
        for position, (depth, query_id, calls) in enumerate(found)
        if calls
    ]


def describe_recording(system: System, answers: Answers) -> list[str]:
    """Return a sentence on when and how the latency was recorded; none for a reranker that asks nobody."""
    calls = [call for scores in answers.scores.values() for call in scores.calls]
    if not calls:
        return []
    if not all(scores.is_timed for scores in answers.scores.values() if scores.calls):
        return [f"{system.name}: its latency is not known: its {len(calls)} calls are not all that takes time"]
    return [f"{system.name}: {describe_recorded_calls(calls)}"]


def describe_recorded_calls(calls: Sequence[CallTiming]) -> str:
    """Return when and how the latency of these calls, of which there is one, was recorded."""
    times = sorted(call.started for call in calls)
    most = max(call.concurrency for call in calls)
    return (
        f"its latency is recorded, from {len(calls)} calls between {times[0]} and {times[-1]} with up to {most} in flight; "
        "waits and retries are not in it"
    )


def describe_faults(faults: Mapping[tuple[str, str], int]) -> list[str]:
    """Return a sentence for each provider of which attempts failed in this run, retried with success or not."""
    by_provider: dict[str, Counter[str]] = {}
    for (provider, fault), count in sorted(faults.items()):
        by_provider.setdefault(provider, Counter())[fault] += count
    return [
        f"{provider}: {found.total()} attempts of this run failed: "
        + ", ".join(f"{count} x {fault}" for fault, count in found.most_common(_MOST_FAULTS))
        + ("" if len(found) <= _MOST_FAULTS else f", and {len(found) - _MOST_FAULTS} kinds more")
        for provider, found in by_provider.items()
    ]


def cost_usd(prices: Prices, calls: Sequence[CallTiming]) -> float | None:
    """Return what the calls cost, also those that were paid for in an earlier run; None if that is not known, or there is none."""
    costs = [prices.usd(call.provider, call.model, call.usage) for call in calls]
    known = [cost for cost in costs if cost is not None]
    return math.fsum(known) if calls and len(known) == len(costs) else None


def local(systems: Sequence[System]) -> list[System]:
    """Return the systems that the latency pass may time."""
    return [system for system in systems if system.calls is None]
