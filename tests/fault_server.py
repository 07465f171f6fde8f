"""A rerank server on the loopback that answers well, or badly in every way that is asked for."""

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self


class Asked(NamedTuple):
    """A request as it came: `turn` counts requests from 0, `again` those with the same body."""

    path: str
    headers: Mapping[str, str]
    body: Any
    turn: int
    again: int


@dataclass(frozen=True)
class Behaviour:
    """How one request is answered. `content` None is the right answer; `cut` sends only so many of its bytes, then closes.

    `drop` closes without a word; `trickle_s` is slept after each byte.
    """

    status: int = 200
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: int | None = None
    drop: bool = False
    trickle_s: float = 0.0


GOOD = Behaviour()
Behave = Callable[[Asked], Behaviour]


def fault_at_random(asked: Asked, faults: Sequence[Behaviour]) -> Behaviour | None:
    """One of the faults for three attempts in ten, whatever the order of requests; none from the seventh attempt of a body on."""
    draw = random.Random(f"{json.dumps(asked.body, sort_keys=True)} {asked.again}")
    return draw.choice(faults) if draw.random() < 0.3 and asked.again < 6 else None


def relevance(query: str, text: str) -> float:
    """What the server thinks: a number in [0, 1) that depends on the two texts only."""
    return int.from_bytes(hashlib.sha256(f"{query}\0{text}".encode()).digest()[:6], "big") / 2**48


def rerank_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    """The right answer in Cohere's form (v2): best first, with the search units of the call."""
    scores = [relevance(body["query"], text) for text in body["documents"]]
    order = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)
    return {
        "id": "r1",
        "results": [{"index": index, "relevance_score": scores[index]} for index in order],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": (len(scores) + 99) // 100}},
    }


def with_scores(body: Mapping[str, Any], change: Callable[[list[dict[str, Any]]], Any]) -> Behaviour:
    """An answer with status 200 whose list of results went through `change`."""
    answer = rerank_answer(body)
    return Behaviour(content={**answer, "results": change(answer["results"])})


class FaultServer:
    """Answers on 127.0.0.1 as `behave` says; `asked` holds every request."""

    def __init__(
        self,
        behave: Behave | Sequence[Behaviour] = (),
        answer: Callable[[Mapping[str, Any]], Any] = rerank_answer,
    ) -> None:
        """Take a function, or what the first requests get before all others are answered well; and what a right answer is."""
        self.asked: list[Asked] = []
        self._behave = behave
        self._answer = answer
        self._lock = threading.Lock()
        self._broken: list[Exception] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                server._answer_request(self)

            def do_GET(self) -> None:
                server._answer_request(self)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def _answer_request(self, handler: BaseHTTPRequestHandler) -> None:
        came = time.monotonic()
        length = int(handler.headers.get("content-length", 0))
        raw = handler.rfile.read(length)
        if len(raw) < length:  # the client was killed between the headers and the end of the body: nothing was asked
            handler.close_connection = True
            return
        body = json.loads(raw) if raw else None
        with self._lock:
            again = sum(asked.body == body for asked in self.asked) if len(self.asked) < 500 else 0
            headers = {name.lower(): value for name, value in handler.headers.items()}
            asked = Asked(handler.path, headers, body, len(self.asked), again)
            self.asked.append(asked)
        try:
            how = self._choose(asked)
            content = self.right_answer(asked) if how.content is None and not how.drop else how.content
        except Exception as error:
            self._broken.append(error)
            raise
        if how.drop:
            handler.close_connection = True
            return
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        time.sleep(max(0.0, how.delay_s - (time.monotonic() - came)))
        handler.send_response(how.status)
        for name, value in {"content-type": "application/json", **how.headers}.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        try:
            self._write(handler, data, how)
        except OSError:
            handler.close_connection = True  # the client gave up

    def right_answer(self, asked: Asked) -> Any:
        """What the request is answered where nothing goes wrong."""
        return self._answer(asked.body)

    def _write(self, handler: BaseHTTPRequestHandler, data: bytes, how: Behaviour) -> None:
        if how.trickle_s:
            for byte in data:
                handler.wfile.write(bytes([byte]))
                time.sleep(how.trickle_s)
            return
        handler.wfile.write(data[: how.cut])
        if how.cut is not None:
            handler.close_connection = True

    def _choose(self, asked: Asked) -> Behaviour:
        if callable(self._behave):
            return self._behave(asked)
        return self._behave[asked.turn] if asked.turn < len(self._behave) else GOOD

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        if kind is None and self._broken:  # otherwise a client would take it for a lost connection, and try again
            raise AssertionError("the server of the test failed") from self._broken[0]
