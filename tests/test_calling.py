"""A reranker behind an API in an evaluation: kept answers, recorded latency, cost, and a run that ends early."""

import gzip
import io
import signal
import threading
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rerank_eval.calling import cost_usd
from rerank_eval.calls.prices import Price, Prices
from rerank_eval.configuration import CONF
from rerank_eval.depth_results import DepthResult
from rerank_eval.errors import BudgetError, ConfigError
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.cascade import Cascade
from rerank_eval.rerankers.fusion import Fusion
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.results import write_result
from rerank_eval.runner import EvaluationInterrupted, EvaluationStoppedError, evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.terminal import print_result
from rerank_eval.types import CallTiming, Usage
from tests.fakes import FixedRetriever, Hashed, make_dataset
from tests.fault_server import GOOD, Asked, Behaviour, FaultServer, rerank_answer

NO_LATENCY = LatencySettings(queries=0)


def make(url: str, **settings: Any) -> HttpRerank:
    response = {"search_units": "meta.billed_units.search_units"}
    return HttpRerank(url, "rerank-v4.0-pro", "cohere", "api", response=response, **settings)


def settings_for(tmp_path: Path, **changes: Any) -> Settings:
    base = {"depths": (3, 6), "store_path": tmp_path / "s.sqlite", "latency": NO_LATENCY}
    return Settings(**{**base, "prices_path": CONF / "prices.yaml", **changes})


def test_latency_is_what_the_answers_took_and_no_call_is_made_to_time_it(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, latency=LatencySettings(queries=2, warmup=1))
    with FaultServer([Behaviour(503, {}, {"retry-after": "0"})]) as server:
        result = evaluate(make_dataset(), FixedRetriever(), [make(server.url), Hashed()], settings)
        again = evaluate(make_dataset(), FixedRetriever(), [make(server.url), Hashed()], settings)
    assert len(server.asked) == 7
    for found in (result, again):
        api = {depth.depth: depth for depth in found.systems[0].depths}
        assert api[3].latency is None
        assert api[6].latency is not None
        assert (api[6].latency["source"], api[6].latency["count"]) == ("recorded", 6)
        assert {sample.depth for sample in found.latency if sample.system == "api"} == {6}
        assert any("api: its latency is recorded, from 6 calls between 20" in warning for warning in found.warnings)
        local = found.systems[1].depths[1].latency
        assert local is not None
        assert local["source"] == "measured"
    assert [s.nanoseconds for s in result.latency if s.system == "api"] == [
        s.nanoseconds for s in again.latency if s.system == "api"
    ]
    assert (result.systems[0].reused_answers, again.systems[0].reused_answers) == (0, 6)
    assert result.runs["api", 6] == again.runs["api", 6]


def usage_of(depth: DepthResult) -> Mapping[str, Any]:
    assert depth.usage is not None
    return depth.usage


def test_usage_times_price_is_the_cost_also_of_answers_paid_for_before(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with FaultServer() as server:
        for _ in range(2):
            result = evaluate(make_dataset(), FixedRetriever(), [make(server.url)], settings)
            usage = usage_of(result.systems[0].depths[-1])
            assert usage["search_units"] == 6
            assert usage["usd"] == pytest.approx(6 * 0.0025)
        unknown = evaluate(
            make_dataset(), FixedRetriever(), [make(server.url)], settings_for(tmp_path, prices_path=None)
        )
    assert usage_of(unknown.systems[0].depths[-1])["usd"] is None


def test_a_server_declared_free_costs_nothing_though_it_counts_nothing(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "[{provider: tei, model: m, unit: search, price: 0, per: 1, currency: USD, valid_from: 2026-01-01, source: mine}]"
    )
    settings = settings_for(tmp_path, own_prices_path=own, budget_usd=0.01)
    with FaultServer([Behaviour(content=b"{")]) as server:
        systems = [HttpRerank(server.url, "m", "tei", "free"), make(server.url)]
        with pytest.raises(EvaluationStoppedError) as caught:
            evaluate(make_dataset(), FixedRetriever(), systems, settings)
    assert usage_of(caught.value.result.systems[0].depths[-1])["usd"] == 0
    assert usage_of(caught.value.result.systems[1].depths[-1])["usd"] == pytest.approx(4 * 0.0025)
    assert caught.value.result.warnings[-1].endswith("1 attempts without an answer may have cost up to 0.0000 USD more")


def test_a_run_says_what_it_spent_itself(tmp_path: Path) -> None:
    unusable = {"results": [], "meta": {"billed_units": {"search_units": 1}}}
    faults = [Behaviour(500), Behaviour(content=b"{"), Behaviour(content=unusable)]
    with FaultServer(faults) as server:
        reranker = make(server.url, calls={"concurrency": 1})
        first = evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path, max_error_rate=0.5))
        second = evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path))
        third = evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path))
        unknown = evaluate(
            make_dataset(),
            FixedRetriever(),
            [reranker],
            settings_for(tmp_path, prices_path=None, store_path=None),
        )
    said = [[text for text in found.warnings if "this run spent" in text] for found in (first, second, third, unknown)]
    assert [sentences[0].split(";")[0] if sentences else None for sentences in said] == [
        "this run spent 0.0150 USD on 6 answers",
        "this run spent 0.0025 USD on 1 answers",
        None,
        "this run spent an unknown sum on 6 answers",
    ]
    assert said[0][0].endswith("; 1 attempts without an answer may have cost up to 0.0025 USD more")
    assert len(first.failures) == 1
    assert usage_of(first.systems[0].depths[-1])["usd"] == pytest.approx(5 * 0.0025)
    spent = [found.provenance["spent_usd"] for found in (first, second, third, unknown)]
    assert spent == [pytest.approx(6 * 0.0025), pytest.approx(0.0025), 0, None]


