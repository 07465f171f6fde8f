"""Which replies are tried again, and when; one policy for all providers, as SDKs hide their waits inside the measured call."""

import json
import random
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rerank_eval.calls.headers import read_retry_after
from rerank_eval.calls.settings import CallSettings
from rerank_eval.calls.types import Attempt, Endpoint, Reply
from rerank_eval.errors import (
    MissingExtraError,
    ProviderBusyError,
    RefusedError,
    RerankerError,
    printable,
    shortened,
)

if TYPE_CHECKING:
    from tenacity import RetryCallState, Retrying

_FIRST_WAIT_S = 0.5
_KEY_REFUSED = (401, 402, 403, 498)
_MODEL_UNKNOWN = (404, 410)
_TRY_AGAIN = (408, 409, 429)
_TOO_LONG_STATUS = 413
_TOO_LONG = re.compile(r"prompt is too long|context[ _](length|limit|size|window)|maximum model length", re.IGNORECASE)
"""What Anthropic, OpenAI, vLLM and llama.cpp say with status 400 of a prompt that is longer than the model takes."""
_DEEPEST = 100
"""Levels of lists and objects in a reply; a rerank answer has four, a chat's message about six."""


class TryAgainError(Exception):
    """An attempt failed in a way that another may not; `wait_s` is what the provider asks for, `kind` the fault without its own words."""

    def __init__(self, kind: str, wait_s: float | None = None, said: str = "") -> None:
        """Say in a few words what went wrong."""
        super().__init__(f"{kind}: {said}" if said else kind)
        self.kind, self.wait_s = kind, wait_s


class NotAcceptedError(RerankerError):
    """The provider refuses this request as such."""


class TooLongError(NotAcceptedError):
    """The provider refuses this request because it is longer than the model takes; it is not billed."""


def read_reply(endpoint: Endpoint, reply: Reply, now: datetime, asked: str | None = None) -> Any:
    """Return the decoded JSON of a reply; `asked` is what was asked for where that is not the model.

    Raises:
        TryAgainError: 408, 409, 429, 5xx, a body that is no JSON or has more than 100 levels, or an error whatever the status.
        RefusedError: the key, the model or the address is wrong, or what was asked for is not there.
        ProviderBusyError: the provider asks for a longer wait than the settings allow.
        TooLongError: 413, or another status with words that say so.
        NotAcceptedError: any other status.
    """
    said = ""
    if 200 <= reply.status < 300:
        try:
            decoded = _decode(reply.content)
            if not isinstance(decoded, Mapping) or not decoded.get("error"):
                return decoded
            fault = f"answered {reply.status} with an error: {_message(reply.content)}"
        except (ValueError, RecursionError):
            kind = reply.headers.get("content-type", "no content type")
            fault = f"answered {reply.status} with what is no JSON ({len(reply.content)} bytes, {shortened(kind, 40)})"
    elif reply.status in _TRY_AGAIN or reply.status >= 500:
        fault, said = f"answered {reply.status}", _message(reply.content, "")
    else:
        raise _refusal(endpoint, reply, asked)
    wait_s = read_retry_after(reply.headers, now)
    if wait_s is not None and wait_s > endpoint.settings.longest_wait_s:
        raise ProviderBusyError(
            f"{endpoint.provider} {fault}: the provider asks to wait {wait_s:.0f} s, longer than calls.longest_wait_s="
            f"{endpoint.settings.longest_wait_s:g}"
        )
    raise TryAgainError(fault, wait_s, said)


