"""TREC files, read and written: malformed lines, duplicates, and ids byte for byte."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.errors import DataError
from rerank_eval.files.text_files import LineReader
from rerank_eval.trec import format_run, read_qrels, read_run
from rerank_eval.types import Ranking

IDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters=" "), min_size=1, max_size=5
).filter(lambda text: text != "query-id" and not text.startswith("\ufeff"))
GRADES = st.dictionaries(IDS, st.integers(-2, 4), min_size=1, max_size=4)
SCORES = st.dictionaries(IDS, st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4)
checked = settings(max_examples=50, deadline=None, derandomize=True)


def written(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "file.txt"
    path.write_bytes(content.encode())
    return path


@checked
@given(qrels=st.dictionaries(IDS, GRADES, min_size=1, max_size=4), beir=st.booleans())
def test_judgments_come_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, qrels: dict[str, dict[str, int]], beir: bool
) -> None:
    rows = [(query_id, doc_id, grade) for query_id, grades in qrels.items() for doc_id, grade in grades.items()]
    if beir:
        text = "query-id\tcorpus-id\tscore\n" + "".join(f"{q}\t{d}\t{grade}\n" for q, d, grade in rows)
    else:
        text = "".join(f"{q} 0 {d} {grade}\n" for q, d, grade in rows)
    assert read_qrels(written(tmp_path_factory.mktemp("qrels"), text)) == qrels


@checked
@given(scores=st.dictionaries(IDS, SCORES, min_size=1, max_size=4))
def test_a_run_comes_back_as_written_whatever_its_rank_column_says(
    tmp_path_factory: pytest.TempPathFactory, scores: dict[str, dict[str, float]]
) -> None:
    text = "".join(f"{q} Q0 {d} 0 {score!r} x\n" for q, docs in scores.items() for d, score in docs.items())
    run = read_run(written(tmp_path_factory.mktemp("run"), text))
    assert run == {query_id: Ranking(docs.items()) for query_id, docs in scores.items()}


@checked
@given(scores=st.dictionaries(IDS, SCORES, min_size=1, max_size=4))
def test_an_exported_run_read_again_has_the_same_order(
    tmp_path_factory: pytest.TempPathFactory, scores: dict[str, dict[str, float]]
) -> None:
    run = {query_id: Ranking(docs.items()) for query_id, docs in scores.items()}
    path = tmp_path_factory.mktemp("export") / "run.trec.gz"
    path.write_bytes(format_run(run, "x"))
    again = read_run(path)
    assert {query_id: ranking.doc_ids for query_id, ranking in again.items()} == {
        query_id: ranking.doc_ids for query_id, ranking in run.items()
    }
    assert format_run(again, "x") == format_run(dict(reversed(run.items())), "x")


@checked
@given(line=st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=40))
def test_any_line_is_read_or_refused_with_its_place(tmp_path_factory: pytest.TempPathFactory, line: str) -> None:
    path = written(tmp_path_factory.mktemp("any"), f"\n{line}\n")
    for read in (read_qrels, read_run):
        error = None
        try:
            read(path)
        except DataError as caught:
            error = caught
        assert error is None or (error.path, error.line) == (path, 2)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("q1 0 99", "3 columns where the first line has 4"),
        ("q1 d1", "2 columns where the first line has 4"),
        ("q1 0 d1 1 x", "5 columns where the first line has 4"),
        ("q1\t0\t99\t", "the relevance must be an integer"),
        ("q1\t0\t99", "3 columns where the first line has 4"),
        ("\t0\td7\t1", "query_id must be a non-empty string"),
        ("q1\t0\t\t1", "doc_id must be a non-empty string"),
        ("q1 0 d1 1.0", "the relevance must be an integer"),
        ("q1 0 d1 yes", "the relevance must be an integer"),
        ("q1 0 d1 \u0661", "the relevance must be an integer"),
        ("q1 0 d\x001 1", "doc_id has white space or a control character"),
    ],
)
def test_a_malformed_judgment_is_an_error_or_skipped_and_counted(tmp_path: Path, line: str, reason: str) -> None:
    path = written(tmp_path, f"q1 0 d0 1\n{line}\nq1 0 d2 2\n")
    with pytest.raises(DataError, match=rf"file\.txt:2: {reason}"):
        read_qrels(path)
    reader = LineReader("skip")
    assert read_qrels(path, reader) == {"q1": {"d0": 1, "d2": 2}}
    assert reader.skipped_lines == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("q1 Q0 d1 1 2.5", "5 columns where a run has 6"),
        ("q1 Q0 d1 1 2.5 my run", "7 columns where a run has 6"),
        ("q1 Q0 d1 1 high x", "the score must be a number"),
        ("q1 Q0 d1 1 1_0 x", "the score must be a number"),
        ("q1 Q0 d1 1 \u0663 x", "the score must be a number"),
        ("q1 Q0 d1 1 \uff11.5 x", "the score must be a number"),
        ("q1 Q0 d1 1 1.5\u00a0 x", "the score must be a number"),
        ("q1 Q0 d1 1 1.5\x0b x", "the score must be a number"),
        ("q1 Q0 d1 1 nan x", "the score must be finite"),
        ("q1 Q0 d1 1 -inf x", "the score must be finite"),
        ("q1 Q0 d1 1 1e999 x", "the score must be finite"),
    ],
)
def test_a_malformed_run_line_is_an_error_or_skipped_and_counted(tmp_path: Path, line: str, reason: str) -> None:
    path = written(tmp_path, f"q1 Q0 d0 1 3 x\n{line}\n")
    with pytest.raises(DataError, match=rf"file\.txt:2: {reason}"):
        read_run(path)
    reader = LineReader("skip")
    assert read_run(path, reader) == {"q1": Ranking([("d0", 3.0)])}
    assert reader.skipped_lines == 1


def test_the_first_line_says_how_many_columns_there_are(tmp_path: Path) -> None:
    """A line that lost its grade is one of the other form: document 0 of grade 99."""
    for first in ("query-id\tcorpus-id\tscore", "q1\td0\t1"):
        with pytest.raises(DataError, match=r"file\.txt:2: 4 columns where the first line has 3"):
            read_qrels(written(tmp_path, f"{first}\nq1\t0\td1\t1\n"))
    with pytest.raises(DataError, match=r"file\.txt:1: 2 columns where qrels have 4 \(TREC\) or 3 \(BEIR\)"):
        read_qrels(written(tmp_path, "q1 d1\nq1 0 d1 1\n"))
    assert read_qrels(written(tmp_path, "q1 d1\nq1 0 d1 1\n"), LineReader("skip")) == {"q1": {"d1": 1}}


def test_two_judgments_that_disagree_are_an_error_with_both_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "q1 0 d1 1\nq2 0 d1 0\n\nq1 0 d1 2\n")
    with pytest.raises(
        DataError, match=r"file\.txt:4: query 'q1', document 'd1' is judged 2 here and judged 1 in line 1"
    ):
        read_qrels(path, LineReader("skip"))


def test_two_scores_that_disagree_are_an_error_with_both_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "q1 Q0 d1 1 3 x\nq1 Q0 d2 2 2 x\nq1 Q0 d1 3 1 x\n")
    with pytest.raises(DataError, match=r"file\.txt:3: query 'q1' has document 'd1' again .* in line 1"):
        read_run(path)


def test_identical_duplicates_are_dropped_and_counted(tmp_path: Path) -> None:
    reader = LineReader()
    assert read_qrels(written(tmp_path, "q1 0 d1 1\nq1 0 d1 1\nq1 1 d1 1\n"), reader) == {"q1": {"d1": 1}}
    assert reader.dropped_duplicates == 2
    run = read_run(written(tmp_path, "q1 Q0 d1 1 3 x\nq1 Q0 d1 2 3.0 x\n"), reader)
    assert (len(run["q1"]), reader.dropped_duplicates) == (1, 3)


@pytest.mark.parametrize("before", ["", "\ufeff", "\n\r\n", "\ufeff\n"])
def test_the_header_of_a_beir_table_may_follow_a_bom_and_blank_lines(tmp_path: Path, before: str) -> None:
    path = written(tmp_path, f"{before}query-id\tcorpus-id\tscore\r\nq1\td1\t1\r\n")
    assert read_qrels(path) == {"q1": {"d1": 1}}


def test_a_header_between_judgments_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, "q1\td1\t1\nquery-id\tcorpus-id\tscore\n")
    with pytest.raises(DataError, match=r"file\.txt:2: a header inside the file"):
        read_qrels(path)


def test_an_empty_file_has_no_judgment_and_no_ranking(tmp_path: Path) -> None:
    assert read_qrels(written(tmp_path, "\n \n")) == {}
    assert read_run(written(tmp_path, "")) == {}


def test_ids_are_not_normalised(tmp_path: Path) -> None:
    path = written(tmp_path, "é 0 a\u00a0b 1\ne\u0301 0 א 2\n")
    assert read_qrels(path) == {"é": {"a\u00a0b": 1}, "e\u0301": {"א": 2}}


def test_an_exported_run_has_the_six_columns_in_rank_order() -> None:
    run = {"q2": Ranking([("d1", 0.5), ("d2", 0.5 + 1e-9)]), "q1": Ranking([("d3", -1.0)])}
    assert gzip.decompress(format_run(run, "minilm")).decode().splitlines() == [
        "q1 Q0 d3 1 1.0 minilm",
        "q2 Q0 d2 1 2.0 minilm",
        "q2 Q0 d1 2 1.0 minilm",
    ]


def test_an_id_with_a_space_between_tabs_is_refused_not_split(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    path.write_text("query-id\tcorpus-id\tscore\nq1\tsome d4\t2\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"test\.tsv:2: doc_id has white space"):
        read_qrels(path)
