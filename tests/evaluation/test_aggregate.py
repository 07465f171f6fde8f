"""From answers to measures: which queries a mean is over, and what is unknown."""

import numpy as np
import pytest

from rerank_eval.evaluation.aggregate import Evaluated, aggregate
from rerank_eval.evaluation.evaluation import Evaluation, prepare
from rerank_eval.evaluation.losses import find_bounds
from rerank_eval.evaluation.quality import Answers, Failure
from rerank_eval.evaluation.systems import System
from rerank_eval.latency import LatencySample
from rerank_eval.protocols import SilentProgress
from rerank_eval.results.depth_results import DepthResult
from rerank_eval.settings import Settings
from rerank_eval.types import Scores, Usage
from tests.fakes import FixedRetriever, Hashed, make_dataset

DATASET = make_dataset()
MEASURES = ("nDCG@10", "R@10")


def prepared(*depths: int) -> Evaluation:
    return prepare(DATASET, FixedRetriever(), Settings(depths, MEASURES, retrieval_depth=12), SilentProgress())


def aggregated(answers: Answers, samples: list[LatencySample] | None = None) -> Evaluated:
    first = [LatencySample(query.query_id, "fixed", 0, 1_000_000, i) for i, query in enumerate(DATASET.queries)]
    return aggregate(prepared(2, 5), find_bounds(prepared(2, 5)), System("x", Hashed()), answers, samples or [], first)


def all_answered(usage: Usage | None = None, truncated: list[bool] | None = None) -> Answers:
    answers = Answers((5,))
    for query in DATASET.queries:
        answers.scores[5, query.query_id] = Scores([1.0, 2.0, 2.0, 3.0, 0.0], usage or Usage(), truncated)
    return answers


def depth_results(evaluated: Evaluated) -> dict[int, DepthResult]:
    return {found.depth: found for found in evaluated.result.depths}


def test_rows_and_means_agree() -> None:
    evaluated = aggregated(all_answered())
    for depth, found in depth_results(evaluated).items():
        for name in MEASURES:
            values = [row.value for row in evaluated.rows if (row.depth, row.measure) == (depth, name)]
            assert len(values) == len(DATASET.queries) == found.measures[name].num_queries
            assert found.measures[name].mean == pytest.approx(np.mean(values), abs=1e-12)


def test_the_difference_is_paired_with_depth_0() -> None:
    depths = depth_results(aggregated(all_answered()))
    assert depths[0].measures["nDCG@10"].difference is None
    found, base = depths[5].measures["nDCG@10"], depths[0].measures["nDCG@10"]
    assert found.difference is not None
    assert found.mean is not None
    assert base.mean is not None
    assert found.difference["mean"] == pytest.approx(found.mean - base.mean, abs=1e-12)


def test_a_failed_query_is_left_out_of_means_rows_and_runs() -> None:
    answers = all_answered()
    del answers.scores[5, "q001"]
    answers.failures.append(Failure("q001", 5, "failed"))
    evaluated = aggregated(answers)
    for depth in (2, 5):
        found = depth_results(evaluated)[depth]
        assert (found.failures, found.measures["R@10"].num_queries) == (1, len(DATASET.queries) - 1)
        assert "q001" not in {row.query_id for row in evaluated.rows if row.depth == depth}
        assert "q001" not in evaluated.runs["x", depth]
    assert depth_results(evaluated)[0].measures["R@10"].num_queries == len(DATASET.queries)


def test_a_failure_at_one_asked_depth_leaves_the_other_whole() -> None:
    answers = Answers((2, 5))
    for query in DATASET.queries:
        answers.scores[2, query.query_id] = Scores([1.0, 2.0])
    answers.failures.append(Failure("q000", 5, "failed"))
    depths = depth_results(aggregated(answers))
    assert [depths[depth].failures for depth in (2, 5)] == [0, 1]
    assert depths[2].measures["R@10"].num_queries == len(DATASET.queries)
    assert depths[5].measures["R@10"].mean is None


def test_without_an_answer_nothing_is_0() -> None:
    evaluated = aggregated(Answers((5,)))
    found = depth_results(evaluated)[5]
    assert {(m.mean, m.low, m.high, m.num_queries) for m in found.measures.values()} == {(None, None, None, 0)}
    assert (found.judged_at_10, found.tie_rate, found.latency) == (None, None, None)
    assert [row for row in evaluated.rows if row.depth == 5] == []
    assert evaluated.result.has_no_value
    assert not aggregated(all_answered()).result.has_no_value