def _decode(content: bytes) -> Any:
    """Return the decoded JSON.

    Raises:
        ValueError, RecursionError: it is none, or so deep that not everything that handles it, such as what keeps it, could.
    """
    decoded = json.loads(content)
    level = [decoded]
    for _ in range(_DEEPEST):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return decoded
    raise ValueError(f"more than {_DEEPEST} levels deep")


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refusal(endpoint: Endpoint, reply: Reply, asked: str | None) -> Exception:
    said = f"{reply.status}: {_message(reply.content)}"
    if reply.status in _KEY_REFUSED:
        key = (
            "a call without a key (api_key_env is not set)"
            if endpoint.key is None
            else f"the key in {endpoint.key.variable}"
        )
        return RefusedError(f"{endpoint.provider} refuses {key} for the model {endpoint.model} ({said})")
    if reply.status in _MODEL_UNKNOWN:
        if asked is None and not endpoint.sends_model:
            return RefusedError(
                f"{endpoint.provider} has nothing to ask at {endpoint.url} ({said}); is the path of the address right? Of most servers it ends in /rerank"
            )
        asked = asked or f"model {endpoint.model!r} at {endpoint.url}"
        return RefusedError(f"{endpoint.provider} has no {asked} ({said})")
    if reply.status < 400:
        return RefusedError(f"{endpoint.url} sends elsewhere ({reply.status}); set the address it names itself")
    if reply.status == _TOO_LONG_STATUS or _TOO_LONG.search(said):
        return TooLongError(f"a request to {endpoint.provider} is too long ({said}); show fewer or shorter documents")
    return NotAcceptedError(f"{endpoint.provider} does not accept the request ({said})")


def _message(content: bytes, without: str = "without a word") -> str:
    """Return the provider's own words, on one short line, or `without` where there are none."""
    try:
        words = json.loads(content)
    except (ValueError, RecursionError):
        words = content.decode(errors="replace")
    while isinstance(words, Mapping):
        names = [name for name in ("error", "message", "detail", "error_message") if name in words]
        words = words[names[0]] if names else str(dict(words)) if words else ""
    return printable(shortened(str(words).strip(), 200)) or without


def retrying(
    settings: CallSettings, seed: str, elapsed_s: Callable[[], float], sleep: Callable[[float], None]
) -> "Retrying":
    """Return tenacity's loop: up to `settings.attempts`, none that would begin after the deadline, with waits that double from 0.5 s.

    `Retry-After` replaces the doubled wait. The jitter is drawn from `seed`, so that equal runs wait alike.

    Raises:
        MissingExtraError: tenacity is not installed.
    """
    try:
        import tenacity
    except ImportError as error:
        raise MissingExtraError("tenacity", "api") from error

    def wait(state: "RetryCallState") -> float:
        asked = _last_error(state).wait_s
        jitter = random.Random(f"{seed} {state.attempt_number}").random()
        if asked is not None:
            return asked + 0.25 * jitter  # those told the same should not come back together
        return float(min(_FIRST_WAIT_S * 2 ** (state.attempt_number - 1), settings.longest_wait_s) * (0.5 + jitter))

    def is_over(state: "RetryCallState") -> bool:
        return state.attempt_number >= settings.attempts or elapsed_s() + state.upcoming_sleep > settings.deadline_s

    again = tenacity.retry_if_exception_type(TryAgainError)
    return tenacity.Retrying(retry=again, wait=wait, stop=is_over, sleep=sleep, reraise=True)


class RetryNotes:
    """Tells why nothing seems to happen: what failed and how long is waited, once for each status of a provider. Thread-safe."""

    def __init__(self, note: Callable[[str], None]) -> None:
        """Take who is told."""
        self._note = note
        self._lock = threading.Lock()
        self._told: set[tuple[str, int | None]] = set()

    def tell(self, endpoint: Endpoint, failed: Attempt, wait_s: float) -> None:
        """Tell of a failed attempt that another will follow."""
        with self._lock:
            is_new = (endpoint.provider, failed.status) not in self._told
            self._told.add((endpoint.provider, failed.status))
        if is_new:
            most = endpoint.settings.attempts
            self._note(
                f"{endpoint.provider}: {failed.fault}; tried again in {wait_s:.1f} s, a call up to {most} times in all"
            )


def _last_error(state: "RetryCallState") -> TryAgainError:
    error = None if state.outcome is None else state.outcome.exception()
    return error if isinstance(error, TryAgainError) else TryAgainError("")
