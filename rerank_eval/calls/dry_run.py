"""Calls of which nothing is sent: what would be asked, and what that would cost."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from rerank_eval.calls.prices import Prices
from rerank_eval.calls.types import SAMPLES_APART, Answer, Body, Endpoint, call_key
from rerank_eval.errors import RerankerError
from rerank_eval.types import Usage

_COMPARED = 200


class KeptAnswers(Protocol):
    """Where answers from earlier runs are."""

    def get_call(self, key: str) -> str | None:
        """Return the encoded answer, or None."""
        ...

    def sample_calls(self, provider: str, model: str, count: int) -> list[str]:
        """Return up to `count` encoded answers of a model."""
        ...


class DryCalls:
    """Answers with what is kept, and otherwise with what an endpoint imagines; counts what would be sent. Not thread-safe.

    Input tokens are those that the endpoint estimates, times what the provider counted for each estimated token of its kept answers;
    output tokens are the most that an answer may have. No retry is counted, since none is expected.
    """

    def __init__(self, kept: KeptAnswers | None, prices: Prices) -> None:
        """Take where answers are kept, None for nowhere, and the prices."""
        self._kept = kept
        self._prices = prices
        self._seen: set[str] = set()
        self._factors: dict[tuple[str, str], float] = {}
        self.num_kept = 0
        """How many questions are answered from the store."""
        self.usage = Usage(calls=0, input_tokens=0, output_tokens=0, search_units=0)
        """What would be sent, and be billed for."""
        self.usd: float | None = 0.0
        """What it would cost; None where there is no price."""
        self.is_whole = True
        """Whether all questions are known; else what comes after the first answer of a query is not."""

    @property
    def factors(self) -> dict[tuple[str, str], float]:
        """(provider, model) -> how many tokens were billed for each one estimated, where earlier answers tell."""
        return dict(self._factors)

    def ask(self, endpoint: Endpoint, body: Body, check: Callable[[Any], object], sample: int = 0) -> Answer:
        """Return a kept or an imagined answer.

        Raises:
            RerankerError: there is none, so that what would be asked next cannot be known.
        """
        key = call_key(endpoint, body, sample)
        is_new = key not in self._seen and sample % SAMPLES_APART == 0
        self._seen.add(key)
        kept = None if self._kept is None else self._kept.get_call(key)
        if kept is not None:
            self.num_kept += is_new
            return Answer.decode(kept)
        if is_new:
            self._count(endpoint, body)
        if endpoint.imagine is None:
            self.is_whole = False
            raise RerankerError(f"{endpoint.provider} is not asked in a dry run")
        answer = endpoint.imagine(body)
        check(answer)
        return Answer(answer, 0, "", 0, (), Usage(calls=1))

    def stop(self) -> None:
        """Do nothing: there is nothing to wait for."""

    def _count(self, endpoint: Endpoint, body: Body) -> None:
        estimate = endpoint.estimate(body)
        if estimate.input_tokens is not None:
            estimate = replace(estimate, input_tokens=round(estimate.input_tokens * self._factor(endpoint)))
        self.usage += estimate
        cost = self._prices.usd(endpoint.provider, endpoint.model, estimate)
        self.usd = None if self.usd is None or cost is None else self.usd + cost

    def _factor(self, endpoint: Endpoint) -> float:
        model = endpoint.provider, endpoint.model
        if model not in self._factors:
            texts = [] if self._kept is None else self._kept.sample_calls(*model, _COMPARED)
            answers = [Answer.decode(text) for text in texts]
            known = [answer for answer in answers if answer.estimated_tokens and answer.usage.input_tokens]
            if not known:
                return 1.0
            billed = sum(answer.usage.input_tokens or 0 for answer in known)
            self._factors[model] = billed / sum(answer.estimated_tokens or 0 for answer in known)
        return self._factors[model]
