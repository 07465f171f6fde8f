"""What a result says of answers from reranked context: the measures, and what the whole chain took."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.calls.claude import Claude
from rerank_eval.errors import DataError
from rerank_eval.protocols import Reranker
from rerank_eval.report.build import build_report
from rerank_eval.report.decision import Constraint
from rerank_eval.report.html import render_html
from rerank_eval.rerankers.cascade import Cascade
from rerank_eval.rerankers.listwise import Listwise
from rerank_eval.rerankers.pointwise import Pointwise
from rerank_eval.results.reading import read_recorded
from rerank_eval.results.writing import write_result
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings
from tests.answers.answering import DATASET, NUM_QUERIES, USD, answerer_at, answers_of, contexts_of, settings_for
from tests.chat_server import claude_answer, read_prompt
from tests.fakes import FixedRetriever, Hashed
from tests.fault_server import GOOD, Behaviour, FaultServer

pytest.importorskip("anthropic")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "planted-4f1c9d2e7a")


@pytest.mark.parametrize("level", [1, 2])
def test_the_first_documents_of_each_ranking_are_the_context_and_the_measures_say_what_came_of_it(
    level: int, tmp_path: Path
) -> None:
    dataset = replace(DATASET, relevance_level=level)
    with FaultServer(answer=claude_answer) as server:
        result = evaluate(
            dataset, FixedRetriever(), [Hashed()], settings_for(tmp_path), answerer=answerer_at(server.url)
        )
    found = answers_of(result)
    assert list(found) == [0, 12]
    best_known = {query_id: references[1] for query_id, references in DATASET.reference_answers.items()}
    for depth, answer in found.items():
        contexts = contexts_of(result, "hashed", depth)
        texts = {query_id: [DATASET.corpus.text(doc_id) for doc_id in ids] for query_id, ids in contexts.items()}
        relevant = {
            query_id: {doc_id for doc_id, grade in grades.items() if grade >= level}
            for query_id, grades in DATASET.qrels.items()
        }
        hits = {query_id: len(relevant[query_id].intersection(ids)) for query_id, ids in contexts.items()}
        expected: dict[str, list[float]] = {
            "context_precision@2": [hits[query_id] / 2 for query_id in contexts],
            "context_recall@2": [hits[query_id] / max(1, len(relevant[query_id])) for query_id in contexts],
            "exact_match": [best_known[query_id] in shown for query_id, shown in texts.items()],
        }
        for name, values in expected.items():
            assert answer.measures[name].mean == pytest.approx(sum(values) / NUM_QUERIES)
        f1 = answer.measures["token_f1"].mean
        assert f1 is not None
        assert sum(expected["exact_match"]) / NUM_QUERIES <= f1 <= 1
        assert (answer.num_queries, answer.failures, answer.unanswered, answer.unusable) == (NUM_QUERIES, 0, 0, 0)
    gain = found[12].measures["exact_match"]
    assert gain.mean == 1  # the reranker has the server's taste, so that the best document is always there
    assert gain.difference is not None
    assert gain.difference["mean"] == pytest.approx(1 - (found[0].measures["exact_match"].mean or 0))
    assert 0 < (found[0].measures["exact_match"].mean or 0) < 1
    assert found[0].measures["exact_match"].difference is None
    shown = {tuple(read_prompt(asked.body).documents) for asked in server.asked}
    assert shown == {
        tuple(DATASET.corpus.text(doc_id) for doc_id in ids)
        for depth in (0, 12)
        for ids in contexts_of(result, "hashed", depth).values()
    }


def test_tokens_cost_and_latency_are_those_of_the_whole_chain(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, latency=LatencySettings(queries=3, warmup=0))
    with FaultServer(answer=claude_answer) as server:
        chat = Claude("claude-haiku-5-5", server.url)
        systems: list[Reranker] = [Hashed(), Listwise(chat, window=None), Pointwise(chat, documents_per_call=1)]
        answerer = answerer_at(server.url, depths=[4, 12])
        result = evaluate(DATASET, FixedRetriever(), systems, settings, answerer=answerer)
    local, listwise, pointwise = (answers_of(result, system) for system in range(3))
    one = {"calls": NUM_QUERIES, "input_tokens": 100 * NUM_QUERIES, "output_tokens": 5 * NUM_QUERIES}
    for answer in (*local.values(), listwise[0], pointwise[0]):
        assert answer.chain == pytest.approx(one | {"usd": NUM_QUERIES * USD})
    two = {name: 2 * count for name, count in one.items()}
    for depth in (4, 12):
        assert listwise[depth].chain == pytest.approx(two | {"usd": 2 * NUM_QUERIES * USD})
    assert listwise[12].tokens_per_query == 210
    assert listwise[12].usage["usd"] == pytest.approx(NUM_QUERIES * USD)
    thirteen = {name: 13 * count for name, count in one.items()}
    assert pointwise[12].chain == pytest.approx(thirteen | {"usd": 13 * NUM_QUERIES * USD})
    assert set(pointwise[4].chain.values()) == {None}  # it was asked at the largest depth only
    assert pointwise[4].tokens_per_query is pointwise[4].usd_per_1000 is None

    took = {(row.system, row.depth, row.query_id): row.nanoseconds or 0 for row in result.answers}
    first_stage = {sample.query_id: sample.nanoseconds for sample in result.latency if sample.system == "fixed"}
    assert len(first_stage) == 3
    for system, answers in (("hashed", local), ("listwise", listwise)):
        for depth in (0, 12):
            own = {
                sample.query_id: sample.nanoseconds
                for sample in result.latency
                if (sample.system, sample.depth) == (system, depth)
            }
            whole = [
                first_stage[query_id] + took[system, depth, query_id] + (own[query_id] if depth else 0)
                for query_id in first_stage
            ]
            latency = answers[depth].chain_latency
            assert latency is not None
            assert (latency["count"], latency["source"]) == (3, "recorded")
            assert latency["mean_ms"] == pytest.approx(sum(whole) / 3e6)
            assert (answers[depth].latency or {})["count"] == NUM_QUERIES
    assert pointwise[4].chain_latency is None


@pytest.mark.parametrize("is_composed", [False, True])
def test_calls_that_were_refused_as_too_long_are_calls_of_the_chain(is_composed: bool, tmp_path: Path) -> None:
    refused = {query.text for query in DATASET.queries[-2:]}
    too_long = Behaviour(400, {"error": {"message": "prompt is too long: 9 > 8"}})
    with FaultServer(
        lambda asked: too_long if read_prompt(asked.body).query in refused else GOOD, claude_answer
    ) as server:
        reranker: Reranker = Listwise(Claude("claude-haiku-5-5", server.url), window=None)
        if is_composed:
            reranker = Cascade({"local": Hashed(), "api": reranker}, [3], "listwise")
        result = evaluate(
            DATASET, FixedRetriever(), [reranker], settings_for(tmp_path), answerer=answerer_at(server.url)
        )
    answered = 2 * (NUM_QUERIES - 2)
    for depth, answer in answers_of(result).items():
        of_answers, of_reranker = NUM_QUERIES, (NUM_QUERIES - 2 if is_composed else NUM_QUERIES) if depth else 0
        assert answer.usage["calls"] == of_answers
        assert answer.chain["calls"] == of_answers + of_reranker
        assert answer.chain["input_tokens"] == 100 * (answered if depth else NUM_QUERIES - 2)


def test_without_an_answerer_nothing_is_asked_and_nothing_of_it_is_written(tmp_path: Path) -> None:
    result = evaluate(DATASET, FixedRetriever(), [Hashed()], settings_for(tmp_path))
    folder = write_result(result, tmp_path / "results")
    document = json.loads((folder / "result.json").read_text())
    assert [depth["answer"] for depth in document["systems"][0]["depths"]] == [None, None, None]
    assert document["settings"]["answer"] is None
    assert document["dataset"]["reference_answers"]["num_queries"] == NUM_QUERIES
    assert not (folder / "answers.jsonl").exists()


def test_without_judgments_the_context_is_not_measured_and_the_answers_are(tmp_path: Path) -> None:
    with FaultServer(answer=claude_answer) as server:
        log = replace(DATASET, qrels={})
        result = evaluate(log, FixedRetriever(), [Hashed()], settings_for(tmp_path), answerer=answerer_at(server.url))
    assert set(answers_of(result)[12].measures) == {"exact_match", "token_f1"}
    report = build_report([read_recorded(write_result(result, tmp_path / "results"))], Constraint())
    assert "Answers from reranked context" in render_html(report, [])


def test_a_result_with_answers_is_read_back_as_it_was_and_an_older_one_without(tmp_path: Path) -> None:
    with FaultServer(answer=claude_answer) as server:
        settings = settings_for(tmp_path)
        result = evaluate(DATASET, FixedRetriever(), [Hashed()], settings, answerer=answerer_at(server.url))
    folder = write_result(result, tmp_path / "results")
    assert [depth.answer for depth in read_recorded(folder).systems[0].depths] == [
        depth.answer for depth in result.systems[0].depths
    ]
    document = json.loads((folder / "result.json").read_text())
    spoilt: list[dict[str, Any]] = [
        *({"num_queries": "6"}, {"measures": {}}, {"chain": [1]}, {"latency": {"mean_ms": "1"}}),
    ]
    for wrong in spoilt:
        broken = json.loads(json.dumps(document))
        broken["systems"][0]["depths"][0]["answer"] |= wrong
        (folder / "result.json").write_text(json.dumps(broken))
        with pytest.raises(DataError):
            build_report([read_recorded(folder)], Constraint())
    for depth in document["systems"][0]["depths"]:
        del depth["answer"]
    (folder / "result.json").write_text(json.dumps(document))
    assert [depth.answer for depth in read_recorded(folder).systems[0].depths] == [None, None, None]
