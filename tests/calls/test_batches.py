"""Message batches in an evaluation: the same scores for half the price, without a latency, and within the budget."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.dry_run import estimate_calls
from rerank_eval.errors import BudgetError, ConfigError
from rerank_eval.rerankers.listwise import Listwise
from rerank_eval.rerankers.pairwise import Pairwise
from rerank_eval.rerankers.pointwise import Pointwise
from rerank_eval.rerankers.setwise import Setwise
from rerank_eval.results.writing import write_result
from rerank_eval.runner import EvaluationStoppedError, evaluate
from rerank_eval.settings import StabilitySettings
from tests.calls.batch_runs import DATASET, NUM, deepest, make, run, settings_for, usd
from tests.calls.batch_server import BatchServer, Rows, errored
from tests.chat_server import claude_answer
from tests.fakes import FixedRetriever, make_request
from tests.fault_server import GOOD, Asked, Behaviour

pytest.importorskip("anthropic")
KEY = "sk-planted-5e2b7c90d1"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.mark.parametrize(
    ("kind", "settings", "num_batches"),
    [
        (Listwise, {"window": 4, "stride": 2}, 4),
        (Pointwise, {"documents_per_call": 5}, 2),
        (Setwise, {"sort": "bubble", "top": 1, "group": 4}, 3),
        (Pairwise, {"sort": "heap", "top": 2}, None),
    ],
)
def test_the_scores_are_those_of_single_questions_for_half_the_price_and_without_latency(
    kind: Any, settings: dict[str, Any], num_batches: int | None, tmp_path: Path
) -> None:
    with BatchServer(looks=2) as server:
        gather_s = 0.05 if num_batches is None else 60  # where every batch is full, none is waited for
        together = run(make(server, kind, gather_s=gather_s, **settings), tmp_path)
        assert not [asked for asked in server.asked if asked.path == "/v1/messages"]
        alone = run(make(server, kind, queries=None, **settings), tmp_path / "alone")
        num_single = sum(asked.path == "/v1/messages" for asked in server.asked)
    assert together.runs == alone.runs
    assert deepest(together).measures == deepest(alone).measures
    assert usd(together) == pytest.approx(usd(alone) / 2)
    assert deepest(together).latency is None
    assert not together.latency
    assert deepest(alone).latency is not None
    assert len(server.custom_ids) == len(set(server.custom_ids)) == num_single
    if num_batches is not None:
        assert [len(questions) for questions in server.questions] == [NUM] * num_batches
    (said,) = [warning for warning in together.warnings if "batches" in warning]
    assert said.endswith(
        f"{num_single} of its {num_single} calls were asked in batches, and so there is no latency for it"
    )


@pytest.mark.parametrize("batch_first", [True, False])
def test_an_answer_serves_the_other_way_of_asking_and_stays_what_it_was(batch_first: bool, tmp_path: Path) -> None:
    with BatchServer() as server:
        ways = (NUM, None) if batch_first else (None, NUM)
        before = run(make(server, queries=ways[0]), tmp_path)
        num_asked = len(server.asked)
        after = run(make(server, queries=ways[1]), tmp_path)
        assert len(server.asked) == num_asked
    assert usd(after) == usd(before)
    assert after.runs == before.runs
    assert (deepest(after).latency is None) is (deepest(before).latency is None) is batch_first


def test_what_is_not_kept_is_not_asked_in_batches(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, store_path=None)
    with BatchServer() as server:
        for work in (evaluate, estimate_calls):
            with pytest.raises(ConfigError, match=r"\(batch.queries\), and store.path is null"):
                work(DATASET, FixedRetriever(), [make(server)], settings)
        with pytest.raises(ConfigError, match="batches need a store"):
            make(server).score(make_request())
    assert not server.asked


def test_the_budget_is_kept_before_a_batch_is_sent_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    windows = {"window": 4, "stride": 2}

    def bill_all_that_was_foreseen(body: Mapping[str, Any]) -> dict[str, Any]:
        foreseen = make(server).endpoint.estimate(body)
        return claude_answer(body) | {
            "usage": {"input_tokens": foreseen.input_tokens, "output_tokens": foreseen.output_tokens}
        }

    with BatchServer(answer=bill_all_that_was_foreseen) as server:
        (foreseen,) = estimate_calls(DATASET, FixedRetriever(), [make(server, **windows)], settings_for(tmp_path))
        assert foreseen.usd is not None
        for share, num_batches in ((0.1, range(1)), (0.3, range(1, 4))):
            with pytest.raises(EvaluationStoppedError) as caught:
                run(make(server, **windows), tmp_path, budget_usd=share * foreseen.usd)
            assert isinstance(caught.value.__cause__, BudgetError)
            assert len(server.questions) in num_batches
        found = run(make(server, **windows), tmp_path, budget_usd=foreseen.usd)
    assert found.status == "complete"
    assert len(server.custom_ids) == len(set(server.custom_ids)) == foreseen.calls


def test_a_dry_run_foresees_the_calls_at_half_the_price(tmp_path: Path) -> None:
    with BatchServer() as server:
        together, alone = (
            estimate_calls(
                DATASET, FixedRetriever(), [make(server, queries=queries, window=4, stride=2)], settings_for(tmp_path)
            )[0]
            for queries in (NUM, None)
        )
        assert not server.asked
        run(make(server, window=4, stride=2), tmp_path)
    assert together.usd is not None
    assert alone.usd is not None
    assert together.usd == pytest.approx(alone.usd / 2)
    assert together.calls == alone.calls == len(server.custom_ids)


def test_repeats_are_asked_anew(tmp_path: Path) -> None:
    with BatchServer() as server:
        run(make(server), tmp_path, stability=StabilitySettings(repeats=2))
    assert len(server.custom_ids) == len(set(server.custom_ids)) == 3 * NUM


def test_fewer_questions_than_fit_are_sent_when_no_more_come(tmp_path: Path) -> None:
    with BatchServer() as server:
        run(make(server, queries=5000, gather_s=1.0), tmp_path)
    assert sorted(len(questions) for questions in server.questions) == [NUM]


def test_a_batch_is_not_larger_than_what_can_be_fetched(tmp_path: Path) -> None:
    with BatchServer() as server:
        reranker = make(server, gather_s=1.0)
        run(reranker, tmp_path / "one")
        sizes = [reranker.endpoint.batches.size(question["params"]) for question in server.questions.pop()]
        reranker.endpoint.batches.most_bytes = 2 * max(sizes)
        run(reranker, tmp_path)
    assert [len(questions) for questions in server.questions] == [2] * (NUM // 2)


def test_a_key_that_the_server_echoes_is_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def echo(asked: Asked) -> Behaviour:
        assert KEY in str(asked.headers)
        return replace(GOOD, headers={"x-echo": KEY, "request-id": KEY})

    def repeat_key(rows: Rows, number: int) -> Rows:
        if number:
            return rows
        return [
            {**rows[0], "result": errored("api_error", KEY)},
            {**rows[1], "result": errored("invalid_request_error", KEY)},
            {**rows[2], KEY: KEY, "result": {"type": KEY}},
            *rows[3:],
        ]

    answer: Any = lambda body: {**claude_answer(body), "echo": KEY}  # noqa: E731
    with caplog.at_level(logging.DEBUG), BatchServer(echo, change=repeat_key, answer=answer) as server:
        result = run(make(server), tmp_path, max_error_rate=1.0)
        write_result(result, tmp_path / "results", "")
    shown = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert shown
    assert result.failures
    shown += [repr(result), repr(vars(result)), *capfd.readouterr()]
    assert not [text for text in shown if KEY in text]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
