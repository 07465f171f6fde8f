"""Finished answers in one file: kept, checked, listed and pruned."""

from rerank_eval.store.store import Store

__all__ = ["Store"]
