"""Several first stages as one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rerank_eval.components import check_component, make_component
from rerank_eval.corpus import Corpus
from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.encoders.bge_small import BGESmall
from rerank_eval.errors import ConfigError
from rerank_eval.evaluation.caveats import about_data_and_candidates
from rerank_eval.evaluation.evaluation import prepare
from rerank_eval.findings import Findings, SearchRecall
from rerank_eval.measures import score_run
from rerank_eval.parts import show_dataset
from rerank_eval.protocols import Progress, Retriever
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.retrievers.candidates import Candidates
from rerank_eval.retrievers.dense import Dense
from rerank_eval.retrievers.hybrid import Hybrid
from rerank_eval.retrievers.run_file import RunFile
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.statistics import mean_intervals
from rerank_eval.types import Dataset, Ranking, Run
from tests.conftest import Compose, FindCollection, RunMain, RunPython
from tests.fakes import FixedRetriever, Hashed, Recorder, make_dataset

DATASET = make_dataset(num_queries=3, num_documents=9)
SETTINGS = Settings(depths=(5,), latency=LatencySettings(queries=0))


class Fixed:
    """The same ranking for every query; remembers how deep it was asked, and for which corpus it built an index."""

    def __init__(self, scores: Mapping[str, float], searches: bool = True, name: str = "fixed") -> None:
        self.name = name
        self.searches = searches
        self.scores = scores
        self.asked: list[int] = []
        self.built: list[int] = []

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        self.asked.append(depth)
        return {query.query_id: Ranking(Ranking(self.scores.items())[:depth]) for query in dataset.queries}

    def identity(self) -> Mapping[str, object]:
        return {"scores": dict(self.scores)}

    def build_index(self, corpus: Corpus, progress: Progress) -> None:
        self.built.append(len(corpus))
        progress.note("built")


FIRST = {"d000": 3.0, "d001": 2.0, "d002": 1.0}
SECOND = {"d001": 0.9, "d003": 0.5, "d000": 0.4}


def fused(hybrid: Hybrid, depth: int = 9) -> list[Any]:
    return list(hybrid.retrieve(DATASET, depth)["q000"])


def test_the_rankings_of_each_query_are_fused() -> None:
    parts = {"a": Fixed(FIRST), "b": Fixed(SECOND)}
    assert fused(Hybrid(parts)) == [
        ("d001", pytest.approx(1 / 62 + 1 / 61)),
        ("d000", pytest.approx(1 / 61 + 1 / 63)),
        ("d003", pytest.approx(1 / 62)),
        ("d002", pytest.approx(1 / 63)),
    ]
    assert fused(Hybrid(parts, method="min_max", weights={"b": 2})) == [
        ("d001", pytest.approx(0.5 + 2.0)),
        ("d000", pytest.approx(1.0)),
        ("d003", pytest.approx(2 * 0.2)),
        ("d002", pytest.approx(0.0)),
    ]
    deviation = 1.2247448714  # of 3, 2, 1: one above the mean, in standard deviations of the population
    found = dict(fused(Hybrid({"a": Fixed(FIRST), "b": Fixed({"d009": 1.0})}, method="z_score")))
    assert found == pytest.approx({"d000": deviation, "d001": 0.0, "d002": -deviation, "d009": -deviation})


def test_every_retriever_is_asked_1000_deep_or_deeper_unless_it_has_a_depth_of_its_own() -> None:
    a, b = Fixed(FIRST), Fixed(SECOND)
    hybrid = Hybrid({"a": a, "b": b}, depths={"b": 2})
    assert [doc_id for doc_id, _ in fused(hybrid, 2)] == [doc_id for doc_id, _ in fused(hybrid, 2000)][:2]
    assert (a.asked, b.asked) == ([1000, 2000], [2, 2])


def test_every_retriever_is_asked_for_one_more_where_the_query_may_be_a_document_itself() -> None:
    a, b = Fixed(FIRST), Fixed(SECOND)
    hybrid = Hybrid({"a": a, "b": b}, depths={"b": 2})
    hybrid.retrieve(replace(DATASET, removes_query_document=True), 5)
    assert (a.asked, b.asked) == ([1001], [3])


def test_a_query_that_one_of_them_lacks_is_ranked_by_the_others() -> None:
    hybrid = Hybrid({"a": FixedRetriever(without=["q000"]), "b": FixedRetriever(without=["q000", "q001"])})
    run = hybrid.retrieve(DATASET, 5)
    assert {query_id: len(ranking) for query_id, ranking in run.items()} == {"q000": 0, "q001": 5, "q002": 5}
    assert run["q001"].doc_ids == FixedRetriever().retrieve(DATASET, 5)["q001"].doc_ids


def test_an_evaluation_builds_the_indexes_of_those_that_have_one() -> None:
    a, b, progress = Fixed(FIRST), Fixed(SECOND), Recorder()
    prepare(DATASET, Hybrid({"a": a, "plain": FixedRetriever(), "b": b}), SETTINGS, progress)
    assert (a.built, b.built) == ([9], [9])
    assert progress.notes == ["built", "built"]


def test_those_that_must_see_the_dataset_see_it_whatever_the_settings() -> None:
    run = {query.query_id: Ranking.from_order(["d005", "d002"]) for query in DATASET.queries}
    dataset = replace(DATASET, first_stage=run)
    parts: dict[str, Retriever] = {"candidates": Candidates(), "fixed": Fixed({"d002": 1.0})}
    hybrid = Hybrid(parts, "both", "z_score", 9, weights={"fixed": 0}, depths={"candidates": 3})
    seen = show_dataset(hybrid, dataset)
    assert seen.retrieve(dataset, 9)["q000"].doc_ids == ("d005", "d002")
    settings = {**hybrid.identity(), "retrievers": seen.identity()["retrievers"]}
    assert seen.identity() == settings != hybrid.identity()  # the run counts
    assert seen.name == "both"
    with pytest.raises(ConfigError, match="brings no candidates"):
        show_dataset(hybrid, DATASET)


def test_what_its_parts_have_found_is_told_by_their_names(tmp_path: Path) -> None:
    class Finding(Fixed):
        def findings(self, dataset: Dataset) -> Findings:
            return Findings(truncated_queries=1, recall=SearchRecall(0.9, 100, len(dataset.queries)))

    path = tmp_path / "first.trec"
    path.write_text("bad line\nq000 Q0 d001 1 2 x\nq000 Q0 d001 1 2 x\n")
    recorded = RunFile(str(path), on_bad_line="skip")
    hybrid = Hybrid({"plain": Fixed(FIRST), "hnsw": Finding(SECOND), "inner": Hybrid({"recorded": recorded})})
    evaluation = prepare(DATASET, hybrid, SETTINGS, Recorder())
    assert evaluation.findings == {
        "hybrid.hnsw": Findings(truncated_queries=1, recall=SearchRecall(0.9, 100, 3)),
        "hybrid.inner.recorded": Findings(skipped_lines=1, dropped_duplicates=1),
    }
    assert [line for line in about_data_and_candidates(evaluation) if line.startswith("hybrid")] == [
        "hybrid.hnsw: 1 queries are longer than the encoder reads",
        "hybrid.hnsw: the approximate search finds 90.0% of the exact top 100 (mean over 3 queries)",
        "hybrid.inner.recorded: 1 bad lines were skipped",
        "hybrid.inner.recorded: 1 identical duplicates were dropped",
    ]


def test_a_part_that_is_no_first_stage_is_refused_by_its_place() -> None:
    class Nameless:
        searches = True
        retrieve = identity = dict

    for part, lacking in (("bm25", "str\\) has no valid name"), (Nameless(), "Nameless\\) has no valid name")):
        parts: dict[str, Any] = {"good": Fixed(FIRST), "inner": Hybrid({"bad": part})}  # type: ignore[dict-item]
        with pytest.raises(
            ConfigError, match=rf"^the retriever hybrid\.inner\.bad \({lacking}; it needs name, searches"
        ):
            prepare(DATASET, Hybrid(parts), SETTINGS, Recorder())


def test_its_latency_counts_only_where_all_of_them_search() -> None:
    assert Hybrid({"a": Fixed(FIRST), "b": Fixed(SECOND)}).searches
    assert not Hybrid({"a": Fixed(FIRST), "b": Fixed(SECOND, searches=False)}).searches


def test_everything_that_can_change_the_run_is_in_the_identity() -> None:
    def parts() -> dict[str, Retriever]:
        return {"a": Fixed(FIRST), "b": Fixed(SECOND)}

    identity = Hybrid(parts()).identity()
    assert identity == Hybrid(parts(), weights={"a": 1}, name="another").identity()
    others = [
        Hybrid(parts(), method="min_max"),
        Hybrid(parts(), rrf_k=10),
        Hybrid(parts(), weights={"a": 2}),
        Hybrid(parts(), depths={"a": 10}),
        Hybrid({"a": Fixed(FIRST), "b": Fixed(FIRST)}),
        Hybrid({"a": Fixed(FIRST)}),
        Hybrid({"a": Fixed(FIRST), "b": BM25()}),
        Hybrid({"a": Fixed(FIRST), "b": BM25(k1=1.2)}),
    ]
    assert len({repr(other.identity()) for other in others} | {repr(identity)}) == len(others) + 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"retrievers": {}}, "retrievers must be a mapping of one first stage or more"),
        ({"retrievers": [1]}, "retrievers must be a mapping"),
        ({"method": "rff"}, "did you mean rrf"),
        ({"weights": {"dens": 1}}, "weights has 'dens', which is none of the retrievers: did you mean dense"),
        ({"weights": {"dense": -1}}, "weights.dense is -1; it must be a number of at least 0"),
        ({"weights": {"dense": "x"}}, "weights.dense is 'x'"),
        ({"weights": {"dense": float("inf")}}, "weights.dense is inf"),
        ({"weights": {"dense": 0, "bm25": 0}}, "every weight is 0"),
        ({"depths": {"c": 1}}, "depths has 'c', which is none of the retrievers: valid: bm25, dense"),
        ({"depths": {"dense": 0}}, "depths.dense is 0; it must be an integer of at least 1"),
        ({"depths": {"dense": 1.5}}, "depths.dense is 1.5"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Hybrid(**{"retrievers": {"bm25": Fixed(FIRST), "dense": Fixed(SECOND)}} | settings)
    assert message in str(caught.value)


def test_an_evaluation_over_it_times_it_and_keeps_its_parts_in_the_result() -> None:
    settings = Settings(depths=(3,), latency=LatencySettings(queries=2, warmup=0))
    result = evaluate(DATASET, Hybrid({"bm25": BM25(), "fixed": FixedRetriever()}), [Hashed()], settings)
    assert result.status == "complete"
    assert [sample.system for sample in result.latency if sample.depth == 0] == ["hybrid", "hybrid"]
    identity: Any = result.retriever["identity"]
    assert identity["retrievers"]["bm25"]["k1"] == 0.9
    assert identity["retrievers"]["fixed"]["class"] == "tests.fakes.FixedRetriever"


def test_its_retrievers_are_chosen_and_set_on_the_command_line(compose: Compose) -> None:
    assert list(compose("retriever=hybrid")["retriever"]["retrievers"]) == ["bm25", "dense"]
    chosen = compose(
        "retriever=hybrid",
        "retriever.retrievers.bm25.k1=1.2",
        "retriever@retriever.retrievers.dense=bm25",
        "+retriever@retriever.retrievers.recorded=run_file",
        "retriever.retrievers.recorded.path=x.trec",
    )["retriever"]
    check_component(chosen, "retriever")
    assert [part["_target_"].rpartition(".")[2] for part in chosen["retrievers"].values()] == [
        "BM25",
        "BM25",
        "RunFile",
    ]
    alone = compose("retriever=hybrid", "~retriever.retrievers.dense", "retriever.retrievers.bm25.k1=1.2")["retriever"]
    identity = make_component(alone, "retriever").identity()
    assert list(identity["retrievers"]) == ["bm25"]
    assert identity["retrievers"]["bm25"]["k1"] == 1.2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("retriever.retrievers.bm25.k1=-1", "retriever.retrievers.bm25: "),
        ("+retriever.retrievers.bm25.k11=1", "retriever.retrievers.bm25 has no setting 'k11': did you mean k1?"),
        (
            "retriever.weights={bm52: 2}",
            "weights has 'bm52', which is none of the retrievers: did you mean bm25?",
        ),
        (
            "+retriever.retrievers.wrong._target_=rerank_eval.rerankers.none.NoReranker",
            "the retriever hybrid.wrong (NoReranker) has no valid searches; it needs name",
        ),
    ],
)
def test_a_wrong_setting_inside_is_told_with_its_place_and_without_a_traceback(
    override: str, message: str, run_main: RunMain, tmp_path: Path
) -> None:
    alone = ("retriever=hybrid", "~retriever.retrievers.dense", "reranker=[none]")
    done = run_main(*alone, override, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"rerank_eval: {message}")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_on_vaswani_rank_fusion_of_bm25_and_dense_has_a_higher_ap_than_both(collection: FindCollection) -> None:
    """0.354 where bm25 has 0.289 and dense 0.300; both intervals of the paired differences lie above 0."""
    dataset = load_beir_dir(str(collection("vaswani")))
    parts: dict[str, Retriever] = {"bm25": BM25(), "dense": Dense(BGESmall())}
    retrievers = parts | {"hybrid": Hybrid(parts)}
    precision = {
        name: score_run(retriever.retrieve(dataset, 1000), dataset.qrels, ["AP"])["AP"]
        for name, retriever in retrievers.items()
    }
    differences = np.array(
        [
            [precision["hybrid"][query.query_id] - precision[name][query.query_id] for name in parts]
            for query in dataset.queries
        ]
    )
    intervals = mean_intervals(differences, seed=13)
    assert all(interval.low is not None and interval.low > 0 for interval in intervals)


@pytest.mark.slow
def test_the_experiment_gives_a_result_for_each_first_stage_and_the_report_compares_them(
    run_python: RunPython, tmp_path: Path
) -> None:
    settings = ("reranker=[none,random]", "latency.queries=0", "output_dir=results")
    done = run_python("-m", "rerank_eval", "+experiment=first_stages", *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folders = [line.removeprefix("results: ") for line in done.stdout.splitlines() if line.startswith("results: ")]
    assert len(folders) == 3
    reported = run_python("-m", "rerank_eval", "report", *folders, "--out", "report", cwd=tmp_path)
    assert reported.returncode == 0, reported.stderr
    page = (tmp_path / "report" / "report.html").read_text()
    assert all(f"random over {name}" in page for name in ("bm25", "dense", "hybrid"))
