"""Folders in BEIR layout, as they come: malformed lines, duplicates, empty texts, missing judgments and documents, paths that lead out."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.errors import ConfigError, DataError, NotEvaluableError
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import LoadReport, Query

CORPUS = ['{"_id": "d1", "title": "Red", "text": "one"}', '{"_id": "d2", "title": "", "text": "two"}']
QUERIES = ['{"_id": "q1", "text": "red"}', '{"_id": "q2", "text": "green"}']
QRELS = ["query-id\tcorpus-id\tscore", "q1\td1\t1", "q2\td2\t2"]
QUICK = Settings(depths=(2,), latency=LatencySettings(queries=0))
Make = Callable[..., str]


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    def write(
        corpus: list[str] = CORPUS,
        queries: list[str] = QUERIES,
        qrels: list[str] = QRELS,
        end: str = "\n",
        bom: str = "",
        zipped: bool = False,
        qrels_name: str = "qrels/test.tsv",
    ) -> str:
        folder = tmp_path_factory.mktemp("beir") / "my-data"
        (folder / "qrels").mkdir(parents=True)
        for name, lines in (("corpus.jsonl", corpus), ("queries.jsonl", queries), (qrels_name, qrels)):
            content = (bom + "".join(line + end for line in lines)).encode()
            path = folder / (name + ".gz" * zipped)
            path.write_bytes(gzip.compress(content) if zipped else content)
        return str(folder)

    return write


def test_a_folder_is_read(make: Make) -> None:
    dataset = load_beir_dir(make())
    assert (dataset.name, dataset.split, dataset.relevance_level) == ("my-data", "test", 1)
    assert dict(zip(dataset.corpus.doc_ids, dataset.corpus.texts(), strict=True)) == {"d1": "Red one", "d2": "two"}
    assert dataset.queries == (Query("q1", "red"), Query("q2", "green"))
    assert dataset.qrels == {"q1": {"d1": 1}, "q2": {"d2": 2}}
    assert dataset.load_report == LoadReport()


def test_line_ends_bom_blank_lines_compression_and_form_of_the_qrels_change_no_content(make: Make) -> None:
    sha256 = load_beir_dir(make()).sha256
    trec = ["q1 0 d1 1", "q2\t0\td2\t2"]
    variants = [
        make(end="\r\n"),
        make(bom="\ufeff"),
        make(bom="\ufeff", end="\r\n\r\n \r\n"),
        make(zipped=True),
        make(qrels=trec, qrels_name="qrels/test.trec"),
        make(qrels=trec, qrels_name="test.qrels", zipped=True),
    ]
    assert {load_beir_dir(path).sha256 for path in variants} == {sha256}


def test_unusual_but_valid_fields_are_read(make: Make) -> None:
    corpus = ['{"_id": 7, "title": null, "text": "x", "metadata": {}}', '{"_id": "é\\u00a0/😀", "text": ""}']
    dataset = load_beir_dir(make(corpus=corpus, qrels=["q1\t7\t1", "q2\té\u00a0/😀\t-1"]))
    assert dataset.corpus.doc_ids == ["7", "é\u00a0/😀"]
    assert dataset.qrels == {"q1": {"7": 1}, "q2": {"é\u00a0/😀": -1}}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('"d3"', "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        ('{"text": "x"}', "_id must be a non-empty string"),
        ('{"_id": "", "text": "x"}', "_id must be a non-empty string"),
        ('{"_id": 1.5, "text": "x"}', "_id must be a non-empty string"),
        ('{"_id": "a b", "text": "x"}', "_id has white space"),
        ('{"_id": "\\ud800", "text": "x"}', "_id is no valid Unicode"),
        ('{"_id": "d3"}', "'text' must be a string"),
        ('{"_id": "d3", "text": null}', "'text' must be a string"),
        ('{"_id": "d3", "text": ["x"]}', "'text' must be a string"),
        ('{"_id": ' + "1" * 5000 + "}", "integer string conversion"),
    ],
)
@pytest.mark.parametrize("file", ["corpus", "queries"])
def test_a_malformed_line_is_an_error_or_skipped_and_counted(make: Make, file: str, line: str, reason: str) -> None:
    path = make(**{file: ["", *(CORPUS if file == "corpus" else QUERIES), line]})
    with pytest.raises(DataError, match=rf"{file}\.jsonl:4: .*{reason}") as caught:
        load_beir_dir(path)
    assert len(str(caught.value)) < len(path) + 250
    dataset = load_beir_dir(path, on_bad_line="skip")
    assert dataset.load_report == LoadReport(skipped_lines=1)
    assert (len(dataset.corpus), len(dataset.queries)) == (2, 2)


def test_a_title_that_is_no_string_is_an_error(make: Make) -> None:
    with pytest.raises(DataError, match=r"corpus\.jsonl:1: 'title' must be a string"):
        load_beir_dir(make(corpus=['{"_id": "d1", "title": 5, "text": "x"}']))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(documents=st.dictionaries(st.text("abé", min_size=1, max_size=3), st.text(max_size=12), min_size=1, max_size=5))
def test_every_text_comes_back(tmp_path_factory: pytest.TempPathFactory, documents: dict[str, str]) -> None:
    folder = tmp_path_factory.mktemp("any")
    lines = [json.dumps({"_id": doc_id, "text": text}) for doc_id, text in documents.items()]
    (folder / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "x"}), encoding="utf-8")
    (folder / "test.qrels").write_text(f"q 0 {min(documents)} 1\n", encoding="utf-8")
    corpus = load_beir_dir(str(folder), name="any").corpus
    assert {doc_id: corpus.text(doc_id) for doc_id in corpus.doc_ids} == documents


@pytest.mark.parametrize("on_bad_line", ["error", "skip"])
def test_one_id_with_two_texts_is_an_error_that_names_both_lines(make: Make, on_bad_line: str) -> None:
    with pytest.raises(DataError, match=r"corpus\.jsonl:5: doc_id 'd1' .*\(first in line 1\); keep one"):
        load_beir_dir(make(corpus=[*CORPUS, "", CORPUS[0], '{"_id": "d1", "text": "else"}']), on_bad_line=on_bad_line)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"queries\.jsonl:3: query_id 'q2' .*\(first in line 2\); keep one"):
        load_beir_dir(make(queries=[*QUERIES, '{"_id": "q2", "text": "else"}']), on_bad_line=on_bad_line)  # type: ignore[arg-type]
    with pytest.raises(
        DataError, match=r"test\.tsv:4: query 'q1', document 'd1' is judged 0 here and judged 1 in line 2"
    ):
        load_beir_dir(make(qrels=[*QRELS, "q1\td1\t0"]), on_bad_line=on_bad_line)  # type: ignore[arg-type]


def test_identical_duplicates_are_dropped_and_counted(make: Make) -> None:
    dataset = load_beir_dir(make(corpus=CORPUS * 2, queries=QUERIES * 2, qrels=[*QRELS, *QRELS[1:]]))
    assert dataset.load_report == LoadReport(dropped_duplicates=6)
    assert dataset.sha256 == load_beir_dir(make()).sha256


def test_blank_texts_are_kept_and_counted_and_surrogates_replaced(make: Make) -> None:
    corpus = [*CORPUS, '{"_id": "d3", "text": ""}', '{"_id": "d4", "title": " ", "text": "\\t"}']
    corpus.append('{"_id": "d5", "text": "a\\udfff\\u0000b"}')
    queries = [*QUERIES, '{"_id": "q3", "text": " "}', '{"_id": "q4", "text": "\\ud800"}']
    dataset = load_beir_dir(make(corpus=corpus, queries=queries, qrels=[*QRELS, "q3\td3\t1", "q4\td4\t1"]))
    assert dataset.load_report == LoadReport(replaced_surrogates=2, blank_documents=2, blank_queries=1)
    assert dataset.corpus.text("d5") == "a\ufffd\x00b"
    assert dataset.queries[2:] == (Query("q3", " "), Query("q4", "\ufffd"))


def test_what_loading_found_is_in_the_report(make: Make) -> None:
    corpus = [*CORPUS, "bad", '{"_id": "d3", "text": ""}', CORPUS[0]]
    queries = [*QUERIES, '{"_id": "q3", "text": "red"}', '{"_id": "q4", "text": "no judgment"}']
    qrels = [*QRELS, "q1\tgone\t1", "q3\td1\t0", "q9\td1\t1"]
    dataset = load_beir_dir(make(corpus=corpus, queries=queries, qrels=qrels), on_bad_line="skip")
    result = evaluate(dataset, BM25(), [NoReranker()], QUICK)
    for expected in (
        "data: 1 bad lines were skipped",
        "data: 1 identical duplicates were dropped",
        "data: 1 documents are blank",
        "data: 1 queries have no judgment and are not evaluated",
        "data: 1 judged queries are not in the dataset's queries and are not evaluated",
        "data: 1 queries have no relevant document; they count as 0",
        "data: 1 of 3 judgments of grade 1 and up (33.3%) are of documents that the corpus lacks",
    ):
        assert any(warning.startswith(expected) for warning in result.warnings), (expected, result.warnings)
    recall = result.systems[0].depths[0].measures["R@100"]
    assert recall.num_queries == 3
    assert recall.mean == pytest.approx(0.5 / 3)
    assert result.ceiling[2]["R@100"] == pytest.approx(0.5 / 3)


def test_queries_of_another_split_cannot_be_evaluated(make: Make) -> None:
    dataset = load_beir_dir(make(qrels=["q8\td1\t1", "q9\td1\t1"]))
    assert (dataset.queries, dataset.qrels, dataset.load_report.unknown_judged_queries) == ((), {}, 2)
    with pytest.raises(NotEvaluableError, match="no query with a judgment in the split 'test'"):
        evaluate(dataset, BM25(), [NoReranker()], QUICK)


def test_without_a_split_all_queries_are_there_and_none_is_judged(make: Make) -> None:
    dataset = load_beir_dir(make(queries=[*QUERIES, '{"_id": "q3", "text": "two"}']), split=None)
    assert (dataset.split, dataset.is_judged, dataset.qrels) == ("unjudged", False, {})
    assert [query.query_id for query in dataset.queries] == ["q1", "q2", "q3"]
    assert dataset.load_report == LoadReport()
    result = evaluate(dataset, BM25(), [NoReranker()], QUICK)
    assert any(warning.startswith("data: the queries have no judgments") for warning in result.warnings)


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc", "..", ".hidden", "", "a\x00b", "a" * 101, "a\\b", "x\n"])
def test_names_that_could_leave_a_folder_are_refused(make: Make, name: str) -> None:
    path = make()
    with pytest.raises(ConfigError, match=r"dataset\.split .* cannot name a file"):
        load_beir_dir(path, split=name)
    if name:
        with pytest.raises(ConfigError, match=r"dataset\.name .* cannot name a file"):
            load_beir_dir(path, name=name)


def test_a_missing_folder_file_or_split_is_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.path: .*none is not a folder"):
        load_beir_dir(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"dataset\.split 'tset' has no file .*tset\.tsv: did you mean test\?"):
        load_beir_dir(make(), split="tset")
    for name in ("corpus", "queries"):
        path = make()
        (Path(path) / f"{name}.jsonl").unlink()
        with pytest.raises(DataError, match=rf"my-data: .* has {name}\.jsonl or {name}\.jsonl\.gz; there is none"):
            load_beir_dir(path)
    with pytest.raises(ConfigError, match=r"dataset\.relevance_level is 0"):
        load_beir_dir(make(), relevance_level=0)


def test_a_truncated_gzip_is_an_error_even_where_bad_lines_are_skipped(make: Make) -> None:
    path = make(zipped=True)
    corpus = Path(path) / "corpus.jsonl.gz"
    corpus.write_bytes(corpus.read_bytes()[:-6])
    with pytest.raises(DataError, match=r"corpus\.jsonl\.gz: cannot be read"):
        load_beir_dir(path, on_bad_line="skip")
