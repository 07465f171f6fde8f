"""Fusion of a reranker with the first stage, and what its answers are kept for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.candidates import make_request, shown_to
from rerank_eval.components import check_component, make_component
from rerank_eval.errors import ConfigError, RerankerError
from rerank_eval.evaluation.systems import System, make_systems
from rerank_eval.fingerprint import answer_key
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.fusion import Fusion
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.retrievers.run_file import RunFile
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, Document, Query, Ranking, Request, Run, Scores, Usage
from tests.conftest import Compose
from tests.fakes import Broken, FixedRetriever, Hashed, make_dataset

DATASET = make_dataset()


class Told:
    """Gives the scores it was made with."""

    name = "told"
    pointwise = True
    concurrency = 3

    def __init__(self, values: Sequence[float], usage: Usage | None = None, truncated: list[bool] | None = None):
        self.answer = Scores(list(values), usage or Usage(), truncated)

    def score(self, request: Request) -> Scores:
        return self.answer


class Stretched(FixedRetriever):
    """The documents of `FixedRetriever` in its order, with other scores."""

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        run = super().retrieve(dataset, depth)
        return {query: Ranking((doc.doc_id, doc.score**3) for doc in ranking) for query, ranking in run.items()}


def ask(first_stage_scores: Sequence[float]) -> Request:
    documents = tuple(Document(f"d{index}", "text") for index in range(len(first_stage_scores)))
    return Request(Query("q1", "how"), documents, tuple(first_stage_scores))


scores = st.floats(-1e3, 1e3).map(lambda score: round(score, 6)) | st.sampled_from([0.0, 1.0, 2.0])
pairs = st.lists(st.tuples(scores, scores), min_size=1, max_size=12)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(pairs=pairs, alpha=st.sampled_from([0.0, 0.2, 0.5, 1.0]))
def test_interpolation_agrees_with_numpy(pairs: list[tuple[float, float]], alpha: float) -> None:
    own, first = np.array(pairs).T
    for method in ("min_max", "z_score"):

        def scaled(values: Any, method: str = method) -> Any:
            if values.max() == values.min():
                return np.full(len(values), 1.0 if method == "min_max" else 0.0)
            if method == "min_max":
                return (values - values.min()) / np.ptp(values)
            return (values - np.mean(values)) / np.std(values)

        expected = alpha * scaled(own) + (1 - alpha) * scaled(first)
        found = Fusion(Told(own), method=method, alpha=alpha).score(ask(first)).values
        assert list(found) == pytest.approx(list(expected), abs=1e-6)


def test_rank_fusion_takes_the_two_orders_alone() -> None:
    fusion = Fusion(Told([0.1, 0.2, 90.0]), method="rrf", alpha=0.5, rrf_k=10)
    assert not fusion.reads_first_stage_scores
    expected = [0.5 / 13 + 0.5 / 11, 0.5 / 12 + 0.5 / 12, 0.5 / 11 + 0.5 / 13]
    for request in (ask([30.0, 2.0, 1.0]), shown_to(fusion, ask([3.0, 2.0, 1.0]))):
        assert fusion.score(request).values == pytest.approx(expected)


@pytest.mark.parametrize("method", ["min_max", "z_score", "rrf"])
def test_alpha_1_is_the_rerankers_order_and_alpha_0_the_first_stages(method: str) -> None:
    hashed = Hashed("hashed", pointwise=False)
    fixed = evaluate(
        DATASET,
        FixedRetriever(),
        [hashed, *(Fusion(Hashed(), f"fusion{alpha}", method, alpha) for alpha in (0, 1))],
        Settings(depths=(3, 10), latency=LatencySettings(queries=0)),
    ).runs
    first_stage = FixedRetriever().retrieve(DATASET, 1000)
    for depth in (3, 10):
        for query in DATASET.queries:
            reranked = {name: fixed[name, depth][query.query_id].doc_ids for name in ("hashed", "fusion1", "fusion0")}
            assert reranked["fusion1"] == reranked["hashed"]
            assert reranked["fusion0"][:10] == first_stage[query.query_id].doc_ids[:10]


def test_usage_and_truncation_are_the_rerankers() -> None:
    usage = Usage(calls=2, input_tokens=7, search_units=1, retries=3)
    answer = Fusion(Told([2.0, 1.0], usage, [True, False])).score(ask([1.0, 0.5]))
    assert (answer.usage, answer.truncated) == (usage, [True, False])


def test_a_wrong_answer_of_the_reranker_is_told_with_its_name_and_the_query() -> None:
    with pytest.raises(RerankerError, match=r"^told returned NaN for query q1, document d1$"):
        Fusion(Told([1.0, float("nan")])).score(ask([2.0, 1.0]))
    broken = Fusion(Broken(lambda values: Scores(values[:-1]), name="inner"))
    result = evaluate(
        DATASET,
        FixedRetriever(),
        [broken],
        Settings(depths=(3,), max_error_rate=1.0, latency=LatencySettings(queries=0)),
    )
    assert result.failures == ["inner returned 2 scores for the 3 documents of query q001"]


def test_without_first_stage_scores_it_says_what_to_do() -> None:
    with pytest.raises(RerankerError, match=r"^fusion was given no first-stage scores for query q1; method=rrf does"):
        Fusion(Told([1.0, 2.0])).score(ask([2.0, 1.0])._replace(first_stage_scores=()))


@pytest.mark.parametrize("alpha", [-0.1, 1.1, "0.5", None, True, float("nan")])
def test_a_wrong_alpha_is_refused(alpha: Any) -> None:
    with pytest.raises(ConfigError, match=r"alpha is .*; it must be a number between 0 and 1"):
        Fusion(Hashed(), alpha=alpha)


def test_what_is_no_reranker_inside_is_named() -> None:
    with pytest.raises(ConfigError, match=r"the reranker fusion\.reranker has no method score"):
        make_systems([Fusion("minilm")])  # type: ignore[arg-type] # as rerankers.fusion.reranker=minilm would give it


def test_a_part_that_must_see_the_dataset_sees_it_and_the_fusion_is_not_changed() -> None:
    fusion = Fusion(Fusion(Oracle(), alpha=1.0), alpha=1.0)
    system = System("fusion", fusion)
    seen = system.on(DATASET)
    request = make_request(DATASET.queries[0], FixedRetriever().retrieve(DATASET, 5)["q000"], 5, DATASET.corpus)
    assert len(set(seen.reranker.score(request).values)) > 1
    assert set(fusion.score(request).values) == {1.0}
    assert seen.seen_dataset == DATASET.sha256
    assert seen.fingerprint != system.fingerprint
    assert System("fusion", Fusion(Hashed())).on(DATASET).seen_dataset is None


@pytest.mark.parametrize(
    "changed",
    [
        Fusion(Hashed(), method="z_score"),
        Fusion(Hashed(), alpha=0.4),
        Fusion(Hashed(), rrf_k=61),
        Fusion(Hashed(revision="r2")),
        Fusion(Hashed(pointwise=False)),
        Fusion(Fusion(Hashed())),
        Hashed(),
    ],
    ids=["method", "alpha", "rrf_k", "inner identity", "inner pointwise", "inner kind", "no fusion"],
)
def test_every_setting_and_the_reranker_inside_change_the_fingerprint(changed: Reranker) -> None:
    assert System("x", changed).fingerprint != System("x", Fusion(Hashed())).fingerprint
    assert System("x", Fusion(Hashed(), name="y")).fingerprint == System("x", Fusion(Hashed())).fingerprint


def test_answers_are_not_kept_where_the_reranker_inside_says_nothing_about_itself() -> None:
    assert System("x", Fusion(Told([1.0]))).fingerprint is None
    configs: list[Mapping[str, object]] = [{"reranker": {"_target_": "Told", "size": size}} for size in (1, 2)]
    fingerprints = {System("x", Fusion(Told([1.0])), config).fingerprint for config in configs}
    assert len(fingerprints) == 2
    assert None not in fingerprints


def test_only_a_reranker_that_reads_them_is_given_first_stage_scores() -> None:
    request = ask([2.0, 1.0])
    reads = Fusion(Hashed())
    for reading in (reads, Fusion(reads, method="rrf")):
        assert shown_to(reading, request) == request
    for other in (Hashed(), Fusion(Hashed(), method="rrf")):
        assert shown_to(other, request).first_stage_scores == ()


def test_the_key_of_an_answer_covers_every_first_stage_score() -> None:
    keys = [answer_key("s", ask(values)) for values in ([2.0, 1.0], [2.0, 1.5], [3.0, 1.0])]
    assert len({*keys, answer_key("s", ask([2.0, 1.0])._replace(first_stage_scores=()))}) == 4


def test_kept_answers_serve_another_first_stage_with_the_same_documents_unless_its_scores_count(tmp_path: Path) -> None:
    kept = Settings(depths=(4,), latency=LatencySettings(queries=2, warmup=0), store_path=tmp_path / "store.sqlite")

    def asked(retriever: FixedRetriever) -> dict[str, int]:
        inner = {name: Hashed() for name in ("pointwise", "rrf", "min_max", "z_score")}
        rerankers: list[Reranker] = [Fusion(inner[name], name, name) for name in ("rrf", "min_max", "z_score")]
        inner["pointwise"].name = "pointwise"
        evaluate(
            DATASET, retriever, [inner["pointwise"], *rerankers], replace(kept, latency=LatencySettings(queries=0))
        )
        return {name: len(reranker.asked) for name, reranker in inner.items()}

    assert asked(FixedRetriever()) == dict.fromkeys(("pointwise", "rrf", "min_max", "z_score"), 6)
    assert asked(FixedRetriever()) == dict.fromkeys(("pointwise", "rrf", "min_max", "z_score"), 0)
    assert asked(Stretched()) == {"pointwise": 0, "rrf": 0, "min_max": 6, "z_score": 6}


def test_both_passes_give_the_scores_of_the_first_stage(tmp_path: Path) -> None:
    """Of a run file they are those in the file."""
    path = tmp_path / "first.trec"
    path.write_text(
        "".join(f"{query.query_id} Q0 d{i:03} 1 {(3 - i) * 2.5} x\n" for query in DATASET.queries for i in range(3))
    )
    fusion = Fusion(Told([0.0, 1.0, 4.0]), alpha=0.5)
    result = evaluate(DATASET, RunFile(str(path)), [fusion], Settings(depths=(3,), latency=LatencySettings(queries=2)))
    assert len(result.latency) == 2
    assert not result.failures
    run = result.runs["fusion", 3]["q000"]
    # 0.5 * (0, 0.25, 1) + 0.5 * (1, 0.5, 0): d000 and d002 tie, and the higher doc_id comes first
    assert run.doc_ids[:3] == ("d002", "d000", "d001")


def test_another_reranker_can_be_put_inside_from_the_command_line(compose: Compose) -> None:
    composed = compose(
        "reranker=[none,fusion]", "reranker@rerankers.fusion.reranker=oracle", "rerankers.fusion.alpha=0.3"
    )
    component = composed["rerankers"]["fusion"]
    assert component["reranker"] == {"_target_": "rerank_eval.rerankers.oracle.Oracle"}
    made = make_component(component, "rerankers.fusion")
    assert isinstance(made.parts["reranker"], Oracle)
    nested = compose("reranker=[fusion]", "reranker@rerankers.fusion.reranker=cascade")["rerankers"]["fusion"]
    assert list(nested["reranker"]["stages"]) == ["cheap", "dear"]
    nested["reranker"]["stages"]["dear"]["max_lenght"] = 3
    with pytest.raises(ConfigError, match=r"^rerankers\.fusion\.reranker\.stages\.dear has no setting 'max_lenght'"):
        check_component(nested, "rerankers.fusion")
