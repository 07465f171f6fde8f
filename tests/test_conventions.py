"""What a benchmark says about counting, in every loader."""

import json
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.components import make_component
from rerank_eval.conventions import Conventions
from rerank_eval.corpus import Corpus
from rerank_eval.errors import ConfigError
from rerank_eval.evaluation.evaluation import prepare
from rerank_eval.protocols import Retriever, SilentProgress
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.retrievers.candidates import Candidates
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, Query
from tests.conftest import Compose, RunMain

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"relevance_level": 0}, r"^dataset\.relevance_level is 0; it must be an integer between 1 and 9999"),
    ({"relevance_level": 10_000}, r"^dataset\.relevance_level is 10000"),
    ({"relevance_level": True}, r"^dataset\.relevance_level is True"),
    ({"relevance_level": 1.5}, r"^dataset\.relevance_level is 1\.5"),
    ({"removes_query_document": "no"}, r"^dataset\.removes_query_document is 'no'; valid: true, false"),
    ({"published_bm25": 0.5}, r"^dataset\.published_bm25 is 0\.5; it has a value between 0 and 1 by measure"),
    ({"published_bm25": {"nDCG@10": 50.58}}, r"^dataset\.published_bm25 is .*50\.58"),
    ({"published_bm25": {"nDCG@10": "x"}}, r"^dataset\.published_bm25 is "),
    ({"published_bm25": {"nDCG@10": float("nan")}}, r"^dataset\.published_bm25 is "),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_what_cannot_be_is_refused_whoever_makes_the_dataset(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Conventions(**wrong)
    with pytest.raises(ConfigError, match=message):
        Dataset("x", "test", Corpus([("d", "x")]), (Query("q", "x"),), {"q": {"d": 1}}, **wrong)


ITSELF = {"a1": "taxes on cars", "a2": "taxes on houses", "a3": "taxes on income"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A query that is a document itself, and is found, in each of the local forms."""
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("a1 0 a2 1\n")
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps({"_id": i, "text": t}) + "\n" for i, t in ITSELF.items()))
    (tmp_path / "queries.jsonl").write_text(json.dumps({"_id": "a1", "text": ITSELF["a1"]}) + "\n")
    hits = [{"docid": doc_id, "doc": text} for doc_id, text in ITSELF.items()]
    (tmp_path / "hits.jsonl").write_text(
        json.dumps({"query": {"qid": "a1", "text": ITSELF["a1"]}, "candidates": hits}) + "\n"
    )
    rows = [f"{ITSELF['a1']},a1,{text},{doc_id},{int(doc_id == 'a2')}" for doc_id, text in ITSELF.items()]
    (tmp_path / "pairs.csv").write_text("\n".join(["query,query_id,document,doc_id,relevance", *rows]) + "\n")
    return tmp_path


def local(form: str, files: Path) -> list[str]:
    settings = {
        "beir_dir": [f"dataset.path={files}"],
        "candidates": [f"dataset.path={files / 'hits.jsonl'}", f"dataset.qrels={files / 'qrels' / 'test.tsv'}"],
        "triples": [f"dataset.path={files / 'pairs.csv'}"],
    }
    return [f"dataset={form}", "dataset.name=arguments", *settings[form]]


@pytest.mark.parametrize("form", ["beir_dir", "candidates", "triples"])
def test_the_query_that_is_a_document_itself_is_taken_out_by_a_setting(
    form: str, files: Path, compose: Compose
) -> None:
    settings = Settings(depths=(2,), measures=("nDCG@2",), latency=LatencySettings(queries=0))
    for removes in (False, True):
        composed = compose(*local(form, files), f"dataset.removes_query_document={str(removes).lower()}")
        dataset = make_component(composed["dataset"], "dataset")
        retrievers: list[Retriever] = [BM25()] if form == "beir_dir" else [BM25(), Candidates()]
        for retriever in retrievers:
            found = prepare(dataset, retriever, settings, SilentProgress()).first_stage["a1"]
            assert ("a1" in found.doc_ids) is not removes
            assert len(found) == 2


@pytest.mark.parametrize("form", ["beir_dir", "candidates"])
def test_published_values_and_the_collection_are_settings_of_local_data(
    form: str, files: Path, compose: Compose
) -> None:
    composed = compose(
        *local(form, files),
        "dataset.published_bm25={nDCG@10: 0.397, RR@10: 0.5}",
        "dataset.part_of=all",
        "dataset.relevance_level=2",
    )
    dataset = make_component(composed["dataset"], "dataset")
    assert dataset.published_bm25 == {"nDCG@10": 0.397, "RR@10": 0.5}
    assert (dataset.part_of, dataset.relevance_level) == ("all", 2)


def test_check_data_names_the_setting_that_takes_the_query_out_and_prints_published_values(
    files: Path, tmp_path: Path, run_main: RunMain
) -> None:
    command = ("check-data", "dataset=beir_dir", f"dataset.path={files}", "dataset.name=arguments")
    found = run_main(*command, "dataset.published_bm25={nDCG@10: 0.397, RR@10: 0.5}", "depths=[2]", cwd=tmp_path)
    assert "dataset.removes_query_document=true takes it out: a1" in found.stdout, found.stderr
    assert "published nDCG@10 of BM25: 0.3970\npublished RR@10 of BM25: 0.5000\n" in found.stdout
    removed = run_main(*command, "dataset.removes_query_document=true", "depths=[2]", cwd=tmp_path)
    assert removed.returncode == 0, removed.stderr
    assert "removes_query_document" not in removed.stdout
