import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.calls.budget import Budget
from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.pace import MARGIN
from rerank_eval.calls.prices import Price, Prices
from rerank_eval.calls.settings import CallSettings
from rerank_eval.calls.types import (
    Answer,
    Attempt,
    AttemptFailedError,
    Body,
    Endpoint,
    NotReachedError,
    Reply,
    call_key,
)
from rerank_eval.errors import BudgetError, ConfigError, RerankerError, StoreError
from rerank_eval.store import Store
from rerank_eval.types import Usage
from tests.clocks import SkippingClock, StandingClock

OK = Reply(200, {}, b'{"units": 1}', 5_000_000)
PRICES = Prices([Price("p", "m", "search", 0.01, date(2026, 11, 23), "test")])


def make_endpoint(send: Callable[[Body, float], Reply], estimate: int = 1) -> Endpoint:
    return Endpoint(
        provider="p",
        model="m",
        url="https://p.example/rerank",
        send=send,
        read_usage=lambda decoded: Usage(calls=1, search_units=decoded["units"]),
        estimate=lambda body: Usage(calls=1, search_units=estimate),
    )


class Sender:
    """Gives the outcomes in turn, the last one for ever; counts what it was asked."""

    def __init__(self, *outcomes: Reply | AttemptFailedError) -> None:
        self.outcomes = outcomes
        self.asked: list[Body] = []

    def __call__(self, body: Body, timeout_s: float) -> Reply:
        self.asked.append(body)
        outcome = self.outcomes[min(len(self.asked), len(self.outcomes)) - 1]
        if isinstance(outcome, AttemptFailedError):
            raise outcome
        return outcome


def accept(decoded: Any) -> None:
    pass


def test_every_attempt_is_recorded_and_the_duration_is_that_of_the_one_that_succeeded() -> None:
    sender = Sender(Reply(500, {}, b"", 9_000_000_000), AttemptFailedError("timed out"), OK)
    answer = ApiClient(clock=SkippingClock()).ask(make_endpoint(sender), {"q": "x"}, accept)
    assert answer.nanoseconds == 5_000_000
    assert answer.usage == Usage(calls=1, search_units=1, retries=2)
    assert [attempt.status for attempt in answer.attempts] == [500, None, 200]
    assert [attempt.fault for attempt in answer.attempts] == ["answered 500", "timed out", None]
    assert [attempt.received_bytes for attempt in answer.attempts] == [0, 0, 12]
    assert answer.attempts[0].waited_s < 0.1
    assert all(attempt.waited_s > 0.2 for attempt in answer.attempts[1:])
    assert {attempt.sent_bytes for attempt in answer.attempts} == {10}


def test_waiting_for_a_turn_does_not_use_up_the_deadline() -> None:
    clock = StandingClock()
    sender = Sender(OK, Reply(500, {}, b"", 1), OK)
    endpoint = replace(make_endpoint(sender), settings=CallSettings(calls_per_minute=0.1, deadline_s=300))
    client = ApiClient(clock=clock)
    client.ask(endpoint, {"q": "first"}, accept)
    answer = client.ask(endpoint, {"q": "second"}, accept)
    assert [attempt.fault for attempt in answer.attempts] == ["answered 500", None]
    assert all(attempt.waited_s > 600 for attempt in answer.attempts)


def test_the_deadline_holds_for_an_attempt_that_has_begun_as_well() -> None:
    clock = StandingClock()
    given_s = []

    def send(body: Body, timeout_s: float) -> Reply:
        given_s.append(timeout_s)
        clock.skipped_s += timeout_s
        raise AttemptFailedError("timed out")

    endpoint = replace(make_endpoint(send), settings=CallSettings(deadline_s=10, timeout_s=4))
    with pytest.raises(RerankerError, match="timed out"):
        ApiClient(clock=clock).ask(endpoint, {"q": "x"}, accept)
    assert given_s[:2] == [4, 4]
    assert 0 < given_s[2] < 2
    assert clock.skipped_s <= 10.01


def test_rerankers_with_one_model_keep_to_the_smallest_of_their_limits() -> None:
    clock = StandingClock()
    client, sent_s = ApiClient(clock=clock), []

    def send(body: Body, timeout_s: float) -> Reply:
        sent_s.append(clock.skipped_s)
        return OK

    for number, limit in enumerate((None, 60, 6, 60, 60)):
        endpoint = replace(make_endpoint(send), settings=CallSettings(calls_per_minute=limit))
        client.ask(endpoint, {"q": number}, accept)
    assert sent_s[-1] - sent_s[-2] == pytest.approx(10 / MARGIN)


