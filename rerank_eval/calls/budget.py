"""The budget: what is spent, what may still be, and no call that would pass it."""

import threading

from rerank_eval.calls.prices import Prices
from rerank_eval.calls.types import Endpoint
from rerank_eval.errors import BudgetError, ConfigError
from rerank_eval.types import Usage


class Budget:
    """US dollars for all calls of a run; thread-safe.

    What is in flight counts with its estimate, so that concurrent calls together do not pass the limit either. An attempt that may have
    been billed without an answer counts with its estimate for good.
    """

    def __init__(self, prices: Prices, limit_usd: float | None = None) -> None:
        """Take the limit; None only adds up."""
        self._prices = prices
        self._limit_usd = limit_usd
        self._lock = threading.Lock()
        self._committed = 0.0
        self.spent_usd = 0.0
        """What finished calls have cost, as far as it is known."""

    def check_known(self, endpoint: Endpoint) -> None:
        """Check that a limit can be kept at all.

        Raises:
            ConfigError: there is one, and no price for the model.
        """
        provider = endpoint.billed_as(endpoint.asks_in_batches)
        if self._limit_usd is not None and not self._prices.of(provider, endpoint.model):
            raise ConfigError(
                f"budget.usd is set, and there is no price for {provider} {endpoint.model}; add it with a price list of your own, prices=FILE, or unset the budget"
            )

    def reserve(self, endpoint: Endpoint, most_used: Usage) -> float:
        """Return the most that a call can cost, now set aside.

        Raises:
            BudgetError: it would pass the limit.
        """
        provider = endpoint.billed_as(endpoint.asks_in_batches)
        most = self._prices.usd(provider, endpoint.model, most_used) or 0.0
        with self._lock:
            if self._limit_usd is not None and self._committed + most > self._limit_usd:
                raise BudgetError(
                    f"the budget of {self._limit_usd:g} USD is reached: {self._committed:.4f} USD are spent or in flight, and the next call "
                    f"to {endpoint.provider} costs up to {most:.4f}; the answers are kept, a larger budget.usd goes on from here"
                )
            self._committed += most
        return most

    def settle(self, endpoint: Endpoint, reserved: float, usage: Usage, in_batch: bool = False) -> None:
        """Replace what was set aside by what the call did cost, where that is known."""
        cost = self._prices.usd(endpoint.billed_as(in_batch), endpoint.model, usage)
        with self._lock:
            self._committed += (reserved if cost is None else cost) - reserved
            self.spent_usd += cost or 0.0

    def release(self, reserved: float) -> None:
        """Give back what was set aside for an attempt that was not billed."""
        with self._lock:
            self._committed -= reserved
