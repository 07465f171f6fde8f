"""Rerankers behind an API in an evaluation: what their answers took when they were asked for, and what they cost."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rerank_eval.calls.budget import Spent
from rerank_eval.calls.prices import Prices
from rerank_eval.evaluation.quality import Answers
from rerank_eval.evaluation.systems import System
from rerank_eval.latency import LatencySample
from rerank_eval.types import CallTiming, total_nanoseconds

_MOST_FAULTS = 5


def recorded_samples(system: System, answers: Answers) -> list[LatencySample]:
    """Return one sample per query and depth asked: the time of its calls, one after the other, without waits and retries.

    None for a query of which a call was asked in a batch.
    """
    found = [
        (depth, query_id, total_nanoseconds(scores.calls))
        for (depth, query_id), scores in sorted(answers.scores.items(), key=lambda item: item[0])
        if scores.is_timed
    ]
    return [
        LatencySample(query_id, system.name, depth, nanoseconds, position)
        for position, (depth, query_id, nanoseconds) in enumerate(found)
        if nanoseconds is not None
    ]


def describe_recording(system: System, answers: Answers) -> list[str]:
    """Return a sentence on when and how the latency was recorded; none for a reranker that asks nobody."""
    calls = [call for scores in answers.scores.values() for call in scores.calls]
    if not calls:
        return []
    if not all(scores.is_timed for scores in answers.scores.values() if scores.calls):
        return [f"{system.name}: its latency is not known: its {len(calls)} calls are not all that takes time"]
    return describe_calls(system.name, calls)


def describe_calls(name: str, calls: Sequence[CallTiming]) -> list[str]:
    """Return when and how the latency of these calls was recorded, and of how many there is none."""
    timed = [call for call in calls if call.nanoseconds is not None]
    sentences = []
    if len(timed) < len(calls):
        sentences.append(
            f"{name}: {len(calls) - len(timed)} of its {len(calls)} calls were asked in batches, and so there is no latency for "
            f"{'their queries' if timed else 'it'}"
        )
    if timed:
        times = sorted(call.started for call in timed)
        most = max(call.concurrency for call in timed)
        sentences.append(
            f"{name}: its latency is recorded, from {len(timed)} calls between {times[0]} and {times[-1]} with up to {most} in flight; "
            "waits and retries are not in it"
        )
    return sentences


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


def describe_waiting(waiting: Mapping[tuple[str, str], int]) -> list[str]:
    """Return a sentence for each provider that has questions in batches which were not fetched."""
    by_provider: dict[str, dict[str, int]] = {}
    for (provider, batch), count in sorted(waiting.items()):
        by_provider.setdefault(provider, {})[batch] = count
    return [
        f"{provider}: {sum(batches.values())} questions are still out in the batches {', '.join(batches)}; they are paid for, and the "
        "same command fetches their answers"
        for provider, batches in by_provider.items()
    ]


def describe_spent(spent: Spent) -> list[str]:
    """Return a sentence on what a run itself paid, which is not what its answers cost; none where nothing was billed."""
    if not (spent.answers or spent.unanswered):
        return []
    sentence = f"this run spent {_usd(spent.usd)} on {spent.answers} answers; those that were kept before are not in it"
    if spent.unanswered:
        sentence += (
            f"; {spent.unanswered} attempts without an answer may have cost up to {_usd(spent.unanswered_usd)} more"
        )
    return [sentence]


def _usd(usd: float | None) -> str:
    return "an unknown sum" if usd is None else f"{usd:.4f} USD"


def cost_usd(prices: Prices, calls: Sequence[CallTiming]) -> float | None:
    """Return what the calls cost on their days, also those that were paid for in an earlier run; None if that is not known, or there is none."""
    costs = [_cost(prices, call) for call in calls]
    known = [cost for cost in costs if cost is not None]
    return math.fsum(known) if calls and len(known) == len(costs) else None


def total_usd(prices: Prices, answers: Iterable[Answers]) -> float | None:
    """Return what all answers of providers cost, one that serves several depths, stages or systems once; None if that is not known."""
    return distinct_usd(
        prices, [call for found in answers for scores in found.scores.values() for call in scores.calls]
    )


def distinct_usd(prices: Prices, calls: Sequence[CallTiming]) -> float | None:
    """Return what the calls cost, those of one answer once; None if that is not known, or there is none."""
    return cost_usd(prices, list({call.key or place: call for place, call in enumerate(calls)}.values()))


def _cost(prices: Prices, call: CallTiming) -> float | None:
    try:
        day = datetime.fromisoformat(call.started).date()
    except ValueError:  # an adapter may not tell when it asked
        return None
    return prices.usd(call.provider, call.model, call.usage, day)
