"""Scores as the store keeps them: JSON."""

import json
from dataclasses import asdict

from rerank_eval.types import Scores, Usage


def encode_scores(scores: Scores) -> str:
    """Return the scores as JSON; the calls they came from are not kept."""
    truncated = None if scores.truncated is None else [int(mark) for mark in scores.truncated]
    answer = {"values": list(scores.values), "truncated": truncated, "usage": asdict(scores.usage)}
    return json.dumps(answer, allow_nan=False)


def decode_scores(answer: str) -> Scores:
    """Return the scores that `encode_scores` wrote.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    fields = json.loads(answer)
    truncated = None if fields["truncated"] is None else [bool(mark) for mark in fields["truncated"]]
    return Scores([float(value) for value in fields["values"]], Usage(**fields["usage"]), truncated)
