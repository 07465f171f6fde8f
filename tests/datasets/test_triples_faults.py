"""The user's own tables that are malformed, disagree, lead out of their folder, or unpack to too much."""

import gzip
import io
import json
import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.datasets.triples import from_frame, load_triples
from rerank_eval.errors import ConfigError, DataError
from rerank_eval.types import LoadReport
from tests.datasets.table_files import FULL, Make, orders_of, writer


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    return writer(tmp_path_factory)


@pytest.mark.parametrize(
    ("rows", "line"),
    [(['a,"b', "c,d"], 3), (['a,"b" c', "d,e"], 3), (['a,"b"c"', "d,e"], 3)],
)
def test_a_fault_of_quotation_is_an_error_even_where_bad_lines_are_skipped(
    make: Make, rows: list[str], line: int
) -> None:
    with pytest.raises(DataError, match=rf"log\.csv:{line}: not CSV .*quotation mark"):
        load_triples(make(["query,document", "x,y", *rows]), on_bad_line="skip")


def test_a_document_of_a_megabyte_is_read_and_a_cell_without_end_is_not(make: Make) -> None:
    long = "word " * 200_000
    assert list(load_triples(make(["query,document", f'x,"{long}"'])).corpus.texts()) == [long]
    with pytest.raises(DataError, match=r"log\.csv:2: not CSV \(field larger than field limit"):
        load_triples(make("query,document\nx," + '"' + ("y" * 1023 + "\n") * 66_000))


BAD_CELLS = ["x,a,1.5", "x,a,yes", "x,a,NaN", "x,a,1e3", "x,a,10000", "x,a,1_0", "x,a,True", "x,a", "x,a,1,2"]


BAD_OBJECTS: list[tuple[object, str]] = [
    ([1], "not a JSON object"),
    ({"query": "x"}, "there is no 'document'"),
    ({"query": 5, "document": "a"}, "'query' must be a string"),
    ({"query": "x", "document": None}, "'document' must be a string"),
    ({"query": "x", "document": "a", "title": 5}, "'title' must be a string"),
    ({"query": "x", "document": "a", "relevance": True}, "'relevance' must be an integer"),
    ({"query": "x", "document": "a", "relevance": 0.5}, "'relevance' must be an integer"),
    ({"query": "x", "document": "a", "relevance": float("nan")}, "'relevance' must be an integer"),
    ({"query": "x", "document": "a", "relevance": [1]}, "'relevance' must be an integer"),
    ({"query": "x", "document": "a", "query_id": ""}, "query_id must be a non-empty string"),
    ({"query": "x", "document": "a", "doc_id": None}, "doc_id must be a non-empty string"),
    ({"query": "x", "document": "a", "doc_id": "a b"}, "doc_id has white space"),
]


@pytest.mark.parametrize("bad", BAD_CELLS)
def test_a_malformed_row_is_an_error_or_skipped_and_counted(make: Make, bad: str) -> None:
    path = make(["query,document,relevance", "", "x,a,1", bad])
    with pytest.raises(DataError, match=r"log\.csv:4: .*(integer|cells)") as caught:
        load_triples(path)
    assert len(str(caught.value)) < len(path) + 250
    assert load_triples(path, on_bad_line="skip").load_report == LoadReport(skipped_lines=1)


@pytest.mark.parametrize(("bad", "reason"), BAD_OBJECTS)
def test_a_malformed_object_is_an_error_or_skipped_and_counted(make: Make, bad: object, reason: str) -> None:
    path = make(['{"query": "x", "document": "a", "relevance": 1}', "", json.dumps(bad)], "log.jsonl")
    with pytest.raises(DataError, match=rf"log\.jsonl:3: {reason}"):
        load_triples(path)
    assert load_triples(path, on_bad_line="skip").load_report == LoadReport(skipped_lines=1)


def test_bytes_that_are_no_utf8_are_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b'query,document\nx,a\nx,"\xff\nb"\ny,c\n')
    with pytest.raises(DataError, match=r"log\.csv:3: not UTF-8"):
        load_triples(str(path))
    dataset = load_triples(str(path), on_bad_line="skip")
    assert (dataset.load_report.skipped_lines, list(dataset.corpus.texts())) == (1, ["a", "c"])


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "no row with the names"),
        ([",,"], "no row with the names"),
        (["query,document,query"], "'query' comes twice"),
    ],
)
def test_a_table_without_usable_names_of_columns_is_refused(make: Make, lines: list[str], reason: str) -> None:
    with pytest.raises(DataError, match=rf"log\.csv.*{reason}"):
        load_triples(make(lines))


@pytest.mark.parametrize("on_bad_line", ["error", "skip"])
def test_rows_that_disagree_are_an_error_that_names_both_lines(make: Make, on_bad_line: str) -> None:
    for row, reason in (
        ("q1,red,d1,,one,1", r"query 'q1', document 'd1' is judged 1 here and judged 2 in line 3"),
        ("q1,red,d1,,one,", r"query 'q1', document 'd1' is not judged here and judged 2 in line 3"),
        ("q1,blue,d3,,x,1", r"query_id 'q1' comes twice with different texts \(first in line 2\)"),
        ("q2,green,d1,,else,1", r"doc_id 'd1' comes twice with different texts \(first in line 3\)"),
    ):
        with pytest.raises(DataError, match=rf"log\.csv:5: {reason}"):
            load_triples(make([*FULL, row]), on_bad_line=on_bad_line)  # type: ignore[arg-type]


