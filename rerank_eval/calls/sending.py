"""One attempt over HTTP: a client that reads every reply whole, by a deadline, and keeps it without the key in it.

For httpx, and for httpx2, which some SDKs use instead; an SDK is given the client as its own.
"""

import logging
import threading
import weakref
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from rerank_eval.calls.keys import ApiKey, KeyFilter
from rerank_eval.calls.types import AttemptFailedError, Body, NotReachedError, Reply
from rerank_eval.clock import Clock
from rerank_eval.errors import MissingExtraError, shortened

LONGEST_REPLY = 64 * 2**20
"""Bytes; a rerank answer has a few hundred kilobytes at most."""

_CLOCK = Clock()
_WRITTEN_AT_ONCE = 2**16
_LOGGING = ("anthropic", "cohere", "httpcore", "httpcore2", "httpx", "httpx2")


class Wire:
    """The connections to one server, closed when nobody uses them any more."""

    def __init__(self, library: ModuleType, key: ApiKey | None) -> None:
        """Make a client of `library`, httpx or httpx2; connections are opened when they are needed."""
        self._library = library
        self._key = key
        self._received = received = _Received(library, key)

        class Client(library.Client):  # type: ignore[misc, name-defined] # the library is chosen at run time
            """Keeps replies and hands none out: what an SDK makes of one takes milliseconds, which calls in flight would wait for."""

            def send(self, request: Any, **options: Any) -> Any:
                request.headers["accept-encoding"] = "identity"  # a few kilobytes may unpack to gigabytes
                begun_ns = _CLOCK.now_ns()
                received.read(super().send(request, **options | {"stream": True}), begun_ns)
                raise _ReceivedError

        self.client: Any = Client(limits=library.Limits(max_connections=None, max_keepalive_connections=64))
        for transport in (self.client._transport, *self.client._mounts.values()):  # the latter are those of proxies
            if transport is not None:  # httpx has no setting for what httpcore calls its network backend
                pool = transport._pool
                pool._network_backend = _Network(pool._network_backend, received.timeout_s)
        if key is not None:
            _keep_out_of_logs(key)  # now that the client has imported whatever logs
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
        except Exception as error:
            # an SDK may make anything of what it is raised; what counts is whether there is a reply
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
                return NotReachedError(f"no connection ({self._shown(link)})")
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


def make_post(address: str, headers: Mapping[str, str], key: ApiKey | None) -> Callable[[Body, float], Reply]:
    """Return what POSTs a body as JSON to an address, once, by httpx.

    Raises:
        MissingExtraError: httpx is not installed.
    """
    try:
        import httpx
    except ImportError as error:
        raise MissingExtraError("httpx", "api") from error
    wire = Wire(httpx, key)

    def post(body: Body, timeout_s: float) -> Reply:
        return wire.exchange(
            lambda: wire.client.post(address, json=dict(body), headers=headers, timeout=timeout_s), timeout_s
        )

    return post


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

    def timeout_s(self, timeout_s: float | None) -> float:
        """Return how long the next step may take, at most `timeout_s`.

        Raises:
            TimeoutException: the time is up.
        """
        left_s = (self._deadline_ns - _CLOCK.now_ns()) / 1e9
        if left_s <= 0:
            raise self._library.ReadTimeout("the reply took too long")
        return left_s if timeout_s is None else min(timeout_s, left_s)

    def read(self, response: Any, begun_ns: int) -> None:
        """Keep the response, read whole and free of the key, with the time since `begun_ns`."""
        try:
            content = self._read_whole(response)
            nanoseconds = _CLOCK.now_ns() - begun_ns
        finally:
            response.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        if self._key is not None:
            content = self._key.remove_from_bytes(content)
            headers = {name: self._key.remove_from(value) for name, value in headers.items()}
        self.reply = Reply(response.status_code, headers, content, nanoseconds)

    def _read_whole(self, response: Any) -> bytes:
        encoding = response.headers.get("content-encoding", "identity")
        if encoding.strip().lower() != "identity":
            raise self._library.DecodingError(
                f"it is packed by {shortened(repr(encoding), 40)}, which was not asked for"
            )
        chunks, size = [], 0
        for chunk in response.iter_raw():
            size += len(chunk)
            if size > LONGEST_REPLY:
                raise self._library.DecodingError("the reply is too long")
            chunks.append(chunk)
        return b"".join(chunks)


class _Network:
    """httpcore's network backend and, once connected, its stream, with a deadline for each step.

    A timeout of httpcore's is for a single read, so that a trickle would never end, be it of headers, of what comes before them, or of what
    holds no content.
    """

    def __init__(self, wrapped: Any, timeout_s: Callable[[float | None], float]) -> None:
        """Take what does the work, and what says how long the next step may take."""
        self._wrapped = wrapped
        self._timeout_s = timeout_s

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> "_Network":
        stream = self._wrapped.connect_tcp(host, port, timeout=self._timeout_s(timeout), **options)
        return _Network(stream, self._timeout_s)

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_Network":
        stream = self._wrapped.start_tls(ssl_context, server_hostname, self._timeout_s(timeout))
        return _Network(stream, self._timeout_s)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        content: bytes = self._wrapped.read(max_bytes, self._timeout_s(timeout))
        return content

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITTEN_AT_ONCE):  # a server may also read at a trickle
            self._wrapped.write(buffer[start : start + _WRITTEN_AT_ONCE], self._timeout_s(timeout))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


def _keep_out_of_logs(key: ApiKey) -> None:
    """Filter the loggers of the HTTP libraries and of the SDKs; each record passes the filters of its own logger only."""
    names = {name for name in (*logging.root.manager.loggerDict, *_LOGGING) if name.partition(".")[0] in _LOGGING}
    for name in sorted(names):
        logger = logging.getLogger(name)
        if not any(isinstance(known, KeyFilter) and known.removes(key) for known in logger.filters):
            logger.addFilter(KeyFilter(key))
