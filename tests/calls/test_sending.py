"""The wire under an SDK that uses httpx2, as anthropic's does."""

from typing import Any

import pytest

from rerank_eval.calls.keys import ApiKey
from rerank_eval.calls.sending import Wire
from rerank_eval.calls.types import AttemptFailedError
from tests.fault_server import Behaviour, FaultServer

KEY = "sk-planted-4f1c9d2e7a"
MESSAGE = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-5-5",
    "content": [{"type": "text", "text": f"you sent {KEY}"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 7, "output_tokens": 3},
}


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    httpx2 = pytest.importorskip("httpx2")
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return Wire(httpx2, ApiKey("ANTHROPIC_API_KEY"))


def ask(wire: Wire, url: str) -> Any:
    anthropic = pytest.importorskip("anthropic")
    client = anthropic.Anthropic(api_key=KEY, base_url=url, max_retries=0, http_client=wire.client)
    return client.messages.create(model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "how"}])


def test_the_reply_comes_with_its_headers_and_without_the_key(wire: Wire) -> None:
    headers = {"anthropic-ratelimit-requests-limit": "50", "x-echo": KEY}
    seen = []
    with FaultServer(lambda asked: Behaviour(content=MESSAGE, headers=headers)) as server:
        reply = wire.exchange(lambda: seen.append(ask(wire, server.url)), timeout_s=5)
    assert reply.status == 200
    assert reply.headers["anthropic-ratelimit-requests-limit"] == "50"
    assert KEY.encode() not in reply.content
    assert KEY not in str(reply.headers)
    assert reply.nanoseconds
    assert b"you sent [api key removed]" in reply.content
    assert seen == []  # the SDK is spared it
    assert server.asked[0].path == "/v1/messages"


@pytest.mark.parametrize("status", [400, 429, 529])
def test_a_status_that_the_sdk_raises_for_is_a_reply(status: int, wire: Wire) -> None:
    with FaultServer(lambda asked: Behaviour(status, {"error": {"message": KEY}}, {"retry-after": "5"})) as server:
        reply = wire.exchange(lambda: ask(wire, server.url), timeout_s=5)
    assert (reply.status, reply.headers["retry-after"], len(server.asked)) == (status, "5", 1)


@pytest.mark.parametrize(
    ("fault", "words", "maybe_billed"),
    [
        (Behaviour(drop=True), "connection lost", True),
        (Behaviour(cut=20), "connection lost", True),
        (Behaviour(trickle_s=0.05), "timed out", True),
        (Behaviour(content=b"plain", headers={"content-encoding": "gzip"}), "undecodable body", True),
    ],
)
def test_no_reply_is_explained_without_the_library_s_own_error(
    fault: Behaviour, words: str, maybe_billed: bool, wire: Wire
) -> None:
    def answer(body: Any) -> Any:
        return MESSAGE

    with FaultServer(lambda asked: fault, answer) as server, pytest.raises(AttemptFailedError, match=words) as caught:
        wire.exchange(lambda: ask(wire, server.url), timeout_s=0.5)
    assert caught.value.maybe_billed is maybe_billed
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_no_connection_was_certainly_not_billed(wire: Wire) -> None:
    with FaultServer() as server:
        url = server.url
    with pytest.raises(AttemptFailedError, match="no connection") as caught:
        wire.exchange(lambda: ask(wire, url), timeout_s=5)
    assert not caught.value.maybe_billed


def test_an_error_that_is_no_fault_of_the_provider_is_told_as_it_is_without_the_key(wire: Wire) -> None:
    def broken() -> None:
        raise KeyError(f"a bug near {KEY}")

    with pytest.raises(RuntimeError, match=r"KeyError: .*a bug near \[api key removed\]") as caught:
        wire.exchange(broken, timeout_s=5)
    assert caught.value.__context__ is None