def test_an_answer_survives_its_encoding() -> None:
    answer = Answer(
        {"a": [1.5, "ü", None]},
        7,
        "2026-11-23T12:00:00.000+00:00",
        3,
        (Attempt(200, None, 0.5, 7, 1, 2),),
        Usage(calls=1),
    )
    decoded = Answer.decode(answer.encode())
    assert decoded == answer
    assert decoded.reused
    assert not answer.reused


def test_the_same_question_is_paid_for_once_across_runs(tmp_path: Path) -> None:
    sender = Sender(OK)
    for _ in range(3):
        with Store(tmp_path / "s.sqlite") as store:
            answer = ApiClient(store).ask(make_endpoint(sender), {"q": "x"}, accept)
            assert answer.body == {"units": 1}
    assert len(sender.asked) == 1
    assert answer.reused


def test_the_key_of_a_question_covers_all_that_is_sent_and_where_to() -> None:
    endpoint, body = make_endpoint(Sender(OK)), {"q": "x", "n": 1}
    others = [
        call_key(endpoint, {"q": "y", "n": 1}, 0),
        call_key(endpoint, {"q": "x", "n": 1.5}, 0),
        call_key(endpoint, {"q": "x"}, 0),
        call_key(endpoint, body, 1),
        *(call_key(replace(endpoint, **{name: "other"}), body, 0) for name in ("provider", "model", "url")),  # type: ignore[arg-type]
        call_key(replace(endpoint, headers=(("x-model", "a"),)), body, 0),
        call_key(replace(endpoint, headers=(("x-model", "b"),)), body, 0),
    ]
    assert len({call_key(endpoint, body, 0), *others}) == len(others) + 1
    assert call_key(endpoint, {"n": 1, "q": "x"}, 0) == call_key(endpoint, body, 0)


def test_another_sample_of_the_same_question_is_asked_anew(tmp_path: Path) -> None:
    sender = Sender(OK)
    with Store(tmp_path / "s.sqlite") as store:
        for sample in (0, 1, 0, 1):
            ApiClient(store).ask(make_endpoint(sender), {"q": "x"}, accept, sample)
    assert len(sender.asked) == 2


def test_a_question_that_is_in_flight_is_not_sent_again(tmp_path: Path) -> None:
    together = threading.Barrier(6)
    sent = []

    def send(body: Body, timeout_s: float) -> Reply:
        sent.append(body)
        time.sleep(0.2)  # so that the others come while it is in flight; one that comes later finds what is kept
        return OK

    with Store(tmp_path / "s.sqlite") as store, ThreadPoolExecutor(6) as pool:
        client, endpoint = ApiClient(store), make_endpoint(send)

        def ask(_: int) -> Answer:
            together.wait(10)
            return client.ask(endpoint, {"q": "x"}, accept)

        answers = list(pool.map(ask, range(6)))
    assert len(sent) == 1
    assert [answer.body for answer in answers] == [{"units": 1}] * 6
    assert [answer.reused for answer in answers].count(False) == 1


def test_a_failure_in_flight_is_that_of_all_who_wait_for_it() -> None:
    client = ApiClient(clock=SkippingClock())
    endpoint = make_endpoint(Sender(Reply(500, {}, b"", 1)))
    for _ in range(2):
        with pytest.raises(RerankerError, match="answered 500"):
            client.ask(endpoint, {"q": "x"}, accept)
    assert client.faults == {("p", "answered 500"): 16}


def test_concurrency_is_how_many_were_in_flight() -> None:
    together = threading.Barrier(3)

    def send(body: Body, timeout_s: float) -> Reply:
        together.wait(10)
        return OK

    client = ApiClient()
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda q: client.ask(make_endpoint(send), {"q": q}, accept), "abc"))
    assert sorted(answer.concurrency for answer in answers) == [1, 2, 3]


def test_the_run_ends_before_the_call_that_would_pass_the_budget_and_the_next_has_it_anew(tmp_path: Path) -> None:
    sender = Sender(OK)
    with Store(tmp_path / "s.sqlite") as store:
        budget = Budget(PRICES, limit_usd=0.035)
        client = ApiClient(store, budget)
        for q in "abc":
            client.ask(make_endpoint(sender), {"q": q}, accept)
        with pytest.raises(BudgetError, match=r"budget of 0\.035 USD is reached: 0\.0300 USD .* costs up to 0\.0100"):
            client.ask(make_endpoint(sender), {"q": "d"}, accept)
        assert budget.spent.usd == pytest.approx(0.03)
        assert len(sender.asked) == 3
        again = ApiClient(store, Budget(PRICES, limit_usd=0.01))
        for q in "abcd":
            again.ask(make_endpoint(sender), {"q": q}, accept)
    assert len(sender.asked) == 4


