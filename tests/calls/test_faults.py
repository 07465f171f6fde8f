"""What becomes of each fault of a provider, through the real SDKs and the real HTTP client, with waits that take no time."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from rerank_eval.calls.budget import Budget
from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.prices import Price, Prices, Unit
from rerank_eval.errors import BudgetError, ProviderBusyError, RefusedError, RerankerError, RunStoppingError
from rerank_eval.store import Store
from rerank_eval.store.kept import read_kept
from tests.calls.endpoints import MODEL, Way
from tests.clocks import SkippingClock
from tests.fakes import make_request
from tests.fault_server import GOOD, Asked, Behaviour, fault_at_random


@pytest.mark.parametrize(
    "fault",
    [
        *(Behaviour(status, {"message": "no"}) for status in (408, 409, 429, 500, 502, 503, 504, 529)),
        Behaviour(503, b"<html>bad gateway</html>", {"content-type": "text/html"}),
        Behaviour(429, {"message": "slow"}, {"retry-after": "3"}),
        Behaviour(503, {}, {"retry-after": "Mon, 23 Nov 2020 12:00:00 GMT"}),
        Behaviour(drop=True),
        Behaviour(cut=0),
        Behaviour(cut=30),
        Behaviour(content=b'{"results": [{"index": 0, "relev'),
        Behaviour(content=b"<html>welcome</html>", headers={"content-type": "text/html"}),
        Behaviour(content={"error": {"message": "overloaded"}}),
        Behaviour(content=b""),
        Behaviour(content=b"not gzip", headers={"content-encoding": "gzip"}),
        Behaviour(content=b"\xff\xfe"),
        Behaviour(content=b"[" * 100_000),
        Behaviour(content=b"[" * 900 + b"]" * 900),
    ],
    ids=lambda fault: f"{fault.status}-{fault.drop}-{fault.cut}-{str(fault.content)[:12]}-{list(fault.headers)}",
)
def test_what_may_pass_is_tried_again_and_counted(fault: Behaviour, way: Way) -> None:
    with way.server([fault, fault]) as server:
        scores = way.make(server.url).score(make_request())
    assert scores.values == way.right(make_request())
    assert scores.usage.retries == 2
    assert len(server.asked) == 3


def test_a_slow_server_and_a_trickling_one_are_given_up_in_time(way: Way) -> None:
    with way.server([Behaviour(delay_s=2), Behaviour(trickle_s=0.02)]) as server:
        scores = way.make(server.url, timeout_s=0.4).score(make_request())
    assert scores.values == way.right(make_request())
    assert scores.usage.retries == 2


def test_a_server_that_is_not_there_ends_the_run(way: Way) -> None:
    with way.server() as server:
        url = server.url
    words = rf"^{way.provider} cannot be reached at {url}.*: no connection .*; is it running"
    with pytest.raises(ProviderBusyError, match=words):
        way.make(url, attempts=3).score(make_request())


def test_a_query_fails_when_its_attempts_are_used_up(way: Way) -> None:
    with (
        way.server(lambda asked: Behaviour(500, {})) as server,
        pytest.raises(RerankerError, match=r"in 4 attempts over .* the last one: answered 500"),
    ):
        way.make(server.url, attempts=4).score(make_request())
    assert len(server.asked) == 4


def test_an_error_with_another_status_is_quoted_when_it_does_not_pass(way: Way) -> None:
    said = {"error": {"message": "the model is loading", "code": 503}}
    with (
        way.server(lambda asked: Behaviour(200, said)) as server,
        pytest.raises(RerankerError, match="the last one: answered 200 with an error: the model is loading"),
    ):
        way.make(server.url, attempts=2).score(make_request())


def test_no_attempt_begins_after_the_deadline(way: Way) -> None:
    clock = SkippingClock()
    with way.server(lambda asked: Behaviour(503, {}, {"retry-after": "40"})) as server, pytest.raises(RerankerError):
        way.make(server.url, ApiClient(clock=clock), deadline_s=100, attempts=50).score(make_request())
    assert len(server.asked) == 3
    assert clock.skipped_s < 100


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after": "7"}, 7.0, 7.25),
        ({"retry-after": "0"}, 0.0, 0.25),
        ({"retry-after": "0.5"}, 0.5, 0.75),
        ({"retry-after": "60", "retry-after-ms": "1500"}, 1.5, 1.75),
        ({"retry-after": "Mon, 23 Nov 2020 12:00:00 GMT"}, 0.0, 0.25),
        ({"retry-after": "-5"}, 0.25, 0.75),
        ({"retry-after": "soon"}, 0.25, 0.75),
        ({"retry-after": ""}, 0.25, 0.75),
        ({"retry-after": "1e400"}, 0.25, 0.75),
        ({}, 0.25, 0.75),
    ],
    ids=str,
)
def test_the_wait_that_a_provider_asks_for_is_kept_to_and_without_a_word_it_is_half_a_second(
    headers: dict[str, str], least: float, most: float, way: Way
) -> None:
    clock = SkippingClock()
    with way.server([Behaviour(429, {}, headers)]) as server:
        scores = way.make(server.url, ApiClient(clock=clock)).score(make_request())
    assert scores.usage.retries == 1
    assert least <= clock.skipped_s <= most + 0.01


@pytest.mark.parametrize(
    ("status", "value"), [(429, "Mon, 23 Nov 2099 12:00:00 GMT"), (503, "99999999"), (529, "61"), (200, "3600")]
)
def test_an_absurd_wait_ends_the_run_at_once(status: int, value: str, way: Way) -> None:
    client = ApiClient(clock=SkippingClock())
    with way.server([Behaviour(status, b"<html>", {"retry-after": value})]) as server:
        reranker = way.make(server.url, client)
        for query in ("how", "another"):
            with pytest.raises(
                ProviderBusyError, match=rf"^{way.provider} answered {status}.*: the provider asks to wait \d+ s"
            ):
                reranker.score(make_request(text=query))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, r"PROVIDER refuses the key in PLANTED_API_KEY for the model rerank-v3\.5 \(401: invalid api token\)"),
        (403, r"PROVIDER refuses the key in PLANTED_API_KEY"),
        (402, r"PROVIDER refuses the key in PLANTED_API_KEY"),
        (404, r"PROVIDER has no model 'rerank-v3\.5' at http://127[0-9.:]+PATH \(404: invalid api token\)"),
        (410, r"has no model"),
        (307, r"sends elsewhere \(307\)"),
        (400, r"does not accept the request \(400: invalid api token\); it has accepted none yet"),
        (422, r"does not accept the request \(422"),
    ],
)
def test_what_no_other_query_would_pass_ends_the_run_at_once(status: int, words: str, way: Way) -> None:
    client, words = ApiClient(clock=SkippingClock()), words.replace("PROVIDER", way.provider).replace("PATH", way.path)
    with way.server(lambda asked: Behaviour(status, {"message": "invalid api token"})) as server:
        reranker = way.make(server.url, client)
        with pytest.raises(RefusedError, match=words) as caught:
            reranker.score(make_request())
        with pytest.raises(RefusedError, match=words):
            reranker.score(make_request("q2", "another"))
    assert len(server.asked) == 1
    assert caught.value.exit_code == 2


def test_a_request_that_is_refused_after_others_were_accepted_fails_alone(way: Way) -> None:
    with way.server([GOOD, Behaviour(400, {"message": "too long"})]) as server:
        reranker = way.make(server.url)
        reranker.score(make_request())
        with pytest.raises(RerankerError, match=r"does not accept the request \(400: too long\)$"):
            reranker.score(make_request("q2", "another"))
        assert reranker.score(make_request("q3", "third")).usage.retries == 0


def test_with_failures_at_random_the_scores_are_those_of_a_clean_run_and_nothing_is_fetched_twice(
    way: Way, tmp_path: Path
) -> None:
    faults = [Behaviour(429, {}), Behaviour(500, {}), Behaviour(drop=True), Behaviour(cut=40)]
    good: list[str] = []

    def behave(asked: Asked) -> Behaviour:
        if fault := fault_at_random(asked, faults):
            return fault
        good.append(str(asked.body))
        return GOOD

    requests = [make_request(f"q{i}", f"query {i % 60}") for i in range(100)]
    with way.server() as clean:
        flawless = way.make(clean.url)
        expected = [flawless.score(request).values for request in requests]
    with way.server(behave) as server, Store(tmp_path / "s.sqlite") as store:
        reranker = way.make(server.url, ApiClient(store, clock=SkippingClock()), concurrency=8)
        with ThreadPoolExecutor(8) as pool:
            values = [scores.values for scores in pool.map(reranker.score, requests)]
        again = [reranker.score(request) for request in requests]
    assert values == expected
    assert [scores.values for scores in again] == expected
    assert all(scores.calls[0].reused for scores in again)
    assert len(good) == len(set(good)) == 60


@pytest.mark.parametrize(
    "extra", [r'"\ud83d"', r'{"\udc00": 1}', "[" * 95 + "]" * 95, "1e999", "1" * 4000], ids=lambda x: x[:9]
)
def test_an_answer_is_kept_whatever_else_it_holds(extra: str, way: Way, tmp_path: Path) -> None:
    """Half of a surrogate pair cannot be written in UTF-8, and a deep list not by everything that reads one."""

    def behave(asked: Asked) -> Behaviour:
        return Behaviour(content=json.dumps(way.answer(asked.body) | {"x": "EXTRA"}).replace('"EXTRA"', extra).encode())

    with way.server(behave) as server, Store(tmp_path / "s.sqlite") as store:
        for _ in range(2):
            assert way.make(server.url, ApiClient(store), attempts=1).score(make_request()).values == way.right(
                make_request()
            )
    assert len(server.asked) == 1
    assert all(row.answer["body"]["x"] for row in read_kept(tmp_path / "s.sqlite"))


def test_when_the_run_ends_nothing_more_is_sent_and_nobody_keeps_waiting(way: Way) -> None:
    client = ApiClient()
    with way.server(lambda asked: Behaviour(503, {}, {"retry-after": "50"})) as server:
        reranker = way.make(server.url, client)
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(reranker.score, make_request(f"q{i}", f"query {i}")) for i in range(4)]
            while len(server.asked) < 4:
                time.sleep(0.01)
            client.stop()
            for future in waiting:
                with pytest.raises(RunStoppingError):
                    future.result(timeout=10)
        asked = len(server.asked)
        with pytest.raises(RunStoppingError):
            reranker.score(make_request("q9", "query 9"))
    assert len(server.asked) == asked == 4


def test_the_run_ends_before_the_call_that_would_pass_the_budget_and_goes_on_with_a_larger_one(
    way: Way, tmp_path: Path
) -> None:
    unit: Unit = "input_token" if way.is_chat else "search"
    prices = Prices([Price(way.provider, MODEL, unit, 0.01, date(2026, 11, 23), "test")])
    requests = [make_request(f"q{number}", f"query {number}") for number in range(6)]
    with way.server() as server, Store(tmp_path / "s.sqlite") as store:
        budget = Budget(prices, limit_usd=4.5 if way.is_chat else 0.045)
        reranker = way.make(server.url, ApiClient(store, budget))
        for request in requests[:4]:
            reranker.score(request)
        for request in requests[4:]:
            with pytest.raises(BudgetError, match=rf"is reached: .* the next call to {way.provider} costs up to"):
                reranker.score(request)
        assert len(server.asked) == 4
        assert budget.spent.usd == pytest.approx(4.0 if way.is_chat else 0.04)
        larger = way.make(server.url, ApiClient(store, Budget(prices, limit_usd=100.0)))
        assert [larger.score(request).values for request in requests] == [way.right(request) for request in requests]
    assert len(server.asked) == 6
