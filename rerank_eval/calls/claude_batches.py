"""Anthropic's Message Batches: https://platform.claude.com/docs/en/build-with-claude/batch-processing, read on 2026-11-23.

A batch has up to 100,000 requests and 256 MB, ends within 24 hours, mostly within one, and its results are kept for 29 days from its
creation. Half of the usual price; what errored, expired or was canceled is not billed.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from rerank_eval.calls.json_paths import find, find_count
from rerank_eval.calls.sending import LONGEST_REPLY, Wire
from rerank_eval.calls.settings import BatchSettings
from rerank_eval.calls.types import AttemptFailedError, BatchState, Body, Outcome, Reply
from rerank_eval.errors import shortened

_CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*"(\w+)"')
_BYTES_PER_TOKEN, _BYTES_AROUND = 8, 2048
"""Of a result: more than what one has, so that those of a batch are not too long for one reply."""
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}
"""The status that the error has where a question goes by itself (https://platform.claude.com/docs/en/api/errors); another is taken for 500."""


class ClaudeBatches:
    """Message batches through Anthropic's SDK; the call's key is the `custom_id`, which may have 64 letters and digits."""

    most_bytes = LONGEST_REPLY

    def __init__(self, client: Any, wire: Wire, settings: BatchSettings) -> None:
        """Take the SDK's client and the wire that it sends through."""
        self.settings = settings
        self._batches = client.messages.batches
        self._get = client.get
        self._wire = wire

    def size(self, body: Body) -> int:
        """Return what a question takes, in bytes, with its answer."""
        return len(json.dumps(body)) + _BYTES_PER_TOKEN * int(body["max_tokens"]) + _BYTES_AROUND

    def send(self, questions: Mapping[str, Body], timeout_s: float) -> Reply:
        """Create a batch."""
        requests = [{"custom_id": key, "params": body} for key, body in questions.items()]
        return self._wire.exchange(lambda: self._batches.create(requests=requests, timeout=timeout_s), timeout_s)

    def look(self, batch: str, timeout_s: float) -> Reply:
        """Retrieve a batch."""
        return self._wire.exchange(lambda: self._batches.retrieve(batch, timeout=timeout_s), timeout_s)

    def fetch(self, batch: str, timeout_s: float) -> Reply:
        """Fetch the results from where the API's reference has them; `batches.results` sends the key to any address that a reply names."""
        path, options = f"/v1/messages/batches/{batch}/results", {"timeout": timeout_s}
        return self._wire.exchange(lambda: self._get(path, cast_to=object, options=options), timeout_s)

    def read_name(self, decoded: Any) -> str:
        """Return the batch's id."""
        name = find(decoded, "id")
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", name):
            raise AttemptFailedError(f"a batch without an id: {shortened(repr(name))}")
        return name

    def read_state(self, decoded: Any) -> BatchState:
        """Return how far the batch is."""
        state = find(decoded, "processing_status")
        if state == "ended":
            return BatchState.ENDED if find(decoded, "archived_at") is None else BatchState.GONE
        if state not in ("in_progress", "canceling"):
            raise AttemptFailedError(f"a batch in an unknown state: {shortened(repr(state))}")
        return BatchState.OPEN

    def read_size(self, decoded: Any) -> int:
        """Return the sum of its counts of requests."""
        counts = find(decoded, "request_counts")
        return sum(find_count(counts, kind) or 0 for kind in counts) if isinstance(counts, Mapping) else 0

    def read_results(self, content: bytes) -> dict[str, Outcome]:
        """Return what came of each question; the first result counts where there are several."""
        outcomes: dict[str, Outcome] = {}
        for line in content.split(b"\n"):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            except RecursionError:
                # of this row only the question is known; the others of the batch are not lost with it
                found = _CUSTOM_ID.search(line)
                row = None if found is None else {"custom_id": found[1].decode()}
            key = find(row, "custom_id")
            if not isinstance(key, str):
                raise AttemptFailedError("the results of a batch are no results, or cut off")
            outcomes.setdefault(key, _read_result(find(row, "result")))
        if not outcomes:
            raise AttemptFailedError("the results of a batch are empty")
        return outcomes


def _read_result(result: object) -> Outcome:
    """Return a result as what it would have been by itself."""
    kind = find(result, "type")
    if kind == "succeeded":
        return _reply(200, find(result, "message"))
    if kind == "errored":
        return _reply(_STATUS.get(str(find(result, "error.error.type")), 500), find(result, "error"))
    said = {"expired": "expired", "canceled": "was canceled"}.get(str(kind), "has no result that is known")
    return AttemptFailedError(f"{said} in its batch", maybe_billed=kind not in ("expired", "canceled"))


def _reply(status: int, decoded: object) -> Reply:
    return Reply(status, {}, json.dumps(decoded).encode(), None)