def test_a_call_costs_what_it_cost_on_its_day_and_one_without_a_day_is_not_known() -> None:
    prices = Prices([Price("p", "m", "search", usd, date(2026, month, 1), "s") for usd, month in ((0.1, 1), (0.2, 6))])

    def call(started: str) -> CallTiming:
        return CallTiming(1, started, 1, True, "p", "m", Usage(search_units=1))

    before, after = call("2026-05-31T23:59:59.999+00:00"), call("2026-06-01T00:00:00.000+00:00")
    assert cost_usd(prices, [before]) == pytest.approx(0.1)
    assert cost_usd(prices, [before, after]) == pytest.approx(0.3)
    assert cost_usd(prices, [before, call("")]) is None


def test_the_budget_ends_the_run_before_it_is_passed_and_the_same_one_goes_on_in_the_next(tmp_path: Path) -> None:
    with FaultServer() as server:
        with pytest.raises(EvaluationStoppedError, match=r"the budget of 0\.01 USD is reached.* per run") as caught:
            evaluate(make_dataset(), FixedRetriever(), [make(server.url)], settings_for(tmp_path, budget_usd=0.01))
        assert len(server.asked) == 4
        assert isinstance(caught.value.__cause__, BudgetError)
        assert caught.value.exit_code == 3
        assert caught.value.result.status == "incomplete"
        assert caught.value.result.systems[0].depths[-1].measures["nDCG@10"].num_queries == 4
        whole = evaluate(make_dataset(), FixedRetriever(), [make(server.url)], settings_for(tmp_path, budget_usd=0.01))
    assert whole.status == "complete"
    assert len(server.asked) == 6


def test_a_budget_without_a_price_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, prices_path=None, budget_usd=1.0)
    with FaultServer() as server, pytest.raises(ConfigError, match=r"no price for cohere rerank-v4\.0-pro; add it"):
        evaluate(make_dataset(), FixedRetriever(), [make(server.url)], settings)
    assert server.asked == []


def test_a_refused_key_ends_the_run_at_once_and_keeps_what_others_found(tmp_path: Path) -> None:
    with FaultServer(lambda asked: Behaviour(401, {"message": "no"})) as server:
        systems: list[Reranker] = [Hashed(), make(server.url, calls={"concurrency": 1})]
        with pytest.raises(EvaluationStoppedError, match="cohere refuses a call without a key") as caught:
            evaluate(make_dataset(), FixedRetriever(), systems, settings_for(tmp_path))
    assert len(server.asked) == 1
    assert caught.value.exit_code == 2
    local, api = caught.value.result.systems
    assert local.depths[-1].measures["nDCG@10"].num_queries == 6
    assert api.has_no_value


