"""What is lost where: the parts add up, and unknown stays unknown."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from rerank_eval import Settings, evaluate
from rerank_eval.candidates import rerank
from rerank_eval.evaluation.evaluation import Evaluation, prepare
from rerank_eval.evaluation.losses import drop_unjudged, find_bounds, find_losses, queries_with_cut_relevant
from rerank_eval.evaluation.quality import Answers
from rerank_eval.measures import score_run
from rerank_eval.protocols import SilentProgress
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.settings import LatencySettings
from rerank_eval.terminal.result_table import print_result
from rerank_eval.types import Ranking, Scores
from tests.fakes import FixedRetriever, Hashed, make_dataset

DATASET = make_dataset()
MEASURES = ("nDCG@10", "R@10")


def prepared(*depths: int) -> Evaluation:
    return prepare(DATASET, FixedRetriever(), Settings(depths, MEASURES, retrieval_depth=12), SilentProgress())


def settings(*depths: int) -> Settings:
    return Settings(depths, MEASURES, retrieval_depth=12, latency=LatencySettings(queries=0))


def test_mean_and_losses_add_up_to_the_perfect_ranking() -> None:
    result = evaluate(DATASET, FixedRetriever(), [Hashed()], settings(2, 5))
    perfect = find_bounds(prepared(2, 5)).perfect
    for depth in result.systems[0].depths[1:]:
        for name in MEASURES:
            mean, loss = depth.measures[name].mean, depth.losses[name]
            assert mean is not None
            whole = sum(perfect[name].values()) / len(perfect[name])
            assert mean + loss.ordering + loss.first_stage == pytest.approx(whole, abs=1e-12)


def test_the_oracle_loses_nothing_by_ordering() -> None:
    result = evaluate(DATASET, FixedRetriever(), [Oracle()], settings(2, 5))
    for depth in result.systems[0].depths[1:]:
        assert depth.losses["nDCG@10"].ordering == pytest.approx(0, abs=1e-12)
        assert depth.losses["nDCG@10"].first_stage >= 0


def test_what_the_first_stage_misses_is_its_loss() -> None:
    evaluation = prepared(5)
    bounds = find_bounds(evaluation)
    reachable = bounds.reachable[5]["nDCG@10"]
    loss = find_losses(bounds, 5, {"nDCG@10": reachable}, {"nDCG@10": reachable}, set())["nDCG@10"]
    assert loss.ordering == 0
    assert loss.truncation == 0
    assert loss.first_stage == pytest.approx(
        sum(bounds.perfect["nDCG@10"][query_id] - value for query_id, value in reachable.items()) / len(reachable)
    )


def test_truncation_takes_the_part_of_the_cut_queries_only() -> None:
    bounds = find_bounds(prepared(5))
    achieved = {"nDCG@10": dict.fromkeys(bounds.reachable[5]["nDCG@10"], 0.0)}
    queries = list(achieved["nDCG@10"])
    loss = find_losses(bounds, 5, achieved, achieved, {queries[0]})["nDCG@10"]
    assert loss.truncation == pytest.approx(bounds.reachable[5]["nDCG@10"][queries[0]] / len(queries))
    assert find_losses(bounds, 5, achieved, achieved, None)["nDCG@10"].truncation is None


def test_unjudged_documents_are_dropped_in_order() -> None:
    query_id = DATASET.queries[0].query_id
    judged = sorted(DATASET.qrels[query_id])
    run = {query_id: Ranking.from_order(["nowhere", *judged])}
    assert drop_unjudged(run, DATASET)[query_id].doc_ids == tuple(judged)
    values = score_run(drop_unjudged(run, DATASET), {query_id: DATASET.qrels[query_id]}, ["P@1"])
    assert values["P@1"][query_id] >= score_run(run, {query_id: DATASET.qrels[query_id]}, ["P@1"])["P@1"][query_id]


def test_a_cut_text_counts_only_where_it_is_relevant() -> None:
    first_stage = prepared(5).first_stage
    query = next(
        q
        for q in DATASET.queries
        if any(DATASET.qrels[q.query_id].get(d, 0) > 0 for d in first_stage[q.query_id].doc_ids[:5])
    )
    grades = DATASET.qrels[query.query_id]
    candidates = first_stage[query.query_id].doc_ids[:5]
    relevant = [grades.get(doc_id, 0) > 0 for doc_id in candidates]
    answers = Answers((5,))
    answers.scores[5, query.query_id] = Scores([0.0] * 5, truncated=relevant)
    assert queries_with_cut_relevant(answers, DATASET, first_stage, 5) == {query.query_id}
    answers.scores[5, query.query_id] = Scores([0.0] * 5, truncated=[not mark for mark in relevant])
    assert queries_with_cut_relevant(answers, DATASET, first_stage, 5) == set()
    answers.scores[5, query.query_id] = Scores([0.0] * 5)
    assert queries_with_cut_relevant(answers, DATASET, first_stage, 5) is None


def test_the_ceiling_is_the_mean_of_what_is_reachable() -> None:
    evaluation = prepared(2, 5)
    bounds = find_bounds(evaluation)
    query = DATASET.queries[0].query_id
    grades = DATASET.qrels[query]
    ranking = evaluation.first_stage[query]
    best = rerank(ranking, [float(grades.get(doc_id, 0)) for doc_id in ranking.doc_ids[:2]])
    assert (
        bounds.reachable[2]["nDCG@10"][query]
        == score_run({query: best}, {query: grades}, ["nDCG@10"])["nDCG@10"][query]
    )
    assert bounds.ceiling()[5]["nDCG@10"] >= bounds.ceiling()[2]["nDCG@10"]


@pytest.mark.parametrize("measures", [("Judged@2",), ("nDCG@10", "Judged@2"), ("nDCG(gains={0:5,1:1})@10", "Judged@2")])
def test_how_much_is_judged_has_no_ceiling_and_no_losses(measures: Sequence[str]) -> None:
    """Guards a ceiling that was exceeded: judged documents that are not relevant rank no higher than those without a judgment."""
    settings = Settings(depths=(5,), measures=measures, latency=LatencySettings(queries=0))
    result = evaluate(DATASET, FixedRetriever(), [Hashed()], settings)
    with_ceiling = [name for name in measures if name == "nDCG@10"]
    assert [name for name, mean in result.ceiling.get(5, {}).items() if mean is not None] == with_ceiling
    assert list(result.systems[0].depths[1].losses) == with_ceiling
    assert result.systems[0].depths[1].measures["Judged@2"].mean is not None
    print_result(result, Console(file=(shown := io.StringIO()), width=200))
    assert ("(ceiling)" in shown.getvalue()) is bool(with_ceiling)
