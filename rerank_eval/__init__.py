"""Which reranker, at which candidate depth, is worth its latency and its price, on your data?

The names below are loaded when they are first used, so that `import rerank_eval` is fast.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rerank_eval.ranking import rank
    from rerank_eval.runner import evaluate
    from rerank_eval.settings import LatencySettings, Settings

__all__ = ["LatencySettings", "Settings", "evaluate", "rank"]

_HOMES = {
    "LatencySettings": "rerank_eval.settings",
    "Settings": "rerank_eval.settings",
    "evaluate": "rerank_eval.runner",
    "rank": "rerank_eval.ranking",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
