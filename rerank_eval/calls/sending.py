"""One attempt over HTTP: a client that reads every reply whole, by a deadline, and keeps it without the key in it.

For httpx, and for httpx2, which some SDKs use instead; an SDK is given the client as its own.
"""

import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from rerank_eval.calls.keys import ApiKey, KeyFilter
from rerank_eval.calls.types import AttemptFailedError, Reply
from rerank_eval.clock import Clock
from rerank_eval.errors import MissingExtraError

LONGEST_REPLY = 64 * 2**20
"""Bytes; a rerank answer has a few hundred kilobytes at most."""

_CLOCK = Clock()


class Wire:
    """The connections to one server, closed when nobody uses them any more."""

    def __init__(self, library: ModuleType, key: ApiKey | None) -> None:
        """Make a client of `library`, httpx or httpx2; connections are opened when they are needed."""
        self._library = library
        self._key = key
        self._received = received = _Received(library, key)
        if key is not None:
            _keep_out_of_logs(key, library.__name__)

        class Client(library.Client):  # type: ignore[misc, name-defined] # the library is chosen at run time
            """Keeps replies and hands none out: what an SDK makes of one takes milliseconds, which calls in flight would wait for."""

            def send(self, request: Any, **options: Any) -> Any:
                begun_ns = _CLOCK.now_ns()
                received.read(super().send(request, **options | {"stream": True}), begun_ns)
                raise _ReceivedError

        self.client: Any = Client(limits=library.Limits(max_connections=None, max_keepalive_connections=64))
        weakref.finalize(self, self.client.close)

    def exchange(self, ask: Callable[[], object], timeout_s: float) -> Reply:
        """Return the reply to the one request that `ask` sends by the client; `ask` itself does not see it.

        Raises:
            AttemptFailedError: there is none.
        """
        self._received.expect(timeout_s)
        failure: Exception | None = None
        try:
            ask()
        except (
            Exception
        ) as error:  # an SDK may make anything of what it is raised; what counts is whether there is a reply
            failure = None if self._received.reply is not None else self._explain(error)
        if self._received.reply is not None:
            return self._received.reply
        # here, so that the library's own error, which may quote the key, is not its context
        raise failure or AttemptFailedError("nothing was sent", maybe_billed=False)

    def _explain(self, error: Exception) -> Exception:
        """Return what to raise instead of an error of the library, without what the error may quote."""
        library = self._library
        chain, cause = [error], error.__cause__
        while isinstance(cause, Exception) and cause not in chain:  # SDKs wrap the library's errors
            chain.append(cause)
            cause = cause.__cause__
        for link in chain:
            if isinstance(link, library.ConnectError | library.ConnectTimeout | library.PoolTimeout):
                return AttemptFailedError(f"no connection ({self._shown(link)})", maybe_billed=False)
            if isinstance(link, library.TimeoutException):
                return AttemptFailedError("timed out")
            if isinstance(link, library.DecodingError):
                return AttemptFailedError(f"undecodable body ({self._shown(link)})")
            if isinstance(link, library.TransportError):
                return AttemptFailedError(f"connection lost ({self._shown(link)})")
        return RuntimeError(f"{type(error).__name__}: {self._shown(error)}")  # a bug, or a text that cannot be sent

    def _shown(self, error: Exception) -> str:
        text = f"{error}" or type(error).__name__
        return text if self._key is None else self._key.remove_from(text)


def make_httpx_wire(key: ApiKey | None) -> Wire:
    """Return a wire of httpx.

    Raises:
        MissingExtraError: httpx is not installed.
    """
    try:
        import httpx
    except ImportError as error:
        raise MissingExtraError("httpx", "api") from error
    return Wire(httpx, key)


class _ReceivedError(Exception):
    """The reply is there; raised through an SDK, which then does no more with it."""


class _Received(threading.local):
    """The last reply that the current thread got."""

    def __init__(self, library: ModuleType, key: ApiKey | None) -> None:
        self._library = library
        self._key = key
        self._deadline_ns = 0
        self.reply: Reply | None = None

    def expect(self, timeout_s: float) -> None:
        self.reply = None
        self._deadline_ns = _CLOCK.now_ns() + int(timeout_s * 1e9)

    def read(self, response: Any, begun_ns: int) -> None:
        """Keep the response, read whole, decoded and free of the key, with the time since `begun_ns`."""
        try:
            content = b"".join(self._until_deadline(response))
            nanoseconds = _CLOCK.now_ns() - begun_ns
        finally:
            response.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        if self._key is not None:
            content = self._key.remove_from_bytes(content)
            headers = {name: self._key.remove_from(value) for name, value in headers.items()}
        self.reply = Reply(response.status_code, headers, content, nanoseconds)

    def _until_deadline(self, response: Any) -> Iterator[bytes]:
        """Yield the content; the library's own timeout is for each read, so that a trickle would never end."""
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if _CLOCK.now_ns() > self._deadline_ns:
                raise self._library.ReadTimeout("the reply took too long")
            if size > LONGEST_REPLY:
                raise self._library.DecodingError("the reply is too long")
            yield chunk


def _keep_out_of_logs(key: ApiKey, library: str) -> None:
    """Filter the loggers of the HTTP library and of what it stands on; each record passes the filters of its own logger only."""
    core = library.replace("httpx", "httpcore")
    for name in (library, core, *(f"{core}.{part}" for part in ("connection", "http11", "http2", "proxy", "socks"))):
        logger = logging.getLogger(name)
        if not any(isinstance(known, KeyFilter) and known.removes(key) for known in logger.filters):
            logger.addFilter(KeyFilter(key))
