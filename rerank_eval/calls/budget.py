"""The budget of a run: what is spent, what may still be, and no call whose estimate would pass it."""

import threading
from datetime import date
from typing import NamedTuple

from rerank_eval.calls.prices import Prices
from rerank_eval.calls.types import Endpoint
from rerank_eval.clock import Clock
from rerank_eval.errors import BudgetError, ConfigError
from rerank_eval.types import Usage

_ROUNDING = 1e-9
"""Of the limit: what a sum of many prices may be above it by rounding alone."""
_DIGITS = 12
"""Of a dollar; a token costs more than the last."""


class Spent(NamedTuple):
    """What a run paid for the answers that came in it, and at most for attempts without one that may have been billed; None is unknown."""

    answers: int = 0
    usd: float | None = 0.0
    unanswered: int = 0
    unanswered_usd: float | None = 0.0


class Budget:
    """US dollars for all calls of a run, from 0 on in each; thread-safe.

    What is in flight counts with its estimate, so that concurrent calls together do not pass the limit either. An attempt that may have
    been billed without an answer counts with its estimate for good.
    """

    def __init__(self, prices: Prices, limit_usd: float | None = None, clock: Clock | None = None) -> None:
        """Take the limit; None only adds up. Prices are those of the day."""
        self._prices = prices
        self._limit_usd = limit_usd
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._committed = 0.0
        self._spent = Spent()
        self._lost_count: str | None = None

    @property
    def spent(self) -> Spent:
        """What was paid until now."""
        return self._spent

    def check_known(self, endpoint: Endpoint) -> None:
        """Check that a limit can be kept at all.

        Raises:
            ConfigError: there is one, and no price for the model, or a price for a unit that answers do not tell.
        """
        if self._limit_usd is None:
            return
        provider = endpoint.billed_as(endpoint.asks_in_batches)
        prices = self._prices.of(provider, endpoint.model, self._today())
        if not prices:
            raise ConfigError(
                f"budget.usd is set, and there is no price for {provider} {endpoint.model}; add it with a price list of your own, prices=FILE, or unset the budget"
            )
        for unit in endpoint.uncounted:
            if prices.get(unit):
                raise ConfigError(
                    f"budget.usd is set, and {provider} {endpoint.model} is billed by {unit}, of which its answers tell no count; name where they "
                    "do (of http_rerank: response.input_tokens, response.search_units), list another price with prices=FILE, or unset the budget"
                )

    def reserve(self, endpoint: Endpoint, most_used: Usage) -> float:
        """Return the most that a call can cost, now set aside.

        Raises:
            BudgetError: it would pass the limit, or nobody knows whether it would.
        """
        provider = endpoint.billed_as(endpoint.asks_in_batches)
        known = self._prices.usd(provider, endpoint.model, most_used, self._today())
        most = known or 0.0
        with self._lock:
            if self._limit_usd is not None and (self._lost_count is not None or known is None):
                lost = (
                    self._lost_count or f"what the next call to {provider} {endpoint.model} costs cannot be estimated"
                )
                raise BudgetError(
                    f"the budget of {self._limit_usd:g} USD cannot be kept: {lost}; the answers are kept, unset the budget to go on without one"
                )
            if self._limit_usd is not None and self._committed + most > self._limit_usd * (1 + _ROUNDING):
                raise BudgetError(
                    f"the budget of {self._limit_usd:g} USD is reached: {self._committed:.4f} USD are spent or in flight, and the next call "
                    f"to {endpoint.provider} costs up to {most:.4f}; budget.usd is per run, and the next one may spend up to that much again"
                )
            self._committed += most
        return most

    def settle(self, endpoint: Endpoint, reserved: float, usage: Usage, in_batch: bool = False) -> None:
        """Replace what was set aside by what the call did cost; where that is not known, a limit allows no further call."""
        provider = endpoint.billed_as(in_batch)
        cost = self._prices.usd(provider, endpoint.model, usage, self._today())
        with self._lock:
            if cost is None:
                self._lost_count = f"an answer of {provider} {endpoint.model} does not tell what it is billed for (of http_rerank, response says where it does)"
            self._committed += (reserved if cost is None else cost) - reserved
            spent = self._spent
            self._spent = spent._replace(answers=spent.answers + 1, usd=_add(spent.usd, cost))

    def lose(self, endpoint: Endpoint, reserved: float) -> None:
        """Note an attempt without an answer that may have been billed: what was set aside counts for good."""
        provider = endpoint.billed_as(endpoint.asks_in_batches)
        # free, or without a price
        most = reserved or self._prices.usd(provider, endpoint.model, Usage(), self._today())
        with self._lock:
            spent = self._spent
            self._spent = spent._replace(
                unanswered=spent.unanswered + 1, unanswered_usd=_add(spent.unanswered_usd, most)
            )

    def release(self, reserved: float) -> None:
        """Give back what was set aside for an attempt that was not billed."""
        with self._lock:
            self._committed -= reserved

    def _today(self) -> date:
        return self._clock.utc().date()


def _add(known: float | None, more: float | None) -> float | None:
    return None if known is None or more is None else round(known + more, _DIGITS)
