"""Recorded candidates that are malformed, disagree, lead out of their folder, or unpack to too much."""

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.datasets.candidates import load_candidates
from rerank_eval.errors import ConfigError, DataError
from rerank_eval.types import LoadReport
from tests.datasets.rank_llm_files import NEWER, OLDER, Make, as_lines, hit, record, writer


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    return writer(tmp_path_factory)


BAD: list[tuple[object, str]] = [
    ([1], "not a JSON object"),
    ({"query": {"text": "red", "qid": "1"}}, "'candidates' .* must be a list"),
    (record(query_id=None), "qid must be a non-empty string"),
    (record(query_id="a b"), "qid has white space"),
    (record(text=None), "'text' must be a string"),
    ({"query": 5, "hits": []}, "'query' must be a string"),
    ({"query": "red", "hits": []}, "qid must be a non-empty string"),
    (record("a"), "not a JSON object"),
    (record(hit(doc_id="")), "docid must be a non-empty string"),
    (record(hit(doc_id="\ud800")), "docid is no valid Unicode"),
    (record(hit(score="15.8")), "'score' must be a number"),
    (record(hit(score=True)), "'score' must be a number"),
    (record(hit(score=float("nan"))), "'score' must be finite"),
    (record(hit(score=10**400)), "'score' must be finite"),
    (record(hit(score=1.0), hit("b", score=None)), "'score' must be a number, in every hit or in none"),
    (record(hit(score=None, rank="1")), "'rank' must be a number"),
    (record(hit(doc=None)), "a hit needs its text"),
    (record(hit(doc={"title": "only"})), "a document has its text in one of the fields"),
    (record(hit(doc={"text": 5})), "'text' must be a string"),
    (record(hit(qid=1), hit("b", qid=2)), "the hits have several qids"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_a_malformed_record_is_an_error_or_skipped_and_counted(make: Make, bad: object, reason: str) -> None:
    as_list = "[\n" + ",\n".join(json.dumps(found) for found in (*NEWER, bad)) + "\n]"
    for path in (make(as_lines([*NEWER, "", bad])[:-1].replace('""\n', "\n"), "a.jsonl"), make(as_list, "a.json")):
        with pytest.raises(DataError, match=rf"a\.jsonl?:4: .*{reason}") as caught:
            load_candidates(path)
        assert len(str(caught.value)) < len(path) + 300
        dataset = load_candidates(path, on_bad_line="skip")
        assert dataset.load_report == LoadReport(skipped_lines=1)
        assert len(dataset.queries) == 2


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("[", r":1: not JSON"),
        ('[\n{"query": ', r":2: not JSON"),
        ("[\n{},\n{},\n", r":4: not JSON"),
        ("[\n{}\n{}]", r":2: not JSON \(',' or ']' is missing"),
        ("[{}]\n[{}]", r":2: not JSON \(something follows"),
        ("[\n" + "1" * 5000 + "]", r":2: not JSON that can be read"),
        ("[" * 100_000, r":1: not JSON that can be read"),
        ("[]x", r":1: not JSON \(something follows"),
    ],
)
def test_a_list_that_is_no_json_is_an_error_even_where_bad_records_are_skipped(
    make: Make, content: str, place: str
) -> None:
    with pytest.raises(DataError, match="a.json" + place):
        list(load_candidates(make(content, "a.json"), on_bad_line="skip").queries)


def test_a_list_that_is_no_utf8_and_a_truncated_gzip_name_their_place(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'[\n"\xff"]')
    with pytest.raises(DataError, match=r"a\.json:2: not UTF-8"):
        load_candidates(str(path))
    zipped = Path(make(OLDER, "a.json.gz"))
    zipped.write_bytes(zipped.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"a\.json\.gz: cannot be read"):
        load_candidates(str(zipped))


def test_a_pipe_is_refused_since_a_second_reading_would_miss_what_the_first_took(tmp_path: Path, make: Make) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match=r"pipe\.json: is no regular file"):
        load_candidates(str(pipe))


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(66):
            file.write(b" " * (1 << 20) + b"\n")
    with pytest.raises(DataError, match=r"a\.json\.gz: unpacks to more than 200 times its size"):
        load_candidates(str(path))


def test_one_id_with_two_contents_is_an_error_that_names_both_places(make: Make) -> None:
    other = record(hit("a", doc="else"), query_id="2", text="green")
    with pytest.raises(DataError, match=r"a\.jsonl:2: doc_id 'a' comes twice with different texts \(first in line 1\)"):
        load_candidates(make(as_lines([record(hit()), other]), "a.jsonl"))
    with pytest.raises(DataError, match=r"a\.jsonl:2: query_id '1' comes twice with different texts \(first in line 1"):
        load_candidates(make(as_lines([record(hit()), record(hit(), text="green")]), "a.jsonl"))
    with pytest.raises(DataError, match=r"a\.jsonl:2: query '1' has other hits than in line 1"):
        load_candidates(make(as_lines([record(hit()), record(hit("b"))]), "a.jsonl"))
    with pytest.raises(DataError, match=r"a\.jsonl:1: query '1' has document 'a' twice"):
        load_candidates(make(as_lines([record(hit(), hit(score=2.0))]), "a.jsonl"), on_bad_line="skip")


def test_identical_duplicates_are_dropped_and_counted_but_not_documents_of_several_queries(make: Make) -> None:
    shared = [record(hit()), record(hit(), query_id="2")]
    assert load_candidates(make(shared)).load_report == LoadReport()
    repeated = [*shared, shared[0], record(hit(), hit(), query_id="3")]
    assert load_candidates(make(repeated)).load_report == LoadReport(dropped_duplicates=2)


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc", "..", ".hidden", "a b", "a\x00b"])
def test_names_that_could_leave_a_folder_are_refused(make: Make, name: str) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.name .* cannot name a file"):
        load_candidates(make(NEWER), name=name)


def test_missing_files_and_wrong_settings_are_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: no such file"):
        load_candidates(str(tmp_path / "none.json"))
    with pytest.raises(DataError, match=r"none\.qrels: no such file"):
        load_candidates(make(NEWER), str(tmp_path / "none.qrels"))
    with pytest.raises(ConfigError, match=r"dataset\.relevance_level is 0"):
        load_candidates(make(NEWER), relevance_level=0)
    for where in ("hf://datasets/a/b/c.json", "hf://models/a/b@main/c", "hf://datasets/../b@x"):
        with pytest.raises(ConfigError, match=r"dataset\.path is .* hf://datasets/OWNER/NAME@COMMIT/FILE"):
            load_candidates(where)
    with pytest.raises(ConfigError, match=r"dataset\.revision 'main' of a/b is no commit"):
        load_candidates("hf://datasets/a/b@main/c.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["query", "candidates", "hits", "text", "qid", "docid", "score", "rank", "doc", "content"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(content=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), zipped=st.booleans())
def test_any_bytes_are_a_dataset_or_an_error_of_the_data(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, zipped: bool
) -> None:
    path = tmp_path_factory.mktemp("any") / ("a.json.gz" if zipped else "a.json")
    path.write_bytes(gzip.compress(content) if zipped else content)
    try:
        dataset = load_candidates(str(path))
    except DataError as error:
        place = error.path
    else:
        place = path
        assert dataset.first_stage is not None
        assert set(dataset.first_stage) == {query.query_id for query in dataset.queries}
    assert place == path