def test_identical_rows_are_dropped_and_counted(make: Make) -> None:
    dataset = load_triples(make(FULL + FULL[1:]))
    assert dataset.load_report == LoadReport(dropped_duplicates=3)
    assert dataset.sha256 == load_triples(make(FULL)).sha256


def test_a_relevance_that_is_empty_in_every_row_is_refused(make: Make) -> None:
    with pytest.raises(DataError, match=r"log\.csv: the column 'relevance' is empty in every row"):
        load_triples(make(["query,document,relevance", "x,a,"]))


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc", "..", ".hidden", "a b", "a\x00b"])
def test_names_that_could_leave_a_folder_are_refused(make: Make, name: str) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.name .* cannot name a file"):
        load_triples(make(FULL), name=name)
    with pytest.raises(ConfigError, match=r"dataset\.name .* cannot name a file"):
        from_frame(pd.DataFrame({"query": ["x"], "document": ["a"]}), name)


def test_files_and_settings_that_are_wrong_are_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        load_triples(str(tmp_path / "none.csv"))
    with pytest.raises(ConfigError, match=r"log\.xlsx must end in \.csv, \.tsv or \.jsonl"):
        load_triples(make(FULL, "log.xlsx"))
    with pytest.raises(ConfigError, match=r"dataset\.relevance_level is 0"):
        load_triples(make(FULL), relevance_level=0)
    zipped = Path(make(FULL, "log.csv.gz"))
    zipped.write_bytes(zipped.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"log\.csv\.gz: cannot be read"):
        load_triples(str(zipped), on_bad_line="skip")


def test_a_wrong_row_of_a_frame_is_named_by_its_number() -> None:
    frame = pd.DataFrame({"query": ["x", "y"], "document": ["a", None]})
    with pytest.raises(DataError, match=r"log:2: 'document' must be a string"):
        from_frame(frame, "log")
    assert from_frame(frame, "log", on_bad_line="skip").load_report == LoadReport(skipped_lines=1)
    with pytest.raises(DataError, match=r"log: the column 'query' comes twice"):
        from_frame(pd.DataFrame([["x", "y"]], columns=["query", "query"]), "log")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    start=st.sampled_from([b"", b"query,document\n", b"query\tdocument\trelevance\n", b'{"query": "x", "document": ']),
    content=st.binary(max_size=40) | st.text('x",\n\r\t1.{}[]:', max_size=40).map(str.encode),
    name=st.sampled_from(["a.csv", "a.tsv", "a.jsonl", "a.csv.gz"]),
)
def test_any_bytes_are_a_dataset_or_an_error_of_the_data(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, content: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(gzip.compress(start + content) if name.endswith(".gz") else start + content)
    try:
        dataset = load_triples(str(path), name="any")
    except DataError as error:
        place = error.path
    else:
        place = path
        assert {query.query_id for query in dataset.queries} <= set(orders_of(dataset))
    assert place == path


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        ("query,document,relevance\n", "log.csv", ": there is no row of data"),
        ("", "log.jsonl", ": there is no row of data"),
        ("query;document\nx;y\n", "log.csv", ":1: .* one cell, query;document; the separator must be a comma"),
        ("query,document\nx,y\n", "log.tsv", ":1: .* one cell, query,document; the separator must be a comma"),
        ("query,document\rx,y\r", "log.csv", r":1: a line ends with \\r alone"),
        ("query\tdocument\rx\ty\r", "log.tsv", r":1: the lines end with \\r alone"),
        ("query,r\xe9ponse\nx,y\n", "log.csv", ":1: the names of the columns are not UTF-8; save the file as UTF-8"),
        (
            "query,document\nx,\xe9t\xe9\n",
            "log.csv",
            r":2: not UTF-8; save the file as UTF-8: \['x', '\ufffdt\ufffd'\]",
        ),
        ("\xff\xfeq\0u\0\n\0", "log.csv", ": is UTF-16; save it as UTF-8"),
    ],
)
def test_a_file_of_another_form_is_an_error_with_its_cure(tmp_path: Path, content: str, name: str, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=rf"{name}{reason}"):
        load_triples(str(path))


def test_a_frame_without_rows_and_what_is_no_frame_are_refused() -> None:
    frame = pd.DataFrame({"query": ["x"], "document": ["a"]})
    with pytest.raises(DataError, match=r"^log: there is no row of data"):
        from_frame(frame.head(0), "log")
    for other in ([1], None, {"query": ["x"]}):
        with pytest.raises(ConfigError, match=r"^the frame must be a pandas data frame, not "):
            from_frame(other)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"^log:1: 'relevance' must be an integer; write 1 for true and 0 for false"):
        from_frame(frame.assign(relevance=[True]), "log")


def test_a_pipe_is_refused_since_a_second_reading_would_wait_for_ever(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match=r"pipe\.csv: is no regular file"):
        load_triples(str(pipe))


def test_a_bomb_is_refused(make: Make) -> None:
    rows = io.BytesIO()
    with gzip.GzipFile(fileobj=rows, mode="wb") as file:
        file.write(b"query,document\n")
        for _ in range(66):
            file.write(b"x," + b"y" * (1 << 20) + b"\n")
    path = Path(make([], "log.csv.gz"))
    path.write_bytes(rows.getvalue())
    with pytest.raises(DataError, match=r"log\.csv\.gz: unpacks to more than 200 times its size"):
        load_triples(str(path))
