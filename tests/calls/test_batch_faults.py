"""Message batches that go wrong: nothing is lost, nothing is paid for twice, and what comes to nothing is asked again."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.dry_run import estimate_calls
from rerank_eval.errors import ProviderBusyError, RefusedError
from rerank_eval.runner import EvaluationStoppedError
from rerank_eval.store.kept import read_kept, summarise_kept
from tests.calls.batch_runs import DATASET, NUM, deepest, make, run, settings_for
from tests.calls.batch_server import BatchServer, Rows, errored, first, is_create, is_fetch, is_look
from tests.fakes import FixedRetriever
from tests.fault_server import Asked, Behaviour

pytest.importorskip("anthropic")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "planted-4f1c9d2e7a")


def change_one(change: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> Callable[[Rows, int], Rows]:
    return lambda rows, number: rows if number else change(rows[0]) + rows[1:]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda row: [{**row, "result": errored("overloaded_error")}], "answered 529"),
        (lambda row: [{**row, "result": errored("api_error")}], "answered 500"),
        (lambda row: [{**row, "result": {"type": "expired"}}], "expired in its batch"),
        (lambda row: [{**row, "result": {"type": "canceled"}}], "was canceled in its batch"),
        (lambda row: [{**row, "result": {"type": "new"}}], "has no result that is known in its batch"),
        (lambda row: [{**row, "custom_id": "stranger"}], "its batch has no result for it"),
    ],
)
def test_a_question_without_an_answer_is_asked_again_and_the_others_are_not(
    change: Any, fault: str, tmp_path: Path
) -> None:
    with BatchServer(change=change_one(change)) as server:
        found = run(make(server), tmp_path)
    with BatchServer() as clean:
        assert found.runs == run(make(clean), tmp_path / "clean").runs
    assert [len(questions) for questions in server.questions] == [NUM, 1]
    reliability = deepest(found).reliability
    assert reliability is not None
    assert reliability.retry_rate == pytest.approx(1 / NUM)
    assert f"anthropic: 1 attempts of this run failed: 1 x {fault}" in found.warnings


@pytest.mark.parametrize("extra", ["[" * 900 + "]" * 900, "[" * 5000 + "]" * 5000], ids=len)
def test_a_result_that_is_too_deep_does_not_cost_the_whole_batch(extra: str, tmp_path: Path) -> None:
    class DeepServer(BatchServer):
        def right_answer(self, asked: Asked) -> Any:
            answer = super().right_answer(asked)
            return answer.replace(b'"msg_deep"', extra.encode()) if isinstance(answer, bytes) else answer

    def deepen(row: dict[str, Any]) -> list[dict[str, Any]]:
        message = {**row["result"]["message"], "id": "msg_deep"}
        return [{**row, "result": {**row["result"], "message": message}}]

    with DeepServer(change=change_one(deepen)) as server:
        assert deepest(run(make(server), tmp_path)).failures == 0
    assert [len(questions) for questions in server.questions] == [NUM, 1]


def test_an_answer_with_half_of_a_character_is_kept(tmp_path: Path) -> None:
    def spoil(rows: Rows, number: int) -> Rows:
        return [
            {**row, "result": {**row["result"], "message": {**row["result"]["message"], "x": "\ud83d"}}} for row in rows
        ]

    with BatchServer(change=spoil) as server:
        for _ in range(2):
            assert deepest(run(make(server), tmp_path)).failures == 0
    assert len(server.questions) == 1


def test_a_question_that_is_not_accepted_fails_its_query_only(tmp_path: Path) -> None:
    spoil = change_one(lambda row: [{**row, "result": errored("invalid_request_error", "too odd")}])
    with BatchServer(change=spoil) as server:
        found = run(make(server), tmp_path, max_error_rate=0.5)
    assert len(server.questions) == 1
    (failure,) = found.failures
    assert "anthropic does not accept the request (400: too odd)" in failure


def test_questions_of_which_none_is_accepted_end_the_run(tmp_path: Path) -> None:
    def refuse(rows: Rows, _: int) -> Rows:
        return [{**row, "result": errored("invalid_request_error")} for row in rows]

    with BatchServer(change=refuse) as server, pytest.raises(EvaluationStoppedError, match="accepted none yet"):
        run(make(server), tmp_path)
    assert len(server.questions) == 1


RETRY = {"retry-after": "0"}


@pytest.mark.parametrize(
    ("which", "fault"),
    [
        *[(is_look, fault) for fault in (Behaviour(500), Behaviour(429, {}, RETRY), Behaviour(drop=True))],
        (is_look, Behaviour(content={"processing_status": "odd"})),
        *[(is_fetch, fault) for fault in (Behaviour(500), Behaviour(drop=True), Behaviour(cut=300))],
        *[(is_fetch, Behaviour(content=text)) for text in (b"<html>", b'{"custom_id": ', b"{}\n", b"")],
    ],
)
def test_a_failed_look_loses_nothing(which: Any, fault: Behaviour, tmp_path: Path) -> None:
    with BatchServer(first(which, fault, fault)) as server:
        found = run(make(server), tmp_path)
    assert found.status == "complete"
    assert len(server.custom_ids) == NUM
    assert sum(map(is_look, server.asked)) == 3
    (said,) = [warning for warning in found.warnings if "attempts of this run failed" in warning]
    assert "asked how far a batch is" in said


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Behaviour(500, {}), "answered 500"),
        (Behaviour(529, {}), "answered 529"),
        (Behaviour(429, {}, RETRY), "answered 429"),
        (Behaviour(drop=True), "connection"),
    ],
)
def test_a_batch_that_is_not_taken_is_sent_again_and_counts_once(fault: Behaviour, words: str, tmp_path: Path) -> None:
    with BatchServer(first(is_create, fault)) as server:
        found = run(make(server), tmp_path)
    assert found.status == "complete"
    assert len(server.custom_ids) == len(set(server.custom_ids)) == NUM
    usage = deepest(found).usage
    assert usage is not None
    assert usage["retries"] == NUM
    (said,) = [warning for warning in found.warnings if "of this run failed" in warning]
    assert said.startswith("anthropic: 1 attempts of this run failed: 1 x ")
    assert words in said
    assert said.endswith(", sending a batch")


@pytest.mark.parametrize("content", [b"<html>", {"id": "../x"}, {}])
def test_a_batch_that_may_be_taken_and_cannot_be_found_again_is_not_sent_again(content: Any, tmp_path: Path) -> None:
    with BatchServer(first(is_create, Behaviour(content=content))) as server:
        stopped = stop(server, tmp_path)
    assert "does not say which it is" in f"{stopped}"
    assert re.search(
        rf"; {NUM} attempts without an answer may have cost up to 0\.\d*[1-9]\d* USD", stopped.result.warnings[-1]
    )
    assert sum(map(is_create, server.asked)) == 1


@pytest.mark.parametrize("num_short", [1, 3])
def test_results_cut_off_at_the_end_of_a_line_are_fetched_again(num_short: int, tmp_path: Path) -> None:
    num_fetched = 0

    def cut(rows: Rows, number: int) -> Rows:
        nonlocal num_fetched
        num_fetched += number == 0
        return rows[:-1] if num_fetched <= num_short and not number else rows

    with BatchServer(change=cut) as server:
        found = run(make(server), tmp_path)
    assert found.status == "complete"
    assert num_fetched == min(num_short + 1, 3)
    assert [len(questions) for questions in server.questions] == ([NUM] if num_short == 1 else [NUM, 1])


@pytest.mark.parametrize("kind", ["billing_error", "not_found_error"])
@pytest.mark.parametrize("queries", [NUM, None])
@pytest.mark.parametrize("is_interrupted", [False, True])
def test_what_errored_in_a_batch_is_asked_anew_by_the_next_run(
    kind: str, queries: int | None, is_interrupted: bool, tmp_path: Path
) -> None:
    def refuse(rows: Rows, number: int) -> Rows:
        return rows if number else [{**row, "result": errored(kind)} for row in rows]

    looks = [Behaviour(401)] if is_interrupted else []
    with BatchServer(first(is_look, *looks), change=refuse) as server:
        stop(server, tmp_path)
        assert len(list(read_kept(tmp_path / "s.sqlite"))) == NUM * is_interrupted
        assert run(make(server, queries=queries), tmp_path).status == "complete"
    assert len(server.custom_ids) == (NUM if queries is None else 2 * NUM)


def test_a_batch_whose_results_are_gone_is_asked_anew_by_the_next_run(tmp_path: Path) -> None:
    with BatchServer(first(is_fetch, Behaviour(404), Behaviour(404))) as server:
        stop(server, tmp_path)
        assert run(make(server), tmp_path).status == "complete"
    assert len(server.custom_ids) == 2 * NUM
    assert len(set(server.custom_ids)) == NUM


@pytest.mark.parametrize(
    ("which", "words"),
    [
        (is_create, r"has no batches \(batch\.queries\) beside http\S*/v1/messages \(404"),
        (is_look, r"has no batch 'msgbatch_0' \(404"),
        (is_fetch, r"has no results of the batch 'msgbatch_0' \(404"),
    ],
)
def test_what_is_not_there_is_named(which: Any, words: str, tmp_path: Path) -> None:
    with (
        BatchServer(first(which, Behaviour(404, {}))) as server,
        pytest.raises(EvaluationStoppedError, match=f"anthropic {words}"),
    ):
        run(make(server), tmp_path)


def stop(server: BatchServer, tmp_path: Path, **changes: Any) -> EvaluationStoppedError:
    with pytest.raises(EvaluationStoppedError) as caught:
        run(make(server), tmp_path, **changes)
    return caught.value


@pytest.mark.parametrize(
    ("fault", "cause", "num_looks"),
    [(Behaviour(401), RefusedError, 1), (Behaviour(404), RefusedError, 1), (Behaviour(500), ProviderBusyError, 3)],
)
@pytest.mark.parametrize("queries", [NUM, None])
def test_a_run_that_was_stopped_fetches_what_it_had_sent(
    fault: Behaviour, cause: type, num_looks: int, queries: int | None, tmp_path: Path
) -> None:
    with BatchServer(first(is_look, *[fault] * num_looks)) as server:
        stopped = stop(server, tmp_path)
        assert isinstance(stopped.__cause__, cause)
        assert sum(map(is_look, server.asked)) == num_looks
        (said,) = [warning for warning in stopped.result.warnings if "still out" in warning]
        assert said.startswith(f"anthropic: {NUM} questions are still out in the batches msgbatch_0; they are paid for")
        (group,) = summarise_kept(read_kept(tmp_path / "s.sqlite"))
        assert (group.model, group.num_rows) == ("claude-haiku-5-5 (out in a batch)", NUM)
        (foreseen,) = estimate_calls(DATASET, FixedRetriever(), [make(server)], settings_for(tmp_path))
        assert (foreseen.calls, foreseen.kept) == (0, NUM)
        found = run(make(server, queries=queries), tmp_path)
        assert sum(map(is_fetch, server.asked)) == 1
        assert not [asked for asked in server.asked if asked.path == "/v1/messages"]
    assert len(server.questions) == 1
    assert found.status == "complete"
    assert deepest(found).latency is None
    assert not [warning for warning in found.warnings if "still out" in warning]
    (group,) = summarise_kept(read_kept(tmp_path / "s.sqlite"))
    assert (group.model, group.num_rows) == ("claude-haiku-5-5", NUM)


@pytest.mark.parametrize("is_archived", [True, False])
def test_a_batch_that_the_provider_has_forgotten_is_sent_anew(is_archived: bool, tmp_path: Path) -> None:
    looks = [Behaviour(401)] if is_archived else [Behaviour(401), Behaviour(404)]
    with BatchServer(first(is_look, *looks)) as server:
        stop(server, tmp_path)
        server.archived = {0} if is_archived else set()
        found = run(make(server), tmp_path)
    assert found.status == "complete"
    assert len(set(server.custom_ids)) == NUM
    assert len(server.custom_ids) == 2 * NUM


def test_an_answer_that_is_none_fails_its_query_and_is_asked_for_anew_by_the_next_run(tmp_path: Path) -> None:
    spoil = change_one(lambda row: [{**row, "result": {"type": "succeeded", "message": "none"}}])
    with BatchServer(change=spoil) as server:
        found = run(make(server), tmp_path, max_error_rate=0.5)
        (failure,) = found.failures
        assert "anthropic returned what is no message" in failure
        again = run(make(server), tmp_path)
    assert not again.failures
    assert [len(questions) for questions in server.questions] == [NUM, 1]
    assert sum(map(is_fetch, server.asked)) == 2


def test_what_is_out_was_paid_for_under_an_earlier_budget(tmp_path: Path) -> None:
    with BatchServer(first(is_look, Behaviour(401))) as server:
        stop(server, tmp_path)
        found = run(make(server), tmp_path, budget_usd=1e-9)
    assert found.status == "complete"
    assert len(server.questions) == 1
