"""Exported TREC runs, rescored by pytrec_eval alone, have the values that a result states."""

import gzip
import io
import math
from collections.abc import Mapping

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.candidates import rerank
from rerank_eval.measures import score_run
from rerank_eval.trec import format_run, read_qrels, read_run
from rerank_eval.types import Qrels, Ranking, Run
from tests.conftest import FindCollection

TREC_NAMES = {
    "nDCG@10": "ndcg_cut_10",
    "nDCG": "ndcg",
    "RR": "recip_rank",
    "AP": "map",
    "AP@5": "map_cut_5",
    "R@5": "recall_5",
    "P@5": "P_5",
    "Success@1": "success_1",
}
CLOSE = [0.0, 0.5, 0.5 + 1e-9, 0.5 + 2e-9, 1.0, 1.0 - 1e-12, 1e-30, 3e38, 1e300]
DOC_IDS = st.text("aB9-_", min_size=1, max_size=3)


def rescored(exported: bytes, qrels: Qrels, relevance_level: int = 1) -> dict[str, dict[str, float]]:
    """What someone gets who has only the file, pytrec_eval and the judgments."""
    run = pytrec_eval.parse_run(io.StringIO(gzip.decompress(exported).decode()))
    evaluator = pytrec_eval.RelevanceEvaluator(
        {query_id: dict(grades) for query_id, grades in qrels.items()}, set(TREC_NAMES.values()), relevance_level
    )
    by_query = evaluator.evaluate(run)
    return {
        name: {query_id: by_query[query_id][trec_name] if query_id in by_query else 0.0 for query_id in qrels}
        for name, trec_name in TREC_NAMES.items()
    }


def assert_equal_values(run: Run, qrels: Qrels, relevance_level: int = 1) -> None:
    graded = {"nDCG@10", "nDCG"}
    names = {name: name for name in TREC_NAMES}
    if relevance_level != 1:
        names = {
            name: name
            if name in graded
            else "@".join([f"{name.split('@')[0]}(rel={relevance_level})", *name.split("@")[1:]])
            for name in TREC_NAMES
        }
    stated = score_run(run, qrels, list(names.values()))
    found = rescored(format_run(run, "system"), qrels, relevance_level)
    for name in TREC_NAMES:
        assert found[name] == pytest.approx(dict(stated[names[name]]), abs=1e-6), name


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    first_stage=st.dictionaries(
        st.sampled_from(["q1", "q2", "q3"]),
        st.dictionaries(DOC_IDS, st.sampled_from(CLOSE) | st.floats(-1e30, 1e30), min_size=1, max_size=14),
    ),
    grades=st.lists(st.integers(-1, 3), min_size=14, max_size=14),
    values=st.lists(st.sampled_from(CLOSE), min_size=14, max_size=14),
    depth=st.integers(0, 14),
)
def test_reranked_and_first_stage_runs_with_ties_and_near_ties(
    first_stage: Mapping[str, Mapping[str, float]], grades: list[int], values: list[float], depth: int
) -> None:
    rankings = {query_id: Ranking(docs.items()) for query_id, docs in first_stage.items()}
    run = {query_id: rerank(ranking, values[: min(depth, len(ranking))]) for query_id, ranking in rankings.items()}
    qrels = {query_id: dict(zip(docs, grades, strict=False)) for query_id, docs in first_stage.items()}
    qrels["missing"] = {"a": 1}
    assert_equal_values(rankings, qrels)
    assert_equal_values(run, qrels)


@pytest.mark.parametrize("kind", ["first stage", "drawn", "constant", "near ties", "saturated"])
def test_runs_over_the_candidates_of_trec_dl_2019(collection: FindCollection, kind: str) -> None:
    folder = collection("trec-dl-2019")
    first_stage = read_run(folder / "runs/bm25.top100.trec")
    random = np.random.default_rng(7)

    def reranked(ranking: Ranking) -> Ranking:
        logits = random.normal(size=50)
        if kind == "first stage":
            return ranking
        if kind == "constant":
            return rerank(ranking, [1.0] * 50)
        if kind == "near ties":
            return rerank(ranking, [0.7 + 1e-9 * float(np.sign(logit)) for logit in logits])
        if kind == "saturated":
            return rerank(ranking, [1 / (1 + math.exp(-20 - 10 * logit)) for logit in logits])
        return rerank(ranking, list(logits))

    run = {query_id: reranked(ranking) for query_id, ranking in first_stage.items()}
    assert_equal_values(run, read_qrels(folder / "qrels/test.tsv"), relevance_level=2)
