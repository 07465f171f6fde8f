"""How many tokens a call will be billed for: as its endpoint estimates, corrected by what the provider counted until now."""

import threading
from dataclasses import replace
from typing import NamedTuple

from rerank_eval.calls.kept_answers import KeptAnswers, read_answer
from rerank_eval.calls.types import Answer, Endpoint
from rerank_eval.types import Usage

_COMPARED = 200
"""How many kept answers of a model are read; a few give the same factor."""


class _Counted(NamedTuple):
    """Input tokens of the answers of one model: as estimated, and as billed."""

    estimated: int = 0
    billed: int = 0


class Estimates:
    """What the answers of each model were billed for each token estimated: of kept answers, and of those that come. Thread-safe."""

    def __init__(self, kept: KeptAnswers | None) -> None:
        """Take where earlier answers are, None for none."""
        self._kept = kept
        self._lock = threading.Lock()
        self._counted: dict[tuple[str, str], _Counted] = {}

    def correct(self, endpoint: Endpoint, estimate: Usage) -> Usage:
        """Return what the endpoint estimates with its input tokens as the provider counts them, as far as that is known."""
        factor = self.factor(endpoint)
        if factor is None or estimate.input_tokens is None:
            return estimate
        return replace(estimate, input_tokens=round(estimate.input_tokens * factor))

    def learn(self, endpoint: Endpoint, answer: Answer) -> None:
        """Compare what an answer was estimated at with what it was billed for."""
        with self._lock:
            self._counted[endpoint.provider, endpoint.model] = _add(self._read(endpoint), answer)

    def factor(self, endpoint: Endpoint) -> float | None:
        """Return how many tokens were billed for each one estimated; None where no answer tells."""
        with self._lock:
            known = self._read(endpoint)
        return known.billed / known.estimated if known.estimated else None

    def _read(self, endpoint: Endpoint) -> _Counted:
        provider, model = endpoint.provider, endpoint.model
        if (provider, model) not in self._counted:
            counted = _Counted()
            for text in [] if self._kept is None else self._kept.sample_calls(provider, model, _COMPARED):
                answer = read_answer(endpoint, text)
                counted = counted if answer is None else _add(counted, answer)
            self._counted[provider, model] = counted
        return self._counted[provider, model]


def _add(known: _Counted, answer: Answer) -> _Counted:
    if not answer.estimated_tokens or not answer.usage.input_tokens:
        return known
    return _Counted(known.estimated + answer.estimated_tokens, known.billed + answer.usage.input_tokens)
