"""What becomes of each fault of a provider, through the real SDK and the real HTTP client, with waits that take no time."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.calls.client import ApiClient
from rerank_eval.errors import ProviderBusyError, RefusedError, RerankerError, RunStoppingError
from rerank_eval.rerankers.cohere import Cohere
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.store import Store
from tests.clocks import SkippingClock
from tests.fakes import make_request
from tests.fault_server import GOOD, Asked, Behaviour, FaultServer, fault_at_random, relevance, with_scores

KEY = "co-planted-4f1c9d2e7a"
RIGHT = [relevance("how", text) for text in ("one", "two", "three")]
Make = Callable[..., Cohere | HttpRerank]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHERE_API_KEY", KEY)


@pytest.fixture(params=["sdk", "http"])
def make(request: pytest.FixtureRequest) -> Make:
    def made(url: str, client: ApiClient | None = None, **calls: Any) -> Cohere | HttpRerank:
        client = client or ApiClient(clock=SkippingClock())
        if request.param == "sdk":
            return Cohere("rerank-v3.5", base_url=url, calls=calls).with_calls(client)
        address = f"{url}/v2/rerank"
        return HttpRerank(address, "rerank-v3.5", "cohere", api_key_env="COHERE_API_KEY", calls=calls).with_calls(
            client
        )

    return made


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
        Behaviour(content=b""),
        Behaviour(content=b"not gzip", headers={"content-encoding": "gzip"}),
        Behaviour(content=b"\xff\xfe"),
        Behaviour(content=b"[" * 100_000),
    ],
    ids=lambda fault: f"{fault.status}-{fault.drop}-{fault.cut}-{str(fault.content)[:12]}-{list(fault.headers)}",
)
def test_what_may_pass_is_tried_again_and_counted(fault: Behaviour, make: Make) -> None:
    with FaultServer([fault, fault]) as server:
        scores = make(server.url).score(make_request())
    assert scores.values == RIGHT
    assert scores.usage.retries == 2
    assert len(server.asked) == 3


def test_a_slow_server_and_a_trickling_one_are_given_up_in_time(make: Make) -> None:
    with FaultServer([Behaviour(delay_s=2), Behaviour(trickle_s=0.02)]) as server:
        scores = make(server.url, timeout_s=0.4).score(make_request())
    assert scores.values == RIGHT
    assert scores.usage.retries == 2


def test_a_server_that_is_not_there_fails_the_query_and_says_how_often_it_was_tried(make: Make) -> None:
    with FaultServer() as server:
        url = server.url
    with pytest.raises(RerankerError, match=r"cohere gave no answer in 3 attempts .*no connection"):
        make(url, attempts=3).score(make_request())


def test_a_query_fails_when_its_attempts_are_used_up(make: Make) -> None:
    with (
        FaultServer(lambda asked: Behaviour(500, {})) as server,
        pytest.raises(RerankerError, match=r"in 4 attempts over .* the last one: answered 500"),
    ):
        make(server.url, attempts=4).score(make_request())
    assert len(server.asked) == 4


def test_no_attempt_begins_after_the_deadline(make: Make) -> None:
    clock = SkippingClock()
    with FaultServer(lambda asked: Behaviour(503, {}, {"retry-after": "40"})) as server, pytest.raises(RerankerError):
        make(server.url, ApiClient(clock=clock), deadline_s=100, attempts=50).score(make_request())
    assert len(server.asked) == 3
    assert clock.skipped_s < 100


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("0.5", 0.5), ("Mon, 23 Nov 2099 12:00:00 GMT", None), ("99999999", None)]
)
def test_the_wait_that_a_provider_asks_for_is_kept_to_unless_it_is_absurd(
    value: str, seconds: float | None, make: Make
) -> None:
    clock = SkippingClock()
    with FaultServer([Behaviour(429, {}, {"retry-after": value})]) as server:
        reranker = make(server.url, ApiClient(clock=clock))
        if seconds is None:
            with pytest.raises(ProviderBusyError, match=r"cohere answered 429: the provider asks to wait \d+ s"):
                reranker.score(make_request())
            assert len(server.asked) == 1
        else:
            reranker.score(make_request())
            assert seconds <= clock.skipped_s < seconds + 0.5


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, r"cohere refuses the key in COHERE_API_KEY for the model rerank-v3\.5 \(401: invalid api token\)"),
        (403, r"refuses the key in COHERE_API_KEY"),
        (402, r"refuses the key in COHERE_API_KEY"),
        (404, r"cohere has no model 'rerank-v3\.5' at http://127.*/v2/rerank \(404: invalid api token\)"),
        (410, r"has no model"),
        (307, r"sends elsewhere \(307\)"),
        (400, r"does not accept the request \(400: invalid api token\); it has accepted none yet"),
        (422, r"does not accept the request \(422"),
    ],
)
def test_what_no_other_query_would_pass_ends_the_run_at_once(status: int, words: str, make: Make) -> None:
    client = ApiClient(clock=SkippingClock())
    with FaultServer(lambda asked: Behaviour(status, {"message": "invalid api token"})) as server:
        reranker = make(server.url, client)
        with pytest.raises(RefusedError, match=words) as caught:
            reranker.score(make_request())
        with pytest.raises(RefusedError, match=words):
            reranker.score(make_request("q2", "another"))
    assert len(server.asked) == 1
    assert caught.value.exit_code == 2


def test_a_request_that_is_refused_after_others_were_accepted_fails_alone(make: Make) -> None:
    with FaultServer([GOOD, Behaviour(400, {"message": "too long"})]) as server:
        reranker = make(server.url)
        reranker.score(make_request())
        with pytest.raises(RerankerError, match=r"does not accept the request \(400: too long\)$"):
            reranker.score(make_request("q2", "another"))
        assert reranker.score(make_request("q3", "third")).usage.retries == 0


def _set(index: int, field: str, value: Any) -> Callable[[list[dict[str, Any]]], Any]:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, field: value} if row["index"] == index else row for row in rows]

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set(1, "relevance_score", float("nan")), "the score nan for document 1"),
        (_set(1, "relevance_score", float("inf")), "the score inf for document 1"),
        (_set(1, "relevance_score", "0.5"), "the score '0.5' for document 1"),
        (_set(1, "relevance_score", None), "the score None for document 1"),
        (_set(1, "relevance_score", True), "the score True for document 1"),
        (_set(1, "index", 0), "document 0 twice"),
        (_set(1, "index", 3), "the index 3 for 3 documents"),
        (_set(1, "index", -1), "the index -1 for 3 documents"),
        (_set(1, "index", "1"), "the index '1' for 3 documents"),
        (_set(1, "index", 1.0), r"the index 1\.0 for 3 documents"),
        (_set(1, "index", True), "the index True for 3 documents"),
        (lambda rows: [row for row in rows if row["index"] != 1], "2 of 3 documents; document 1 is missing"),
        (lambda rows: [], "0 of 3 documents; document 0 is missing"),
        (lambda rows: None, "NoneType where the list of results should be"),
        (lambda rows: {"index": 0}, "dict where the list"),
        (lambda rows: ["0.5", 1, 2], "a result that is no object: '0.5'"),
    ],
)
def test_an_answer_that_is_none_fails_the_query_is_not_repaired_and_not_kept(
    change: Callable[[list[dict[str, Any]]], Any], words: str, make: Make, tmp_path: Path
) -> None:
    def behave(asked: Asked) -> Behaviour:
        return GOOD if asked.turn else with_scores(asked.body, change)

    with FaultServer(behave) as server, Store(tmp_path / "s.sqlite") as store:
        reranker = make(server.url, ApiClient(store, clock=SkippingClock()))
        with pytest.raises(RerankerError, match=words):
            reranker.score(make_request())
        assert len(server.asked) == 1
        assert reranker.score(make_request()).values == RIGHT


def test_an_answer_without_any_object_fails_the_query(make: Make) -> None:
    with FaultServer([Behaviour(content=[1, 2]), Behaviour(content="words")]) as server:
        reranker = make(server.url)
        for _ in range(2):
            with pytest.raises(RerankerError, match="NoneType where the list of results should be"):
                reranker.score(make_request())


def test_with_failures_at_random_the_scores_are_those_of_a_clean_run_and_nothing_is_fetched_twice(
    make: Make, tmp_path: Path
) -> None:
    faults = [Behaviour(429, {}), Behaviour(500, {}), Behaviour(drop=True), Behaviour(cut=40)]
    good: list[Mapping[str, Any]] = []

    def behave(asked: Asked) -> Behaviour:
        if fault := fault_at_random(asked, faults):
            return fault
        good.append(asked.body)
        return GOOD

    requests = [make_request(f"q{i}", f"query {i % 60}") for i in range(100)]
    with FaultServer() as clean:
        flawless = make(clean.url)
        expected = [flawless.score(request).values for request in requests]
    with FaultServer(behave) as server, Store(tmp_path / "s.sqlite") as store:
        reranker = make(server.url, ApiClient(store, clock=SkippingClock()), concurrency=8)
        with ThreadPoolExecutor(8) as pool:
            values = [scores.values for scores in pool.map(reranker.score, requests)]
        again = [reranker.score(request) for request in requests]
    assert values == expected
    assert [scores.values for scores in again] == expected
    assert all(scores.calls[0].reused for scores in again)
    queries = [body["query"] for body in good]
    assert len(queries) == len(set(queries)) == 60


def test_when_the_run_ends_nothing_more_is_sent_and_nobody_keeps_waiting(make: Make) -> None:
    client = ApiClient()
    with FaultServer(lambda asked: Behaviour(503, {}, {"retry-after": "50"})) as server:
        reranker = make(server.url, client)
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
