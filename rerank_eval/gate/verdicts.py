"""Differences between two results -> what may be said of each."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from rerank_eval.paired import Column, Difference, compare_family


class Verdict(StrEnum):
    """What is said of one comparison, the worst first."""

    REGRESSION = "regression"
    SLOWER = "slower"
    TOO_NOISY = "too noisy to say"
    IMPROVED = "improved"
    NO_CHANGE = "no change"


class Judgement(NamedTuple):
    """A verdict and the difference that it rests on."""

    verdict: Verdict
    difference: Difference


def judge(columns: Sequence[Column], min_effect: float, seed: int) -> list[Judgement]:
    """Return the judgement of each column of differences, candidate less baseline; each has at least one query.

    - regression: the mean drop exceeds `min_effect`, its Holm-adjusted p is at most 0.05 and its 95% interval excludes 0
    - improved: the same upwards
    - no change: neither, and a change of `min_effect` would have been seen with 80% probability
    - too noisy to say: neither, and it would not
    """
    differences = compare_family(columns, seed)
    return [Judgement(_verdict(found, min_effect), found) for found in differences if found is not None]


def _verdict(difference: Difference, min_effect: float) -> Verdict:
    if difference.is_significant and abs(difference.mean) > min_effect:
        return Verdict.REGRESSION if difference.mean < 0 else Verdict.IMPROVED
    detectable = difference.detectable
    return Verdict.NO_CHANGE if detectable is not None and detectable <= min_effect else Verdict.TOO_NOISY
