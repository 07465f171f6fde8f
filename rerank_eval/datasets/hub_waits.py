"""Limits on how long the hub may keep this process waiting."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING

from rerank_eval.datasets.hub_errors import HubLimitError, HubUnansweredError

if TYPE_CHECKING:
    import httpx2

LONGEST_WAIT_S = 60
MOST_TRIES = 2
SLOWEST_BYTES_PER_S = 1000


@contextmanager
def limiting_waits() -> Iterator[None]:
    """Bound what huggingface_hub does for as long as the hub says or lets it; its own messages of each try are not shown.

    No wait between two requests is longer than 60 s, there are two tries to get an answer, and a body comes at 1 kB/s or
    faster, as the mean over three times HF_HUB_DOWNLOAD_TIMEOUT (so 30 s, unless it is set).

    Raises:
        HubLimitError: in the body of the `with`.
    """
    import httpx2
    from huggingface_hub import constants, get_session

    class Watched(httpx2.SyncByteStream):
        """A body that breaks off where it comes too slowly; a time-out of the library is for each piece, however small."""

        def __init__(self, stream: httpx2.SyncByteStream) -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            span = 3 * constants.HF_HUB_DOWNLOAD_TIMEOUT
            timer, received = _start(span), 0
            try:
                for piece in self._stream:
                    received += len(piece)
                    if not timer.is_alive():
                        if received < span * SLOWEST_BYTES_PER_S:
                            raise HubLimitError("the hub sends less than 1 kB/s; try again later")
                        timer, received = _start(span), 0
                    yield piece
            finally:
                timer.cancel()

        def close(self) -> None:
            self._stream.close()

    unanswered = 0

    def before(request: httpx2.Request) -> None:
        nonlocal unanswered
        if unanswered == MOST_TRIES:
            raise HubUnansweredError("no answer")
        unanswered += 1

    def after(response: httpx2.Response) -> None:
        nonlocal unanswered
        unanswered = 0
        seconds = _asked_wait(response)
        if response.is_error and seconds > LONGEST_WAIT_S:
            raise HubLimitError(f"the hub asks to wait {seconds} s ({response.status_code}); try again then")
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = Watched(response.stream)

    session = get_session()
    hooks = session.event_hooks
    session.event_hooks = {
        "request": [*hooks.get("request", ()), before],
        "response": [*hooks.get("response", ()), after],
    }
    try:
        with _silent("huggingface_hub"):
            yield
    finally:
        session.event_hooks = hooks


def _start(seconds: float) -> Timer:
    timer = Timer(seconds, int)
    timer.daemon = True
    timer.start()
    return timer


@contextmanager
def _silent(library: str) -> Iterator[None]:
    """Let a library show only what ends the program."""
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _asked_wait(response: "httpx2.Response") -> int:
    """Return the seconds that huggingface_hub would wait, as far as the answer says."""
    from huggingface_hub.utils import parse_ratelimit_headers

    limit = parse_ratelimit_headers(response.headers)
    if response.status_code == 429 and limit is not None and limit.remaining == 0:
        return int(limit.reset_in_seconds)
    retry_after: str = response.headers.get("Retry-After", "").strip()
    return int(retry_after) if retry_after.isdecimal() else 0
