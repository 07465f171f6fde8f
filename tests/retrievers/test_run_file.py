"""A recorded first stage: malformed lines, duplicates, ties, missing queries, short lists."""

import gzip
from pathlib import Path

import pytest

from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.errors import ConfigError, DataError
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.retrievers.run_file import RunFile
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Ranking
from tests.conftest import FindCollection
from tests.fakes import make_dataset

DATASET = make_dataset(num_queries=3)
LINES = "q000 Q0 d001 9 1.5 x\nq000 Q0 d002 1 1.5 x\nq000 Q0 d003 1 2 x\nq001 Q0 d004 1 1 x\nq999 Q0 d004 1 1 x\n"


def written(folder: Path, content: str, name: str = "bm25.trec") -> str:
    path = folder / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return str(path)


@pytest.mark.parametrize("name", ["bm25.trec", "bm25.trec.gz"])
def test_each_query_gets_its_top_by_score_and_doc_id(tmp_path: Path, name: str) -> None:
    retriever = RunFile(written(tmp_path, LINES, name))
    assert retriever.name == "bm25"
    assert not retriever.searches
    run = retriever.retrieve(DATASET, 2)
    assert {query_id: ranking.doc_ids for query_id, ranking in run.items()} == {
        "q000": ("d003", "d002"),
        "q001": ("d004",),
    }
    assert retriever.retrieve(DATASET, 100)["q000"] == Ranking([("d001", 1.5), ("d002", 1.5), ("d003", 2.0)])


def test_windows_line_ends_a_bom_and_blank_lines_change_nothing(tmp_path: Path) -> None:
    plain = RunFile(written(tmp_path, LINES))
    windows = RunFile(written(tmp_path, "\ufeff\r\n" + LINES.replace("\n", "\r\n\r\n"), "windows.trec"))
    assert windows.identity() == plain.identity()
    assert windows.retrieve(DATASET, 10) == plain.retrieve(DATASET, 10)


def test_the_identity_is_that_of_the_rankings(tmp_path: Path) -> None:
    identity = RunFile(written(tmp_path, LINES)).identity()
    reordered = "".join(reversed(LINES.splitlines(keepends=True)))
    assert RunFile(written(tmp_path, reordered, "other.trec.gz")).identity() == identity
    for old, new in (("d001", "d009"), (" 1.5 ", " 1.6 "), ("q001", "q002")):
        assert RunFile(written(tmp_path, LINES.replace(old, new, 1))).identity() != identity


def test_a_missing_and_a_malformed_file_are_errors_with_their_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.trec: no such file"):
        RunFile(str(tmp_path / "none.trec"))
    with pytest.raises(DataError, match=r"bm25\.trec:6: 2 columns where a run has 6: bad line"):
        RunFile(written(tmp_path, LINES + "bad line\n"))
    with pytest.raises(ConfigError, match="on_bad_line"):
        RunFile(written(tmp_path, LINES), on_bad_line="drop")  # type: ignore[arg-type]


def test_a_truncated_gzip_is_an_error(tmp_path: Path) -> None:
    path = Path(written(tmp_path, LINES * 50, "bm25.trec.gz"))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"bm25\.trec\.gz: cannot be read"):
        RunFile(str(path), on_bad_line="skip")


def test_skipped_lines_dropped_duplicates_and_missing_candidates_are_in_the_report(tmp_path: Path) -> None:
    lines = "bad line\n" + LINES + "q001 Q0 d004 1 1 x\n"
    retriever = RunFile(written(tmp_path, lines), on_bad_line="skip")
    settings = Settings(depths=(2, 5), latency=LatencySettings(queries=0))
    warnings = evaluate(DATASET, retriever, [NoReranker()], settings).warnings
    assert "bm25: 1 bad lines were skipped" in warnings
    assert "bm25: 1 identical duplicates were dropped" in warnings
    assert any("depth 5 asked, 0 available for query q002; 3 of 3 queries" in warning for warning in warnings)
    assert any("the first stage has nothing for 1 of 3 queries; they count as 0" in warning for warning in warnings)


def test_the_published_candidates_of_trec_dl_2019_are_all_in_its_corpus(collection: FindCollection) -> None:
    folder = collection("trec-dl-2019")
    dataset = load_beir_dir(str(folder), relevance_level=2)
    run = RunFile(str(folder / "runs/bm25.top100.trec")).retrieve(dataset, 100)
    assert (len(dataset.corpus), len(run)) == (4297, 43)
    assert all(len(ranking) == 100 for ranking in run.values())
    assert all(doc_id in dataset.corpus for ranking in run.values() for doc_id in ranking.doc_ids)
