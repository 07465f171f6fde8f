"""The user's own tables (faults.md, rows 1, 2, 5 to 7, 9, 10, 25 and 27)."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval import evaluate
from rerank_eval.components import make_component
from rerank_eval.datasets.triples import from_frame, load_triples
from rerank_eval.errors import ConfigError, DataError, NotEvaluableError
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.retrievers.candidates import Candidates
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, LoadReport, Query
from tests.conftest import Compose
from tests.fakes import Hashed

QUICK = Settings(depths=(2,), latency=LatencySettings(queries=0))
FULL = [
    "query_id,query,doc_id,title,document,relevance",
    "q1,red,d2,T,two,0",
    "q1,red,d1,,one,2",
    "q2,green,d2,T,two,1",
]
Make = Callable[..., str]


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    def write(lines: Sequence[str] | str, name: str = "log.csv", end: str = "\n", bom: str = "") -> str:
        text = bom + (lines if isinstance(lines, str) else "".join(line + end for line in lines))
        path = tmp_path_factory.mktemp("triples") / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return str(path)

    return write


def texts_of(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.corpus.doc_ids, dataset.corpus.texts(), strict=True))


def orders_of(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    assert dataset.first_stage is not None
    return {query_id: ranking.doc_ids for query_id, ranking in dataset.first_stage.items()}


def id_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def as_objects(lines: Sequence[str]) -> list[str]:
    return [json.dumps(row) for row in csv.DictReader(lines)]


def test_a_table_is_read_and_its_order_is_that_of_the_candidates(make: Make) -> None:
    dataset = load_triples(make(FULL), relevance_level=2)
    assert (dataset.name, dataset.split, dataset.relevance_level) == ("log", "all", 2)
    assert texts_of(dataset) == {"d2": "T two", "d1": "one"}
    assert dataset.queries == (Query("q1", "red"), Query("q2", "green"))
    assert dataset.qrels == {"q1": {"d2": 0, "d1": 2}, "q2": {"d2": 1}}
    assert orders_of(dataset) == {"q1": ("d2", "d1"), "q2": ("d2",)}
    assert dataset.load_report == LoadReport()


def test_forms_line_ends_bom_blank_lines_and_compression_change_no_content(make: Make) -> None:
    tabs = [line.replace(",", "\t") for line in FULL]
    variants = [
        make(FULL),
        make(FULL, end="\r\n", bom="\ufeff"),
        make(FULL, "log.csv.gz", end="\n\n,,,,,\r\n \n"),
        make([",".join(f'"{cell}"' for cell in line.split(",")) for line in FULL]),
        make(tabs, "log.tsv", end="\r\n\n"),
        make(tabs, "log.tsv.gz", bom="\ufeff"),
        make(as_objects(FULL), "log.jsonl", end="\r\n\n"),
    ]
    datasets = [load_triples(variant) for variant in variants]
    datasets.append(from_frame(pd.DataFrame(csv.DictReader(FULL)), "log"))
    assert {dataset.sha256 for dataset in datasets} == {datasets[0].sha256}
    assert all(dataset.first_stage == datasets[0].first_stage for dataset in datasets)


def test_without_columns_of_ids_they_come_from_the_texts(make: Make) -> None:
    dataset = load_triples(make(["query,document", "red,one", "red,two", "green,one"]))
    assert dataset.queries == (Query(id_of("red"), "red"), Query(id_of("green"), "green"))
    assert texts_of(dataset) == {id_of("one"): "one", id_of("two"): "two"}
    assert id_of("one") == "7692c3ad3540bb80"
    assert orders_of(dataset)[id_of("red")] == (id_of("one"), id_of("two"))


def test_columns_may_have_other_names(make: Make) -> None:
    path = make(["question,passage,label,other", "red,one,1,x"])
    columns = {"query": "question", "document": "passage", "relevance": "label"}
    dataset = load_triples(path, columns=columns)
    assert dataset.qrels == {id_of("red"): {id_of("one"): 1}}
    with pytest.raises(ConfigError, match=r"dataset\.columns has no 'querry': did you mean query"):
        load_triples(path, columns={"querry": "question"})
    for skip in ("error", "skip"):
        with pytest.raises(DataError, match=r"there is no (column )?'query': valid: label, other, passage, question"):
            load_triples(path, on_bad_line=skip)
    with pytest.raises(DataError, match=r"there is no column 'lable': did you mean label"):
        load_triples(path, columns={**columns, "relevance": "lable"})


def test_columns_are_named_on_the_command_line(make: Make, compose: Compose) -> None:
    path = make(["question,document", "red,one"])
    settings = compose("dataset=triples", f"dataset.path={path}", "dataset.columns={query: question}")
    assert make_component(settings["dataset"], "dataset").queries == (Query(id_of("red"), "red"),)


def test_quoted_cells_hold_delimiters_line_ends_and_marks_and_lines_are_counted_as_in_the_file(make: Make) -> None:
    lines = ["query,document", '"a ""b"", c","x\n\ny"', "", 'd,"\r\n\r\n"', 'in "the" middle,e']
    dataset = load_triples(make(lines))
    assert [query.text for query in dataset.queries] == ['a "b", c', "d", 'in "the" middle']
    assert list(dataset.corpus.texts()) == ["x\n\ny", "\r\n\r\n", "e"]
    with pytest.raises(DataError, match=r"log\.csv:10: 1 cells where the first row names 2 columns: \['bad'\]"):
        load_triples(make([*lines, "bad"]))


def test_tsv_has_no_quotation_unless_asked_for(make: Make) -> None:
    path = make(["query\tdocument", '"red" one\t"two"'], "log.tsv")
    assert load_triples(path).queries[0].text == '"red" one'
    path = make(["query\tdocument", '"a\tb"\t"two"'], "log.tsv")
    assert list(load_triples(path, quoted=True).corpus.texts()) == ["two"]
    path = make(["query,document", '"red,"two"'])
    assert list(load_triples(path, quoted=False).corpus.texts()) == ['"two"']


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


RELEVANCE: list[tuple[str, int | None]] = [
    ("1", 1),
    ("-2", -2),
    (" 3 ", 3),
    ("2.0", 2),
    ("2.", 2),
    ("", None),
    ("  ", None),
]


@pytest.mark.parametrize(("cell", "relevance"), RELEVANCE)
def test_a_relevance_is_an_integer_or_an_integral_number_or_empty(make: Make, cell: str, relevance: int | None) -> None:
    dataset = load_triples(make(["query,document,relevance", f"x,a,{cell}", "x,b,1"]))
    assert dataset.qrels[id_of("x")].get(id_of("a")) == relevance
    assert len(orders_of(dataset)[id_of("x")]) == 2


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


def test_blank_texts_are_kept_and_counted_and_surrogates_replaced(make: Make) -> None:
    rows = [
        {"query": " ", "document": "a", "relevance": 1},
        {"query": "x\ud800", "document": "", "relevance": 1},
        {"query": "x\ud800", "document": "\udfff\0中文", "relevance": 1},
    ]
    dataset = load_triples(make([json.dumps(row) for row in rows], "log.jsonl"))
    assert dataset.load_report == LoadReport(replaced_surrogates=2, blank_documents=1, blank_queries=1)
    assert list(dataset.corpus.texts())[2] == "\ufffd\0中文"


def test_queries_without_a_judged_pair_are_left_out_and_shown(make: Make) -> None:
    path = make(["query,document,relevance", "x,a,1", "x,b,", "y,a,", "z,b,0"])
    dataset = load_triples(path)
    assert [query.text for query in dataset.queries] == ["x", "z"]
    assert dataset.load_report == LoadReport(unjudged_queries=1)
    deep = Settings(depths=(5,), latency=LatencySettings(queries=0))
    warnings = evaluate(dataset, Candidates(), [NoReranker()], deep).warnings
    for expected in (
        "data: 1 queries have no judgment and are not evaluated",
        "data: 1 queries have no relevant document; they count as 0",
        "depth 5 asked",
    ):
        assert any(expected in warning for warning in warnings), (expected, warnings)


def test_a_log_without_relevance_has_no_judgments_and_is_evaluated_over_any_first_stage(make: Make) -> None:
    dataset = load_triples(make(["query,document", "red,red one", "red,two", "green,green three"]))
    assert (dataset.split, dataset.is_judged, len(dataset.queries)) == ("unjudged", False, 2)
    for retriever in (Candidates(), BM25()):
        result = evaluate(dataset, retriever, [Hashed()], QUICK)
        assert result.status == "complete"
        assert any("the queries have no judgments" in warning for warning in result.warnings)


def test_a_relevance_that_is_empty_in_every_row_is_refused(make: Make) -> None:
    with pytest.raises(DataError, match=r"log\.csv: the column 'relevance' is empty in every row"):
        load_triples(make(["query,document,relevance", "x,a,"]))


def test_a_table_without_rows_cannot_be_evaluated(make: Make) -> None:
    for path in (make(["query,document,relevance"]), make([], "log.jsonl")):
        with pytest.raises(NotEvaluableError, match="no query"):
            evaluate(load_triples(path), Candidates(), [NoReranker()], QUICK)


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


def test_a_frame_may_hold_the_types_of_pandas() -> None:
    frame = pd.DataFrame(
        {
            "query": pd.Series(["red", "red", "green"], dtype="string"),
            "query_id": np.array([1, 1, 2]),
            "document": ["one", "two", "one"],
            "relevance": [np.nan, 2.0, 1.0],
            "title": pd.Series([None, "T", pd.NA], dtype="object"),
        }
    )
    dataset = from_frame(frame)
    assert (dataset.name, dataset.queries) == ("frame", (Query("1", "red"), Query("2", "green")))
    assert dataset.qrels == {"1": {id_of("T two"): 2}, "2": {id_of("one"): 1}}
    for dtype in ("Int64", "Float64", "object"):
        assert from_frame(frame.astype({"relevance": dtype})).sha256 == dataset.sha256


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


CELLS = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    pairs=st.dictionaries(st.tuples(CELLS, CELLS), st.none() | st.integers(-3, 3), max_size=8),
    form=st.sampled_from(["csv", "jsonl", "frame"]),
)
def test_every_row_comes_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: Mapping[tuple[str, str], int | None], form: str
) -> None:
    pairs = {pair: relevance for pair, relevance in pairs.items() if any(text.strip() for text in pair)}
    pairs |= {("always", "there"): 1}
    rows = [
        {"query": query, "document": document, "relevance": relevance} for (query, document), relevance in pairs.items()
    ]
    path = tmp_path_factory.mktemp("trip") / f"a.{form}"
    if form == "frame":
        dataset = from_frame(pd.DataFrame(rows), "a")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            if form == "csv":
                writer = csv.DictWriter(file, ["query", "document", "relevance"])
                writer.writeheader()
                writer.writerows(rows)
            else:
                file.writelines(json.dumps(row) + "\n" for row in rows)
        dataset = load_triples(str(path))
    expected: dict[str, dict[str, int]] = {}
    for (query, document), relevance in pairs.items():
        if relevance is not None:
            expected.setdefault(id_of(query), {})[id_of(document)] = relevance
    assert dataset.qrels == expected
    assert {id_of(document): document for _, document in pairs} == texts_of(dataset)


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
