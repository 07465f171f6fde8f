"""A refused question ends the run where nothing is accepted, and fails its query otherwise, whatever comes first."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.types import Body, Reply
from rerank_eval.errors import RefusedError, RerankerError
from tests.calls.test_client import OK, accept, make_endpoint
from tests.clocks import SkippingClock

REFUSED = Reply(400, {}, b'{"message": "no"}', 1)
CALLS = 4


def ask_together(is_refused: dict[int, bool]) -> list[BaseException | None]:
    """Ask several questions at once; those that are refused are answered at once, and the others when these have been."""
    together, refused = threading.Barrier(CALLS, timeout=10), threading.Event()

    def send(body: Body, timeout_s: float) -> Reply:
        together.wait()
        if is_refused[body["q"]]:
            refused.set()
            return REFUSED
        refused.wait(10)
        threading.Event().wait(0.1)  # the refused one has been read long before
        return OK

    client, endpoint = ApiClient(clock=SkippingClock()), make_endpoint(send)
    with ThreadPoolExecutor(CALLS) as pool:
        futures = [pool.submit(client.ask, endpoint, {"q": q}, accept) for q in range(CALLS)]
    return [future.exception() for future in futures]


def test_a_refusal_that_comes_first_fails_its_query_only() -> None:
    first, *others = ask_together({0: True, 1: False, 2: False, 3: False})
    assert isinstance(first, RerankerError)
    assert "does not accept the request (400: no)" in f"{first}"
    assert "accepted none" not in f"{first}"
    assert others == [None] * 3


def test_all_refused_end_the_run() -> None:
    errors = ask_together(dict.fromkeys(range(CALLS), True))
    assert all(isinstance(error, RefusedError) and "it has accepted none yet" in f"{error}" for error in errors)


def test_an_answer_of_no_use_was_accepted_all_the_same() -> None:
    replies = [OK, REFUSED]
    client, endpoint = ApiClient(), make_endpoint(lambda body, timeout_s: replies.pop(0))

    def refuse(decoded: object) -> None:
        raise RerankerError("of no use")

    with pytest.raises(RerankerError, match="of no use"):
        client.ask(endpoint, {"q": 1}, refuse)
    with pytest.raises(RerankerError, match="does not accept the request"):
        client.ask(endpoint, {"q": 2}, accept)


def test_a_run_that_is_stopped_does_not_wait_for_the_others() -> None:
    begun, refused = threading.Barrier(2, timeout=10), threading.Event()
    held = threading.Event()

    def send(body: Body, timeout_s: float) -> Reply:
        begun.wait()
        if body["q"]:
            held.wait(10)
            return OK
        refused.set()
        return REFUSED

    client, endpoint = ApiClient(clock=SkippingClock()), make_endpoint(send)
    with ThreadPoolExecutor(2) as pool:
        waiting, _ = (pool.submit(client.ask, endpoint, {"q": q}, accept) for q in range(2))
        assert refused.wait(10)
        client.stop()
        assert "the run was stopped" in f"{waiting.exception(10)}"
        held.set()