def test_usage_is_summed_and_one_unknown_makes_the_sum_unknown() -> None:
    answers = all_answered(Usage(calls=2, input_tokens=30))
    answers.scores[5, "q000"] = Scores([1.0] * 5, Usage(calls=1))
    depths = depth_results(aggregated(answers))
    assert depths[5].usage == {
        "calls": 2 * 5 + 1,
        "input_tokens": None,
        "output_tokens": None,
        "cached_tokens": None,
        "search_units": None,
        "retries": 0,
        "repairs": 0,
        "fallbacks": 0,
        "refusals": 0,
        "usd": 0.0,
    }
    assert depths[2].usage is None  # part of what depth 5 took, and not known apart


def test_repairs_are_summed_where_asked_and_unknown_elsewhere() -> None:
    depths = depth_results(aggregated(all_answered(Usage(repairs=2))))
    assert [depths[depth].repairs for depth in (2, 5)] == [None, 2 * len(DATASET.queries)]


def test_ties_and_truncated_pairs_are_counted_at_each_depth() -> None:
    depths = depth_results(aggregated(all_answered(truncated=[True, False, False, False, True])))
    assert [(depths[d].truncated_pairs, depths[d].num_pairs) for d in (2, 5)] == [(6, 12), (12, 30)]
    assert [depths[depth].tie_rate for depth in (2, 5)] == [0.0, pytest.approx(2 / 5)]
    assert depth_results(aggregated(all_answered()))[5].truncated_pairs is None


def test_latency_is_given_alone_and_with_the_first_stage() -> None:
    samples = [LatencySample(query.query_id, "x", 5, 3_000_000, i) for i, query in enumerate(DATASET.queries)]
    depths = depth_results(aggregated(all_answered(), samples))
    own, total, first = depths[5].latency, depths[5].total_latency, depths[0].total_latency
    assert own is not None
    assert total is not None
    assert first is not None
    assert (own["source"], own["count"], own["mean_ms"], own["p50_ms"], own["p95_ms"]) == (
        "measured",
        6,
        3.0,
        3.0,
        None,
    )
    assert (total["mean_ms"], first["mean_ms"]) == (4.0, 1.0)
    assert depths[2].latency is None  # not measured there, so not given there


def test_repetitions_are_added_to_the_first_stage_one_by_one() -> None:
    queries = DATASET.queries
    first = [LatencySample(q.query_id, "fixed", 0, 1_000_000 * (1 + r), r, r) for r in (0, 1) for q in queries]
    own = [LatencySample(q.query_id, "x", 5, 10_000_000 * (1 + r), r, r) for r in (0, 1) for q in queries]
    evaluated = aggregate(prepared(5), find_bounds(prepared(5)), System("x", Hashed()), all_answered(), own, first)
    total = depth_results(evaluated)[5].total_latency
    assert total is not None
    assert (total["count"], total["mean_ms"]) == (2 * len(queries), pytest.approx(16.5))
    lacking = aggregate(prepared(5), find_bounds(prepared(5)), System("x", Hashed()), all_answered(), own, first[:-1])
    fewer = depth_results(lacking)[5].total_latency
    assert fewer is not None
    assert fewer["count"] == 2 * len(queries) - 1
    without = aggregate(prepared(5), find_bounds(prepared(5)), System("x", Hashed()), all_answered(), own, [])
    assert depth_results(without)[5].total_latency is None


def test_samples_of_another_system_are_not_counted() -> None:
    other = [LatencySample(query.query_id, "y", 5, 1_000_000, i) for i, query in enumerate(DATASET.queries)]
    assert depth_results(aggregated(all_answered(), other))[5].latency is None


def test_the_ceiling_is_what_the_best_order_of_the_candidates_gives() -> None:
    means = find_bounds(prepared(2, 5, 12)).ceiling()
    values = [means[depth]["nDCG@10"] for depth in (2, 5, 12)]
    assert values == sorted(values)
    assert means[12]["nDCG@10"] == pytest.approx(
        np.mean([any(grades.values()) for grades in DATASET.qrels.values()]), abs=1e-12
    )