@pytest.mark.parametrize("price", [0.002, 0.0007, 0.1])
def test_a_budget_for_a_number_of_calls_pays_for_as_many(price: float) -> None:
    prices = Prices([PRICES.prices[0]._replace(usd=price)])
    budget = Budget(prices, limit_usd=round(25 * price, 6))
    client = ApiClient(budget=budget)
    for q in range(25):
        client.ask(make_endpoint(Sender(OK)), {"q": f"{q}"}, accept)
    assert budget.spent.usd == round(25 * price, 6)  # and not 0.05000000000000001
    with pytest.raises(BudgetError):
        client.ask(make_endpoint(Sender(OK)), {"q": "one more"}, accept)


def test_calls_in_flight_do_not_pass_the_budget_together() -> None:
    together = threading.Barrier(2, timeout=5)

    def send(body: Body, timeout_s: float) -> Reply:
        together.wait()
        return OK

    client = ApiClient(budget=Budget(PRICES, limit_usd=0.02))
    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(client.ask, make_endpoint(send), {"q": q}, accept) for q in "abcde"]
    refused = [future for future in futures if isinstance(future.exception(), BudgetError)]
    assert len(refused) == 3


def test_an_attempt_that_may_have_been_billed_counts_and_a_refused_one_does_not() -> None:
    sender = Sender(
        Reply(500, {}, b"", 1),
        Reply(429, {}, b"", 1),
        NotReachedError("no connection"),
        AttemptFailedError("timed out"),
        Reply(200, {}, b'{"un', 1),
        OK,
    )
    budget = Budget(PRICES, limit_usd=0.03)
    client = ApiClient(budget=budget, clock=SkippingClock())
    client.ask(make_endpoint(sender), {"q": "a"}, accept)
    assert list(budget.spent) == pytest.approx([1, 0.01, 2, 0.02])
    with pytest.raises(BudgetError):
        client.ask(make_endpoint(sender), {"q": "b"}, accept)


def test_a_provider_that_was_reached_before_fails_only_the_query_when_it_is_gone() -> None:
    gone = [NotReachedError("no connection (refused)") for _ in range(8)]
    client = ApiClient(clock=SkippingClock())
    endpoint = make_endpoint(Sender(OK, *gone, OK))
    client.ask(endpoint, {"q": "a"}, accept)
    with pytest.raises(RerankerError, match=r"gave no answer in 8 attempts .*no connection"):
        client.ask(endpoint, {"q": "b"}, accept)
    client.ask(endpoint, {"q": "c"}, accept)


def test_a_budget_without_a_price_is_refused_before_anything_is_sent() -> None:
    sender = Sender(OK)
    with pytest.raises(ConfigError, match="there is no price for p m"):
        ApiClient(budget=Budget(Prices(), 1.0)).ask(make_endpoint(sender), {"q": "a"}, accept)
    assert sender.asked == []


def test_a_kept_answer_that_no_longer_passes_the_check_is_asked_again(tmp_path: Path) -> None:
    sender = Sender(OK)

    def refuse(decoded: Any) -> None:
        raise RerankerError("not good enough now")

    with Store(tmp_path / "s.sqlite") as store:
        ApiClient(store).ask(make_endpoint(sender), {"q": "a"}, accept)
        with pytest.raises(RerankerError):
            ApiClient(store).ask(make_endpoint(sender), {"q": "a"}, refuse)
    assert len(sender.asked) == 2


def test_an_answer_that_cannot_be_kept_ends_the_run_before_more_is_paid(tmp_path: Path) -> None:
    sender = Sender(OK._replace(content=b'{"units": 1, "long": "%s"}' % (b"x" * 50_000)))
    store = Store(tmp_path / "s.sqlite")
    client = ApiClient(store)
    store._connection.execute("PRAGMA max_page_count = 4")  # what a full disk is to SQLite: SQLITE_FULL
    with store:
        for q in "abc":
            with pytest.raises(StoreError, match="disk is full"):
                client.ask(make_endpoint(sender), {"q": q}, accept)
    assert len(sender.asked) == 1
