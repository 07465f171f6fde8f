"""How a reranker comes by the calls that it asks through."""

import copy
from typing import Self

from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.types import Calls


class AsksThroughCalls:
    """Asks through calls of its own, which keep nothing and have no budget, until it is given those of a run."""

    def __init__(self) -> None:
        """Make its own calls; nothing is sent."""
        self._calls: Calls = ApiClient()

    def with_calls(self, calls: Calls) -> Self:
        """Return the same reranker, asking through `calls`."""
        asking = copy.copy(self)
        asking._calls = calls
        return asking
