"""A whole evaluation in memory: what must hold whatever the reranker."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.errors import ConfigError, NotEvaluableError
from rerank_eval.evaluation.systems import System
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.results.writing import write_result
from rerank_eval.runner import EvaluationInterrupted, evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, Scores
from tests.fakes import (
    Broken,
    Constant,
    FixedRetriever,
    Hashed,
    HashedList,
    Recorder,
    Reversed,
    draw,
    make_dataset,
)

DATASET = make_dataset()
SETTINGS = Settings(depths=(2, 5, 12), measures=("nDCG@10", "R@5"), latency=LatencySettings(queries=0))


def evaluated(*rerankers: Reranker, settings: Settings = SETTINGS, dataset: Dataset = DATASET) -> ExperimentResult:
    return evaluate(dataset, FixedRetriever(), rerankers, settings)


def curve(result: ExperimentResult, measure: str = "nDCG@10", system: int = 0) -> list[float]:
    means = [depth.measures[measure].mean for depth in result.systems[system].depths]
    return [mean for mean in means if mean is not None]


def fail(_: list[Any]) -> Scores:
    raise RuntimeError("no")


def test_depth_0_is_the_first_stage() -> None:
    result = evaluated(Hashed(), Reversed("reversed"))
    expected = FixedRetriever().retrieve(DATASET, 12)
    for name in ("hashed", "reversed"):
        assert {q: ranking.doc_ids for q, ranking in result.runs[name, 0].items()} == {
            q: ranking.doc_ids for q, ranking in expected.items()
        }
    assert curve(result, system=0)[0] == curve(result, system=1)[0]


def test_the_oracle_never_falls_with_depth_and_is_the_ceiling() -> None:
    result = evaluated(Oracle())
    assert curve(result) == sorted(curve(result))
    assert curve(result)[1:] == [means["nDCG@10"] for means in result.ceiling.values()]


@pytest.mark.parametrize("reranker", [Hashed(), Reversed(), Constant()])
def test_nothing_is_above_the_oracle(reranker: Reranker) -> None:
    result = evaluated(reranker, Oracle())
    assert all(own <= best + 1e-12 for own, best in zip(curve(result), curve(result, system=1), strict=True))


def test_below_the_depth_the_first_stage_order_stays() -> None:
    result = evaluated(Reversed())
    for query_id, ranking in result.runs["hashed", 5].items():
        before = result.runs["hashed", 0][query_id].doc_ids
        assert ranking.doc_ids == before[:5][::-1] + before[5:]


def test_listwise_and_pointwise_with_one_order_give_one_run() -> None:
    result = evaluated(Hashed(), HashedList())
    for depth in (2, 5, 12):
        assert result.runs["hashed", depth] == result.runs["hashed_list", depth]
    assert curve(result, system=0) == curve(result, system=1)


def test_a_pointwise_reranker_is_asked_once_a_query_for_the_whole_sweep() -> None:
    reranker = Hashed()
    evaluated(reranker)
    assert sorted(reranker.asked) == [(query.query_id, 12) for query in DATASET.queries]


def test_a_constant_reranker_does_not_see_the_order_of_the_candidates() -> None:
    class Turned(FixedRetriever):
        def retrieve(self, dataset: Dataset, depth: int) -> dict[str, Any]:
            run = super().retrieve(dataset, depth)
            return {q: ranking.from_order(ranking.doc_ids[::-1]) for q, ranking in run.items()}

    settings = replace(SETTINGS, depths=(12,))
    straight = evaluate(DATASET, FixedRetriever(), [Constant()], settings)
    turned = evaluate(DATASET, Turned(), [Constant()], settings)
    assert straight.runs["hashed", 12] == turned.runs["hashed", 12]
    assert straight.systems[0].tie_rate == 1.0


def scores_file(folder: Path, result: ExperimentResult) -> bytes:
    return (write_result(result, folder) / "scores.jsonl").read_bytes()


def test_two_runs_give_the_same_bytes_also_with_other_numbers_of_threads(tmp_path: Path) -> None:
    files = {scores_file(tmp_path, evaluated(Hashed(concurrency=threads), HashedList())) for threads in (1, 1, 4)}
    assert len(files) == 1
    assert b"nDCG@10" in files.pop()


def test_a_resumed_run_gives_the_same_bytes_and_says_so(tmp_path: Path) -> None:
    settings = replace(SETTINGS, store_path=tmp_path / "s.sqlite")
    queries = DATASET.queries[:2]
    part = replace(DATASET, queries=queries, qrels={query.query_id: DATASET.qrels[query.query_id] for query in queries})
    evaluated(Hashed(), HashedList(), settings=settings, dataset=part)
    progress = Recorder()
    resumed = evaluate(DATASET, FixedRetriever(), [Hashed(), HashedList()], settings, progress)
    assert progress.notes == [
        "hashed: resumed 2 of 6 queries from the store",
        "hashed_list: resumed 2 of 6 queries from the store",
    ]
    assert scores_file(tmp_path, resumed) == scores_file(tmp_path, evaluated(Hashed(), HashedList()))


@pytest.mark.parametrize(
    ("max_error_rate", "status"), [(0.0, "not_evaluable"), (0.1, "not_evaluable"), (0.2, "complete")]
)
def test_more_failures_than_allowed_are_not_evaluable(max_error_rate: float, status: str) -> None:
    result = evaluated(Broken(fail), settings=replace(SETTINGS, max_error_rate=max_error_rate))
    assert result.status == status
    assert result.failures == [
        f"broken failed on query q001: RuntimeError: no (test_runner.py:{fail.__code__.co_firstlineno + 1})"
    ]
    assert "broken: 1 of 6 queries failed and are left out of its means" in result.warnings


@pytest.mark.parametrize("pointwise", [True, False])
def test_when_all_queries_fail_no_limit_makes_it_evaluable(pointwise: bool) -> None:
    reranker = Broken(fail, [query.query_id for query in DATASET.queries])
    reranker.pointwise = pointwise
    result = evaluated(reranker, settings=replace(SETTINGS, max_error_rate=1.0))
    assert result.status == "not_evaluable"
    assert [depth.measures["nDCG@10"].mean for depth in result.systems[0].depths[1:]] == [None, None, None]
    assert {row.depth for row in result.scores} == {0}


def test_one_failing_reranker_does_not_touch_another() -> None:
    result = evaluated(Broken(fail), Hashed(), settings=replace(SETTINGS, max_error_rate=1.0))
    alone = evaluated(Hashed())
    assert result.systems[1].depths == alone.systems[0].depths


@pytest.mark.parametrize(
    ("dataset", "retriever", "message"),
    [
        (
            replace(DATASET, queries=(), qrels={}),
            FixedRetriever(),
            "tiny has no query with a judgment in the split 'test'",
        ),
        (
            DATASET,
            FixedRetriever(without=[q.query_id for q in DATASET.queries]),
            "fixed found no candidate for any query",
        ),
    ],
)
def test_nothing_to_score_is_not_evaluable(dataset: Dataset, retriever: FixedRetriever, message: str) -> None:
    with pytest.raises(NotEvaluableError, match=message):
        evaluate(dataset, retriever, [Hashed()], SETTINGS)


def test_a_wrong_reranker_is_refused_before_the_first_stage_is_asked() -> None:
    class Untouchable(FixedRetriever):
        def retrieve(self, dataset: Dataset, depth: int) -> dict[str, Any]:
            raise AssertionError("asked")

    with pytest.raises(ConfigError, match="no reranker"):
        evaluate(DATASET, Untouchable(), [], SETTINGS)


def test_an_interrupt_carries_the_partial_result(tmp_path: Path) -> None:
    def interrupt(_: list[Any]) -> Scores:
        raise KeyboardInterrupt

    settings = replace(SETTINGS, store_path=tmp_path / "s.sqlite")
    with pytest.raises(
        EvaluationInterrupted, match=r"store\.path=null keeps no answers, so the same command begins anew"
    ):
        evaluated(Hashed(), Broken(interrupt, ["q003"]))
    with pytest.raises(EvaluationInterrupted) as caught:
        evaluated(Hashed(), Broken(interrupt, ["q003"]), HashedList(), settings=settings)
    result = caught.value.result
    assert result.status == "incomplete"
    counts = [system.depths[-1].measures["nDCG@10"].num_queries for system in result.systems]
    assert counts == [6, 3, 0]
    with pytest.raises(KeyboardInterrupt):
        raise caught.value


def test_a_damaged_store_is_moved_aside_and_reported(tmp_path: Path) -> None:
    settings = replace(SETTINGS, store_path=tmp_path / "s.sqlite")
    (tmp_path / "s.sqlite").write_bytes(b"nothing that SQLite knows " * 50)
    progress = Recorder()
    result = evaluate(DATASET, FixedRetriever(), [Hashed()], settings, progress)
    assert "moved aside to" in progress.notes[0]
    assert any(warning.startswith("store: the file was damaged; it was moved aside to") for warning in result.warnings)
    assert curve(result) == curve(evaluated(Hashed()))


def test_the_result_names_what_it_was_made_from() -> None:
    result = evaluate(DATASET, FixedRetriever(), [System("mine", Hashed(), {"revision": "r1"}, 1.5)], SETTINGS)
    assert (result.dataset["sha256"], result.dataset["num_queries"]) == (DATASET.sha256, 6)
    assert result.retriever["depth"] == SETTINGS.first_stage_depth
    assert result.systems[0].config == {"revision": "r1"}
    assert result.systems[0].load_seconds == 1.5
    told = {"started", "finished", "git", "packages", "hardware", "command", "spent_usd", "answers_usd"}
    assert set(result.provenance) == told


def order_of_scores(documents: Sequence[str], query: str) -> list[str]:
    return sorted(documents, key=lambda text: draw(query, text), reverse=True)


def test_the_best_document_of_the_reranker_is_first() -> None:
    result = evaluated(Hashed())
    corpus = DATASET.corpus
    for query in DATASET.queries:
        texts = [corpus.text(doc_id) for doc_id in result.runs["hashed", 12][query.query_id].doc_ids]
        assert texts == order_of_scores(texts, query.text)
