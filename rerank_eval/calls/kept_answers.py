"""What is kept under the key of a question: its answer, read as its endpoint reads one now, or the batch that it is out in."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from rerank_eval.calls.types import Answer, Endpoint
from rerank_eval.errors import RerankerError

Check = Callable[[Any], object]


class KeptAnswers(Protocol):
    """Where answers from earlier calls are; may be called from several threads."""

    def get_call(self, key: str) -> str | None:
        """Return the encoded answer, or None."""
        ...

    def sample_calls(self, provider: str, model: str, count: int) -> list[str]:
        """Return up to `count` encoded answers of a model."""
        ...


class AnswerKeeper(KeptAnswers, Protocol):
    """Where answers are kept at once and for good, and in what batch a question is out."""

    def put_call(self, key: str, provider: str, model: str, answer: str) -> None:
        """Keep an encoded answer; it is on the disk when this returns."""
        ...

    def put_calls(self, provider: str, model: str, answers: Mapping[str, str]) -> None:
        """Keep several by their keys, all or none."""
        ...

    def drop_calls(self, keys: Iterable[str]) -> None:
        """Keep some no longer."""
        ...


def read_answer(endpoint: Endpoint, kept: str | None, check: Check = lambda _: None) -> Answer | None:
    """Return the kept answer; None where there is none, or none that can be used.

    Its usage is read from its body again: where the endpoint finds it is a setting, which may have been wrong when the answer came.
    """
    if kept is None or read_batch(kept) is not None:
        return None
    try:
        answer = Answer.decode(kept)
        check(answer.body)
        usage = endpoint.read_usage(answer.body)
    except (ValueError, TypeError, KeyError, RerankerError):  # the first three: kept in another form by another version
        return None
    return replace(answer, usage=replace(usage, retries=answer.usage.retries))


def encode_batch(batch: str) -> str:
    """Return what is kept in the place of an answer while its question is out in a batch."""
    return json.dumps({"batch": batch})


def read_batch(kept: str | None) -> str | None:
    """Return the batch that `encode_batch` wrote down; None for an answer, and for nothing."""
    try:
        fields = None if kept is None else json.loads(kept)
    except ValueError:
        return None
    batch = fields.get("batch") if isinstance(fields, dict) and len(fields) == 1 else None
    return batch if isinstance(batch, str) else None


class AnswersInMemory:
    """Keeps answers for one run that has no store, so that it asks no question twice. Thread-safe: each step is one of a dict."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: dict[str, str] = {}

    def get_call(self, key: str) -> str | None:
        """Return the encoded answer, or None."""
        return self._kept.get(key)

    def sample_calls(self, provider: str, model: str, count: int) -> list[str]:
        """Return nothing: what came in this run, its estimates have seen."""
        return []

    def put_call(self, key: str, provider: str, model: str, answer: str) -> None:
        """Keep an encoded answer."""
        self._kept[key] = answer

    def put_calls(self, provider: str, model: str, answers: Mapping[str, str]) -> None:
        """Keep several by their keys."""
        self._kept.update(answers)

    def drop_calls(self, keys: Iterable[str]) -> None:
        """Keep some no longer."""
        for key in keys:
            self._kept.pop(key, None)