def test_a_query_that_is_not_answered_fails_alone_and_is_counted(tmp_path: Path) -> None:
    def behave(asked: Asked) -> Behaviour:
        return Behaviour(500, {}) if "pass question" in asked.body["query"] else GOOD

    with FaultServer(behave) as server:
        reranker = make(server.url, calls={"attempts": 1})
        result = evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path))
    assert result.status == "not_evaluable"
    assert result.systems[0].depths[-1].failures == 1
    (message,) = result.failures
    assert "api failed on query q001: cohere gave no answer in 1 attempts" in message
    assert "answered 500" in message


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """A shell starts background jobs with SIGINT ignored, and Python then leaves it so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_keeps_what_is_in_flight_and_waits_for_nothing(tmp_path: Path) -> None:
    main = threading.main_thread().ident
    assert main is not None
    is_over = threading.Event()

    def behave(asked: Asked) -> Behaviour:
        if is_over.is_set():
            return GOOD
        if asked.turn == 2:
            signal.pthread_kill(main, signal.SIGINT)
            return Behaviour(delay_s=0.3)
        return GOOD if asked.turn < 2 else Behaviour(503, {}, {"retry-after": "50"})

    with FaultServer(behave) as server:
        reranker = make(server.url, calls={"concurrency": 1})
        with pytest.raises(EvaluationInterrupted) as caught:
            evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path))
        assert caught.value.result.status == "incomplete"
        assert len(server.asked) == 3
        is_over.set()
        resumed = evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path))
    assert resumed.status == "complete"
    assert len(server.asked) == 6
    assert not any(asked.again for asked in server.asked)


def test_a_key_that_the_server_echoes_is_in_no_file_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_KEY", "planted-4f1c9d2e7a")

    def behave(asked: Asked) -> Behaviour:
        echo = asked.headers["authorization"]
        if asked.turn == 1:
            return Behaviour(400, {"message": echo})
        return Behaviour(content={**rerank_answer(asked.body), "echo": echo}, headers={"x-echo": echo})

    with FaultServer(behave) as server:
        reranker = make(server.url, api_key_env="PLANTED_KEY", calls={"concurrency": 1})
        result = evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path))
    assert len(result.failures) == 1
    folder = write_result(result, tmp_path / "results")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    contents = [gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in files]
    assert (folder / "result.json") in files
    assert b"[api key removed]" in (tmp_path / "s.sqlite").read_bytes()
    assert not any(b"planted-4f1c9d2e7a" in content for content in contents)


def test_the_total_latency_is_over_the_queries_that_were_timed_with_the_first_stage(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, latency=LatencySettings(queries=2, warmup=0))
    with FaultServer() as server:
        result = evaluate(make_dataset(), FixedRetriever(), [make(server.url)], settings)
    latency, total = result.systems[0].depths[-1].latency, result.systems[0].depths[-1].total_latency
    assert latency is not None
    assert total is not None
    assert (latency["count"], total["count"], total["source"]) == (6, 2, "recorded")
    by_query = {(sample.query_id, sample.depth): sample.nanoseconds / 1e6 for sample in result.latency}
    both = [by_query[query, 6] + by_query[query, 0] for query, depth in by_query if depth == 0]
    assert total["mean_ms"] == pytest.approx(sum(both) / 2)


def test_a_composite_costs_what_the_calls_of_all_its_parts_cost_and_its_latency_is_that_of_its_calls(
    tmp_path: Path,
) -> None:
    with FaultServer() as server:
        first, second = make(server.url), make(f"{server.url}/other")
        cascade = Cascade({"wide": first, "narrow": second}, [2], "both")
        result = evaluate(make_dataset(), FixedRetriever(), [cascade, Fusion(first, "fused")], settings_for(tmp_path))
    both, fused = (system.depths[-1] for system in result.systems)
    assert usage_of(both)["usd"] == pytest.approx(2 * 6 * 0.0025)
    assert usage_of(fused)["usd"] == pytest.approx(6 * 0.0025)
    for depth in (both, fused):
        assert depth.latency is not None
        assert (depth.latency["source"], depth.latency["count"]) == ("recorded", 6)
    assert not any(asked.again for asked in server.asked)  # the fusion asks what the cascade has


def test_with_a_local_stage_the_cost_is_known_and_the_latency_is_not(tmp_path: Path) -> None:
    with FaultServer() as server:
        cascade = Cascade({"wide": Hashed(), "narrow": make(server.url)}, [2], "mixed")
        result = evaluate(make_dataset(), FixedRetriever(), [cascade], settings_for(tmp_path))
    assert usage_of(result.systems[0].depths[-1])["usd"] == pytest.approx(6 * 0.0025)
    assert result.systems[0].depths[-1].latency is None
    assert "mixed: its latency is not known: its 12 calls are not all that takes time" in result.warnings


def test_a_price_that_one_part_lacks_makes_the_cost_of_the_whole_unknown(tmp_path: Path) -> None:
    with FaultServer() as server:
        unpriced = HttpRerank(server.url, "other", "elsewhere", "unpriced")
        cascade = Cascade({"wide": make(server.url), "narrow": unpriced}, [2], "both")
        result = evaluate(make_dataset(), FixedRetriever(), [cascade], settings_for(tmp_path))
    assert usage_of(result.systems[0].depths[-1])["usd"] is None


def test_the_table_tells_recorded_latency_from_measured(tmp_path: Path) -> None:
    with FaultServer() as server:
        settings = settings_for(tmp_path, latency=LatencySettings(queries=2, warmup=0))
        result = evaluate(make_dataset(), FixedRetriever(), [make(server.url), Hashed()], settings)
    console = Console(file=io.StringIO(), width=250)
    print_result(result, console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    cells = {tuple(line.split()[:2]): line.split()[-2] for line in lines if line.split()[:1] in (["api"], ["hashed"])}
    assert cells["api", "6"].endswith("*")
    assert cells["api", "3"] == "n/a"
    assert not cells["hashed", "6"].endswith("*")
    footnote = (
        "one query at a time on this machine; of api (marked *) as recorded when its provider answered; at depth 0"
    )
    assert any(footnote in line for line in lines)
