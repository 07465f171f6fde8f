"""A reranker behind an API in an evaluation: kept answers, recorded latency, cost, and a run that ends early."""

import gzip
import io
import re
import signal
import threading
from pathlib import Path

import pytest
from rich.console import Console

from rerank_eval.evaluation.systems import System
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.results.writing import write_result
from rerank_eval.runner import EvaluationInterrupted, EvaluationStoppedError, evaluate
from rerank_eval.settings import LatencySettings
from rerank_eval.terminal.result_table import print_result
from tests.evaluation.api_runs import make, settings_for
from tests.fakes import FixedRetriever, Hashed, Recorder, make_dataset
from tests.fault_server import GOOD, Asked, Behaviour, FaultServer, rerank_answer


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


def test_only_what_an_earlier_run_was_answered_is_resumed(tmp_path: Path) -> None:
    first, second = Recorder(), Recorder()
    with FaultServer() as server:
        same = System("same", make(server.url))
        for progress in (first, second):
            systems: list[Reranker | System] = [NoReranker(), make(server.url), same]
            evaluate(make_dataset(), FixedRetriever(), systems, settings_for(tmp_path), progress)
    assert len(server.asked) == 6
    assert first.notes == []
    assert second.notes == [f"{name}: resumed 6 of 6 queries from the store" for name in ("api", "same")]


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
        result = evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path, max_error_rate=0.2))
    assert result.status == "complete"
    assert result.systems[0].depths[-1].failures == 1
    (message,) = result.failures
    assert "api failed on query q001: cohere gave no answer in 1 attempts" in message
    assert "answered 500" in message


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (Behaviour(500, {"error": "model crashed"}, delay_s=0.1), "answered 500: model crashed"),
        (Behaviour(drop=True), "connection lost"),
    ],
)
def test_a_server_that_dies_ends_the_run_which_then_goes_on_from_what_was_answered(
    broken: Behaviour, fault: str, tmp_path: Path
) -> None:
    is_dead = True

    def behave(asked: Asked) -> Behaviour:
        return broken if is_dead and asked.turn >= 2 else GOOD

    progress = Recorder()
    with FaultServer(behave) as server:
        reranker = make(server.url, calls={"concurrency": 1, "attempts": 2})
        with pytest.raises(EvaluationStoppedError) as caught:
            evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path), progress)
        before = len(server.asked)
        # not all of the other queries were tried, but what was taken up meanwhile may have been
        assert before < 2 + 2 * 4
        is_dead = False
        assert evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path)).status == "complete"
        assert len(server.asked) == before + 4
    assert caught.value.exit_code == 3
    assert caught.value.result.status == "incomplete"
    assert caught.value.result.systems[0].depths[-1].measures["nDCG@10"].num_queries == 2
    message = f"{caught.value}"
    assert message.startswith(
        "api: 1 of 6 queries failed, more than a share of 0 (max_error_rate, in further passes at least 0.5); the first: api failed on query q002: cohere gave no answer in 2 attempts"
    )
    assert fault in message
    assert message.endswith("; the same command resumes from the store")
    (note,) = progress.notes
    assert note.startswith(f"cohere: {fault}")
    assert re.search(r"; tried again in 0\.\d s, a call up to 2 times in all$", note)


def test_a_run_ends_only_when_more_queries_have_failed_than_it_may_do_without(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, max_error_rate=0.4, store_path=None)
    with FaultServer(lambda _: Behaviour(500, {}, delay_s=0.1)) as server:
        reranker = make(server.url, calls={"concurrency": 1, "attempts": 1})
        with pytest.raises(EvaluationStoppedError) as caught:
            evaluate(make_dataset(), FixedRetriever(), [reranker], settings)
    message = f"{caught.value}"
    assert message.startswith(
        "api: 3 of 6 queries failed, more than a share of 0.4 (max_error_rate, in further passes at least 0.5); the first: "
    )
    assert message.endswith("; store.path=null keeps no answers, so the same command begins anew")
    assert len(server.asked) < 6


@pytest.mark.usefixtures("interruptible")
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
        assert f"{caught.value}".endswith("; the same command resumes from the store")
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
        if asked.turn == 2:
            return Behaviour(500, {"error": echo})
        return Behaviour(content={**rerank_answer(asked.body), "echo": echo}, headers={"x-echo": echo})

    progress = Recorder()
    with FaultServer(behave) as server:
        reranker = make(server.url, api_key_env="PLANTED_KEY", calls={"concurrency": 1})
        settings = settings_for(tmp_path, max_error_rate=0.5)
        result = evaluate(make_dataset(), FixedRetriever(), [reranker], settings, progress)
    assert len(result.failures) == 1
    (note,) = progress.notes
    assert note.startswith("cohere: answered 500: Bearer [api key removed]; tried again")
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
