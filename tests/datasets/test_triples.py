"""The user's own tables: every form of file, empty texts, queries and pairs without judgments."""

import csv
import json
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval import evaluate
from rerank_eval.components import make_component
from rerank_eval.datasets.triples import from_frame, load_triples
from rerank_eval.errors import ConfigError, DataError
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.retrievers.candidates import Candidates
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import LoadReport, Query
from tests.conftest import Compose
from tests.datasets.table_files import FULL, Make, as_objects, id_of, orders_of, texts_of, writer
from tests.fakes import Hashed

QUICK = Settings(depths=(2,), latency=LatencySettings(queries=0))


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    return writer(tmp_path_factory)


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


def test_columns_that_are_not_used_are_named_where_there_are_no_judgments(make: Make) -> None:
    path = make(["question,passage,stars,label", "red,one,5,1"])
    columns = {"query": "question", "document": "passage"}
    dataset = load_triples(path, columns=columns)
    assert dataset.load_report == LoadReport(unused_columns=("label", "stars"), named_columns=columns)
    warnings = evaluate(dataset, Candidates(), [NoReranker()], QUICK).warnings
    assert (
        "data: columns not used: label, stars; if one has the judgments, name it: "
        "'dataset.columns={query: question, document: passage, relevance: label}'" in warnings
    )
    assert load_triples(path, columns={**columns, "relevance": "label"}).load_report == LoadReport()


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
