"""A limit on how long the hub may make this process wait between two requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rerank_eval.errors import NotEvaluableError

if TYPE_CHECKING:
    import httpx2

LONGEST_WAIT_S = 60


@contextmanager
def refusing_long_waits(what: str) -> Iterator[None]:
    """Let no answer of the hub make huggingface_hub wait for longer than 60 s; by itself it waits as long as it is told to.

    Raises:
        NotEvaluableError: an answer asks for a longer wait.
    """
    from huggingface_hub import get_session

    def check(response: "httpx2.Response") -> None:
        seconds = _asked_wait(response)
        if response.is_error and seconds > LONGEST_WAIT_S:
            raise NotEvaluableError(
                f"{what}: the hub asks to wait {seconds} s ({response.status_code}); try again then: what has come is kept"
            )

    session = get_session()
    hooks = session.event_hooks
    session.event_hooks = {**hooks, "response": [*hooks.get("response", ()), check]}
    try:
        yield
    finally:
        session.event_hooks = hooks


def _asked_wait(response: "httpx2.Response") -> int:
    """Return the seconds that huggingface_hub would wait, as far as the answer says."""
    from huggingface_hub.utils import parse_ratelimit_headers

    limit = parse_ratelimit_headers(response.headers)
    if response.status_code == 429 and limit is not None and limit.remaining == 0:
        return int(limit.reset_in_seconds)
    retry_after: str = response.headers.get("Retry-After", "").strip()
    return int(retry_after) if retry_after.isdecimal() else 0
