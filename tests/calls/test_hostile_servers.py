"""Servers that write bytes no HTTP server should: what never ends, what unpacks to gigabytes, and headers that are none."""

import gzip
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rerank_eval.calls.client import ApiClient
from rerank_eval.errors import RerankerError
from tests.calls.endpoints import KEY, Way
from tests.fakes import make_request

Write = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


@contextmanager
def serving(write: Write) -> Iterator[str]:
    """The address of a server that reads each request and then writes what `write` does, until the client leaves or the test ends."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(2**20)
                write(connection)
            except OSError:  # the client gave up
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # the test is over
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def trickle(head: bytes, again: bytes) -> Write:
    def write(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(200):  # ten seconds: a client without a deadline is there to the end, and says another thing
            connection.sendall(again)
            time.sleep(0.05)

    return write


def ask(way: Way, url: str) -> str:
    """What is said of the failed call."""
    reranker = way.make_reranker(url, {"attempts": 1, "timeout_s": 0.3})
    with pytest.raises(RerankerError) as caught:
        reranker.with_calls(ApiClient()).score(make_request())
    return str(caught.value)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(trickle(OK + b"x-a: ", b"a"), id="header"),
        pytest.param(trickle(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), id="early hints"),
        pytest.param(trickle(CHUNKED + b"5;", b"a"), id="chunk extension"),
        pytest.param(trickle(CHUNKED, b"1\r\n \r\n"), id="body"),
    ],
)
def test_a_trickle_of_anything_is_out_of_time(write: Write, way: Way) -> None:
    with serving(write) as url:
        assert "timed out" in ask(way, url)


def test_a_packed_reply_is_not_unpacked(way: Way) -> None:
    asked = []
    bomb = gzip.compress(gzip.compress(b" " * 2**20))

    def write(connection: socket.socket) -> None:
        asked.append(True)
        connection.sendall(OK + b"content-encoding: gzip, gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb) + bomb)

    with serving(write) as url:
        assert "undecodable body (it is packed by 'gzip, gzip', which was not asked for)" in ask(way, url)
    assert asked


@pytest.mark.parametrize("line", [f"x-a : {KEY}", KEY, f"x-a: \0{KEY}"])
def test_a_header_that_is_none_shows_no_key(line: str, way: Way, caplog: pytest.LogCaptureFixture) -> None:
    def write(connection: socket.socket) -> None:
        connection.sendall(OK + line.encode() + b"\r\n\r\n{}")

    with caplog.at_level(logging.DEBUG), serving(write) as url:
        said = ask(way, url)
    assert KEY not in said
    assert "[api key removed]" in caplog.text  # so it was there
    assert KEY not in caplog.text
    assert not [record for record in caplog.records if KEY in f"{vars(record)}"]
