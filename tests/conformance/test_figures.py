"""Evaluations of the reference collections have the figures of conformance/figures.yaml, and their exported runs rescore to them."""

import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytrec_eval

from rerank_eval import LatencySettings, Settings, evaluate
from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.hardware import describe_hardware
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.bge_small import BGESmall
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.results.writing import write_result
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.retrievers.run_file import RunFile
from tests.conftest import ROOT, FindCollection, RunPython
from tests.reference_figures import figures_of

MEASURES = ("nDCG@10", "RR(rel=2)@10", "AP(rel=2)@100", "R(rel=2)@100")
GROUPS = {2019: "dl19", 2020: "dl20"}


def figures_of_minilm(year: int, depth: int) -> dict[str, float]:
    """Recall at 100 is the first stage's at every depth."""
    group = GROUPS[year]
    first_stage = figures_of(f"{group}/bm25")
    return first_stage | figures_of(f"{group}/bundled", "minilm", depth) if depth else first_stage


class Written(NamedTuple):
    folder: Path

    def means(self, system: str, depth: int) -> dict[str, float]:
        result = json.loads((self.folder / "result.json").read_text(encoding="utf-8"))
        assert result["status"] == "complete"
        (row,) = (
            row
            for found in result["systems"]
            if found["name"] == system
            for row in found["depths"]
            if row["depth"] == depth
        )
        return {name: value["mean"] for name, value in row["measures"].items()}


def skip_without_vnni() -> None:
    if "avx512_vnni" not in str(describe_hardware()["vector_instructions"]):
        pytest.skip("these figures are of a CPU with AVX-512 VNNI; without it, int8 products can saturate")


def evaluate_trec_dl(collection: FindCollection, year: int, reranker: Reranker, depth: int, parent: Path) -> Written:
    folder = collection(f"trec-dl-{year}")
    result = evaluate(
        load_beir_dir(str(folder), relevance_level=2),
        RunFile(str(folder / "runs" / "bm25.top100.trec")),
        [reranker],
        Settings(depths=[depth], latency=LatencySettings(queries=0)),
    )
    return Written(write_result(result, parent))


def assert_runs_rescore(written: Written, qrels_path: Path) -> None:
    """Rescore every exported run by pytrec_eval, from the files alone."""
    qrels: dict[str, dict[str, int]] = {}
    for line in qrels_path.read_text(encoding="utf-8").splitlines()[1:]:
        query_id, doc_id, relevance = line.split("\t")
        qrels.setdefault(query_id, {})[doc_id] = int(relevance)
    kept: dict[tuple[str, str], dict[str, float]] = {}
    for line in (written.folder / "scores.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        kept.setdefault((f"{row['system']}.{row['depth']}", row["measure"]), {})[row["query_id"]] = row["value"]
    paths = sorted((written.folder / "runs").iterdir())
    assert {path.name.removesuffix(".trec.gz") for path in paths} == {name for name, _ in kept}
    for path in paths:
        run: dict[str, dict[str, float]] = {}
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            query_id, _, doc_id, _, score, _ = line.split(" ")
            run.setdefault(query_id, {})[doc_id] = float(score)
        found: dict[str, dict[str, float]] = {measure: {} for measure in MEASURES}
        graded = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut_10"}).evaluate(run)
        binary = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank", "map_cut_100", "recall_100"}, relevance_level=2)
        for query_id, values in binary.evaluate(run).items():
            within_ten = values["recip_rank"] > 1 / 10.5  # pytrec_eval has no cut-off for it
            found["nDCG@10"][query_id] = graded[query_id]["ndcg_cut_10"]
            found["RR(rel=2)@10"][query_id] = values["recip_rank"] if within_ten else 0.0
            found["AP(rel=2)@100"][query_id] = values["map_cut_100"]
            found["R(rel=2)@100"][query_id] = values["recall_100"]
        for measure in MEASURES:
            assert kept[path.name.removesuffix(".trec.gz"), measure] == pytest.approx(found[measure], abs=1e-6)


def test_bm25_run_of_the_track_has_the_published_values(collection: FindCollection, tmp_path: Path) -> None:
    for year, group in GROUPS.items():
        written = evaluate_trec_dl(collection, year, NoReranker(), 10, tmp_path)
        assert written.means("none", 0) == pytest.approx(figures_of(f"{group}/bm25"), abs=0.0005)


@pytest.mark.parametrize("year", GROUPS)
def test_runs_of_the_bound_rescore_to_the_kept_values(year: int, collection: FindCollection, tmp_path: Path) -> None:
    """Grades as scores: many tie, and ties are where two programs may rank otherwise."""
    written = evaluate_trec_dl(collection, year, Oracle(), 10, tmp_path)
    assert written.means("oracle", 10)["nDCG@10"] > figures_of_minilm(year, 10)["nDCG@10"]
    assert_runs_rescore(written, collection(f"trec-dl-{year}") / "qrels" / "test.tsv")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("bm25", {}),
        pytest.param("bm25-k1-1.2-b-0.75", {"k1": 1.2, "b": 0.75}, marks=pytest.mark.slow),
        pytest.param("bm25-no-stemmer", {"stemmer": None}, marks=pytest.mark.slow),
    ],
)
def test_bm25_on_vaswani_has_the_reference_values(
    collection: FindCollection, name: str, parameters: dict[str, Any]
) -> None:
    expected = figures_of(f"vaswani/{name}")
    settings = Settings(depths=[10], measures=[*expected], latency=LatencySettings(queries=0))
    result = evaluate(load_beir_dir(str(collection("vaswani"))), BM25(**parameters), [NoReranker()], settings)
    found = {name: value.mean for name, value in result.systems[0].depths[0].measures.items()}
    assert found == pytest.approx(expected, abs=0.003)


@pytest.mark.slow
@pytest.mark.parametrize("year", GROUPS)
def test_the_command_gives_the_reference_table_and_runs_that_rescore_to_it(
    year: int, collection: FindCollection, run_python: RunPython, tmp_path: Path
) -> None:
    """The command as a user types it."""
    skip_without_vnni()
    data = collection(f"trec-dl-{year}")
    done = run_python(
        *("-m", "rerank_eval", "+experiment=msmarco", "dataset=beir_dir", f"dataset.path={data}"),
        *("dataset.relevance_level=2", "retriever=run_file"),
        *(f"retriever.path={data}/runs/bm25.top100.trec", "reranker=[none,minilm]", "depths=[10,20,50,100]"),
        f"output_dir={tmp_path}",
        cwd=ROOT,
        timeout_s=900,
    )
    assert done.returncode == 0, done.stderr
    written = Written(Path(done.stdout.splitlines()[-1].removeprefix("results: ")))
    for depth in (0, 10, 20, 50, 100):
        assert written.means("minilm", depth) == pytest.approx(figures_of_minilm(year, depth), abs=0.0005)
        assert written.means("none", depth) == pytest.approx(figures_of_minilm(year, 0), abs=0.0005)
    assert_runs_rescore(written, collection(f"trec-dl-{year}") / "qrels" / "test.tsv")


@pytest.mark.slow
def test_bge_small_over_a_hundred_candidates_has_the_reference_values(
    collection: FindCollection, tmp_path: Path
) -> None:
    skip_without_vnni()
    written = evaluate_trec_dl(collection, 2019, BGESmall(), 100, tmp_path)
    expected = figures_of("dl19/bm25") | figures_of("dl19/bundled", "bge_small", 100)
    assert written.means("bge_small", 100) == pytest.approx(expected, abs=0.003)
