"""A rerank and chat server for the benchmarks of API rerankers, in a process of its own: in theirs it would compete for the interpreter.

It answers each call after a delay, in one thread and with an answer made before, so that its own work does not show; and, if told to, refuses
what is above a number of calls in any 60 s.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast

DELAY_S, SECONDS, DOCUMENTS = 0.2, 60.0, 100
_RANKING = json.dumps({"ranking": list(range(1, DOCUMENTS + 1))})
_ANSWERS = {
    b"rerank": {"results": [{"index": i, "relevance_score": 0.001 * i} for i in range(DOCUMENTS)]},
    b"messages": {"content": [{"type": "text", "text": _RANKING}], "stop_reason": "end_turn"},
    b"completions": {"choices": [{"message": {"content": _RANKING}, "finish_reason": "stop"}]},
}
_ANSWER_BY_PATH = {path: json.dumps(answer).encode() for path, answer in _ANSWERS.items()}


class Seen(NamedTuple):
    """Calls that were accepted and refused in the 60 s since the first."""

    accepted: int
    refused: int


class Limit:
    """How many calls any 60 s may have; 0 for any number. Counts those of the first 60 s."""

    def __init__(self, calls: int) -> None:
        """Take the limit."""
        self.calls = calls
        self._recent: deque[float] = deque()
        self._begun: float | None = None
        self.accepted = self.refused = 0

    def refuse(self, came: float) -> float | None:
        """Return how long to wait where the limit is reached; None for a call that is accepted."""
        self._begun = came if self._begun is None else self._begun
        while self._recent and came - self._recent[0] >= SECONDS:
            self._recent.popleft()
        is_full = 0 < self.calls <= len(self._recent)
        if came - self._begun < SECONDS:
            self.refused, self.accepted = self.refused + is_full, self.accepted + (not is_full)
        if is_full:
            return SECONDS - (came - self._recent[0])
        self._recent.append(came)
        return None


class Connection(asyncio.Protocol):
    """Answers the requests of one connection, one after the other."""

    def __init__(self, limit: Limit, tells: bool) -> None:
        """Take the limit, and whether replies name it."""
        self._limit, self._tells = limit, tells
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is whole."""
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if not end or length is None or len(body) < int(length[1]):
            return
        self._buffer = b""
        loop = asyncio.get_running_loop()
        retry_after = self._limit.refuse(loop.time())
        if retry_after is not None:
            self._write("429 Too Many Requests", f"retry-after: {retry_after:.3f}\r\n", b"{}")
            return
        told = f"x-ratelimit-limit-requests: {self._limit.calls}\r\n" if self._tells else ""
        answer = _ANSWER_BY_PATH[head.split(b" ", 2)[1].rsplit(b"/", 1)[-1]]
        loop.call_later(DELAY_S, self._write, "200 OK", told, answer)

    def _write(self, status: str, header: str, content: bytes) -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{header}content-length: {len(content)}\r\n\r\n"
        self._transport.write(head.encode() + content)


class RunningServer:
    """The server as its client sees it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Take the process, whose first line is the address."""
        self._process = process
        self._seen: Seen | None = None
        self.url = self._line()

    def _line(self) -> str:
        if self._process.stdout is None or not (line := self._process.stdout.readline().strip()):
            raise RuntimeError("the server did not start")
        return line

    def stop(self) -> Seen:
        """End the server; return what it has seen."""
        if self._seen is None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._seen = Seen(*json.loads(self._line()))
        return self._seen


@contextmanager
def running(limit: int = 0, tells: bool = False) -> Iterator[RunningServer]:
    """Run the server in a process of its own."""
    command = [sys.executable, str(Path(__file__)), str(limit), str(int(tells))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        server = RunningServer(process)
        try:
            yield server
        finally:
            server.stop()


async def _main(limit: Limit, tells: bool) -> None:
    listening = await asyncio.get_running_loop().create_server(lambda: Connection(limit, tells), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps([limit.accepted, limit.refused]), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(Limit(int(sys.argv[1])), sys.argv[2] == "1"))
