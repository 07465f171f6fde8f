"""A provider that counts other tokens than are estimated: what it billed corrects the budget, the pace and the dry run alike."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.calls.budget import Budget
from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.dry_calls import DryCalls
from rerank_eval.calls.estimates import Estimates
from rerank_eval.calls.prices import Price, Prices
from rerank_eval.calls.settings import CallSettings
from rerank_eval.calls.types import Body, Endpoint, Reply
from rerank_eval.errors import BudgetError
from rerank_eval.store import Store
from rerank_eval.types import Usage
from tests.clocks import StandingClock

ESTIMATED, COST_USD = 1000, 0.002
PRICES = Prices([Price("p", "m", "input_token", COST_USD / (2 * ESTIMATED), date(2026, 11, 23), "test")])


class Counting:
    """Bills two tokens for each one estimated; remembers when it was asked."""

    def __init__(self, clock: StandingClock, settings: CallSettings | None = None, factor: int = 2) -> None:
        self.clock = clock
        self.billed: list[tuple[float, int]] = []
        self.factor = factor
        self.endpoint = Endpoint(
            provider="p",
            model="m",
            url="https://p.example/rerank",
            send=self._send,
            read_usage=lambda decoded: Usage(calls=1, input_tokens=decoded["tokens"]),
            estimate=lambda body: Usage(calls=1, input_tokens=ESTIMATED),
            settings=settings or CallSettings(),
        )

    def _send(self, body: Body, timeout_s: float) -> Reply:
        tokens = self.factor * ESTIMATED
        self.billed.append((self.clock.skipped_s, tokens))
        return Reply(200, {}, b'{"tokens": %d}' % tokens, 1)


def accept(decoded: Any) -> None:
    pass


def test_the_budget_is_not_passed_by_a_provider_that_counts_twice_the_estimate() -> None:
    provider = Counting(StandingClock())
    client = ApiClient(budget=Budget(PRICES, limit_usd=4.5 * COST_USD))
    for number in range(4):
        client.ask(provider.endpoint, {"q": number}, accept)
    with pytest.raises(BudgetError, match=r"costs up to 0\.0020"):
        client.ask(provider.endpoint, {"q": 4}, accept)
    assert len(provider.billed) == 4


def test_the_budget_and_the_dry_run_take_the_price_of_today() -> None:
    clock = StandingClock()
    provider = Counting(clock)
    days = [date(2026, 1, 1), clock.utc().date(), date(2099, 1, 1)]
    prices = Prices(
        [Price("p", "m", "input_token", usd / ESTIMATED, day, "s") for usd, day in zip((1, 2, 3), days, strict=True)]
    )
    assert Budget(prices, 10.0, clock).reserve(provider.endpoint, Usage(input_tokens=ESTIMATED)) == 2
    calls = DryCalls(None, prices, clock=clock)
    calls.count(provider.endpoint, {})
    assert calls.take().usd == 2


def test_concurrent_calls_pass_the_budget_by_less_than_one_call_each_before_anything_is_known() -> None:
    """The first calls are in flight together with half of what they cost set aside."""
    together = threading.Barrier(4, timeout=5)
    provider = Counting(StandingClock())

    def send(body: Body, timeout_s: float) -> Reply:
        if body["q"] < 4:
            together.wait()
        return provider._send(body, timeout_s)

    endpoint = replace(provider.endpoint, send=send)
    budget = Budget(PRICES, limit_usd=2 * COST_USD)
    client = ApiClient(budget=budget)
    with ThreadPoolExecutor(4) as pool:
        first = [pool.submit(client.ask, endpoint, {"q": number}, accept) for number in range(4)]
    assert [future.exception() for future in first] == [None] * 4
    with pytest.raises(BudgetError):
        client.ask(endpoint, {"q": 4}, accept)
    assert budget.spent.usd == pytest.approx(4 * COST_USD)
    assert budget.spent.usd is not None
    assert budget.spent.usd <= 2 * COST_USD + 4 * COST_USD


def test_what_earlier_runs_were_billed_is_known_from_the_first_call_on(tmp_path: Path) -> None:
    provider = Counting(StandingClock())
    with Store(tmp_path / "s.sqlite") as store:
        ApiClient(store).ask(provider.endpoint, {"q": 0}, accept)
        with pytest.raises(BudgetError, match=r"costs up to 0\.0020"):
            ApiClient(store, Budget(PRICES, 0.75 * COST_USD)).ask(provider.endpoint, {"q": 1}, accept)
        assert Estimates(store).factor(provider.endpoint) == 2
        assert Estimates(store).factor(replace(provider.endpoint, model="another")) is None
    assert len(provider.billed) == 1


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_tokens_per_minute_are_kept_to_as_the_provider_counts_them_and_are_used(factor: int) -> None:
    limit, clock = 120_000, StandingClock()
    provider = Counting(clock, CallSettings(tokens_per_minute=limit), factor)
    client = ApiClient(clock=clock)
    number = 0
    while clock.skipped_s < 180:
        client.ask(provider.endpoint, {"q": number}, accept)
        number += 1
    for begun in range(1, 120):
        in_a_minute = sum(tokens for when, tokens in provider.billed if begun <= when < begun + 60)
        assert 0.95 * limit <= in_a_minute <= limit


def test_an_answer_that_tells_no_tokens_corrects_nothing() -> None:
    client = ApiClient()
    endpoint = Endpoint(
        provider="p",
        model="m",
        url="https://p.example",
        send=lambda body, timeout_s: Reply(200, {}, b"{}", 1),
        read_usage=lambda decoded: Usage(calls=1, search_units=1),
        estimate=lambda body: Usage(calls=1, input_tokens=ESTIMATED, search_units=1),
    )
    answer = client.ask(endpoint, {"q": 1}, accept)
    estimates = Estimates(None)
    estimates.learn(endpoint, answer)
    assert estimates.factor(endpoint) is None
    assert estimates.correct(endpoint, Usage(input_tokens=7)).input_tokens == 7


def test_a_damaged_or_older_answer_is_passed_over() -> None:
    class Keeps:
        def get_call(self, key: str) -> str | None:
            return None

        def sample_calls(self, provider: str, model: str, count: int) -> list[str]:
            return ["no JSON", "{}", "[1]", '{"attempts": [], "usage": {"unknown": 1}}']

    assert Estimates(Keeps()).factor(Counting(StandingClock()).endpoint) is None
