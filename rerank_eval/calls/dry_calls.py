"""Calls of which nothing is sent: what would be asked, and what that would cost."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rerank_eval.calls.estimates import Estimates
from rerank_eval.calls.kept_answers import KeptAnswers, read_answer, read_batch
from rerank_eval.calls.prices import Prices
from rerank_eval.calls.types import SAMPLES_APART, Answer, Body, Endpoint, call_key
from rerank_eval.clock import Clock
from rerank_eval.errors import RerankerError
from rerank_eval.types import NO_USAGE, Usage


class Asked(NamedTuple):
    """How many questions are answered from the store, or are out in a batch, and what would be sent and billed; `usd` is None without a price.

    `is_whole` is False where what comes after the first answer of a query cannot be known, `fault` the first error of a query that failed
    before that; the cost is unknown then.
    """

    num_kept: int = 0
    usage: Usage = NO_USAGE
    usd: float | None = 0.0
    is_whole: bool = True
    fault: str | None = None


class NotImaginedError(RerankerError):
    """An endpoint does not say what an answer would look like."""


class DryCalls:
    """Answers with what is kept, and otherwise with what an endpoint imagines; counts what would be sent. Not thread-safe.

    Input tokens are those that the endpoint estimates, times what the provider counted for each estimated token of its kept answers;
    output tokens are the most that an answer may have. No retry is counted, since none is expected.
    """

    def __init__(
        self, kept: KeptAnswers | None, prices: Prices, clock: Clock | None = None, seen: set[str] | None = None
    ) -> None:
        """Take the answers that are kept, None for none yet, and the prices.

        `seen` has the keys of what others have asked in the same run, and gets those of what is asked here.
        """
        self._kept = kept
        self._prices = prices
        self._clock = clock or Clock()
        self._seen = set() if seen is None else seen
        self._estimates = Estimates(kept)
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._asked = Asked()

    @property
    def factor(self) -> float | None:
        """How many tokens were billed for each one estimated; None where no earlier answers tell, or of several models."""
        return self._estimates.factor(*self._endpoints.values()) if len(self._endpoints) == 1 else None

    @property
    def num_new(self) -> int:
        """How many calls would be sent, of those since `take`."""
        return self._asked.usage.calls or 0

    def forget(self) -> None:
        """Count from now on what was asked before as new, since it may be another question."""
        self._seen = set()

    def mark_partial(self, fault: str | None = None) -> None:
        """Note that not all questions are known, and the fault that is the cause."""
        before = self._asked
        self._asked = before._replace(
            is_whole=False, fault=before.fault or fault, usd=before.usd if fault is None else None
        )

    def take(self) -> Asked:
        """Return what was asked since this was last called."""
        asked, self._asked = self._asked, Asked()
        return asked

    def ask(self, endpoint: Endpoint, body: Body, check: Callable[[Any], object], sample: int = 0) -> Answer:
        """Return a kept or an imagined answer.

        Raises:
            NotImaginedError: there is none, so that what would be asked next cannot be known.
        """
        key = call_key(endpoint, body, sample)
        is_new = key not in self._seen and sample % SAMPLES_APART == 0
        self._seen.add(key)
        kept = None if self._kept is None else self._kept.get_call(key)
        known = read_answer(endpoint, kept, check)
        if known is not None or read_batch(kept) is not None:
            self._asked = self._asked._replace(num_kept=self._asked.num_kept + is_new)
        elif is_new:
            self.count(endpoint, body)
        if known is not None:
            return known
        if endpoint.imagine is None:
            self.mark_partial()
            raise NotImaginedError(f"{endpoint.provider} is not asked in a dry run")
        answer = endpoint.imagine(body)
        check(answer)
        return Answer(answer, 0, "", 0, (), Usage(calls=1))

    def stop(self) -> None:
        """Do nothing: there is nothing to wait for."""

    def count(self, endpoint: Endpoint, body: Body) -> None:
        """Count a question of which only the length is known."""
        self._endpoints[endpoint.provider, endpoint.model] = endpoint
        estimate = self._estimates.correct(endpoint, endpoint.estimate(body))
        before = self._asked
        today = self._clock.utc().date()
        cost = self._prices.usd(endpoint.billed_as(endpoint.asks_in_batches), endpoint.model, estimate, today)
        usd = None if before.usd is None or cost is None else before.usd + cost
        self._asked = before._replace(usage=before.usage + estimate, usd=usd)
