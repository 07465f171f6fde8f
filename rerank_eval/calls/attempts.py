"""One attempt of a call: what is asked in it, and how it went."""

from typing import NamedTuple

from rerank_eval.calls.types import Body, Endpoint, Outcome, Reply
from rerank_eval.types import Usage


class Question(NamedTuple):
    """What is asked, what it will be billed for, and the batch that it is out in from an earlier run."""

    key: str
    endpoint: Endpoint
    body: Body
    estimate: Usage
    batch: str | None


class Sent(NamedTuple):
    """One attempt as it went: what came of it, when it was sent, and how long it took."""

    outcome: Outcome
    sent_ns: int
    nanoseconds: int | None
    started: str
    concurrency: int


def maybe_billed(outcome: Outcome) -> bool:
    """Return whether a failed attempt may have cost something: the work may have been done, a refusal is free."""
    return 200 <= outcome.status < 300 if isinstance(outcome, Reply) else outcome.maybe_billed
