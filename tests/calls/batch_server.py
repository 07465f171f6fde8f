"""Anthropic's Message Batches on the loopback, as https://platform.claude.com/docs/en/api/messages/batches describes them."""

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.chat_server import claude_answer
from tests.fault_server import GOOD, Asked, Behave, Behaviour, FaultServer

PATH = "/v1/messages/batches"
Rows = list[dict[str, Any]]


def is_create(asked: Asked) -> bool:
    """Whether the request creates a batch."""
    return asked.path == PATH


def is_fetch(asked: Asked) -> bool:
    """Whether the request fetches results."""
    return asked.path.endswith("/results")


def is_look(asked: Asked) -> bool:
    """Whether the request retrieves a batch."""
    return asked.path.startswith(f"{PATH}/") and not is_fetch(asked)


def first(which: Callable[[Asked], bool], *behaviours: Behaviour) -> Behave:
    """The first requests of a kind are answered so, and all others well."""
    left = list(behaviours)
    lock = threading.Lock()

    def behave(asked: Asked) -> Behaviour:
        with lock:
            return left.pop(0) if left and which(asked) else GOOD

    return behave


def errored(kind: str, message: str = "no") -> dict[str, Any]:
    """The result of a question that errored."""
    return {"type": "errored", "error": {"type": "error", "error": {"type": kind, "message": message}}}


class BatchServer(FaultServer):
    """Takes batches, and single questions too; a batch ends after `looks` looks, and not while `is_ending` is clear."""

    def __init__(
        self,
        behave: Behave | Sequence[Behaviour] = (),
        looks: int = 0,
        change: Callable[[Rows, int], Rows] = lambda rows, _: rows,
        answer: Callable[[Mapping[str, Any]], Any] = claude_answer,
    ) -> None:
        """`change` is given the results of a batch and its number, from 0, and says what is answered; they are in no good order."""
        super().__init__(behave, answer)
        self.is_ending = threading.Event()
        self.is_ending.set()
        self.questions: list[list[dict[str, Any]]] = []
        self.archived: set[int] = set()
        self._looks = looks
        self._change = change
        self._num_looks: dict[int, int] = {}
        self._batch_lock = threading.Lock()

    @property
    def custom_ids(self) -> list[str]:
        """Of all questions in all batches."""
        return [question["custom_id"] for questions in self.questions for question in questions]

    def right_answer(self, asked: Asked) -> Any:
        if not asked.path.startswith(PATH):
            return super().right_answer(asked)
        with self._batch_lock:
            if is_create(asked):
                ids = [question["custom_id"] for question in asked.body["requests"]]
                assert len(set(ids)) == len(ids)
                assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", one) for one in ids)
                self.questions.append(asked.body["requests"])
                return self._describe(len(self.questions) - 1, has_ended=False)
            number = int(asked.path.removeprefix(f"{PATH}/msgbatch_").removesuffix("/results"))
            if is_fetch(asked):
                return self._results(number)
            self._num_looks[number] = seen = self._num_looks.get(number, 0) + 1
            return self._describe(number, self.is_ending.is_set() and seen > self._looks)

    def _describe(self, number: int, has_ended: bool) -> dict[str, Any]:
        count = len(self.questions[number])
        is_archived = number in self.archived
        return {
            "id": f"msgbatch_{number}",
            "type": "message_batch",
            "processing_status": "ended" if has_ended else "in_progress",
            "request_counts": {
                "processing": 0 if has_ended else count,
                "succeeded": count if has_ended else 0,
                "errored": 0,
                "canceled": 0,
                "expired": 0,
            },
            "created_at": "2026-11-23T10:00:00Z",
            "expires_at": "2026-11-24T10:00:00Z",
            "ended_at": "2026-11-23T10:30:00Z" if has_ended else None,
            "archived_at": "2026-12-23T10:00:00Z" if is_archived else None,
            "cancel_initiated_at": None,
            "results_url": f"{self.url}{PATH}/msgbatch_{number}/results" if has_ended and not is_archived else None,
        }

    def _results(self, number: int) -> bytes:
        rows = [
            {"custom_id": question["custom_id"], "result": self._succeed(question["params"])}
            for question in reversed(self.questions[number])
        ]
        return "".join(json.dumps(row) + "\n" for row in self._change(rows, number)).encode()

    def _succeed(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "succeeded", "message": self._answer(body)}
