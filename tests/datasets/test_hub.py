"""Datasets of the hub, as they come: malformed rows, duplicates, empty texts, missing judgments and documents, scripts."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.datasets.hub_loading import BEIR, MTEB, NANOBEIR, Loaded, Loader, part
from tests.datasets.hub_server import (
    COMMIT,
    DOCUMENTS,
    JUDGMENTS,
    QUERIES,
    TABLE,
    Files,
    HubServer,
    beir,
    jsonl,
    mteb,
    nanobeir,
    parquet,
    readme,
)


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer({}) as server:
        yield server


@pytest.fixture(scope="module")
def loader(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    process = Loader(hub, tmp_path_factory.mktemp("home"))
    yield process
    process.kill()


class Load:
    """Loads repositories from an empty cache."""

    def __init__(self, hub: HubServer, loader: Loader, cache: Path) -> None:
        self.hub, self.loader, self.cache = hub, loader, cache

    def __call__(
        self, repositories: Mapping[str, Files], settings: Mapping[str, object] = MTEB, **changes: object
    ) -> Loaded:
        self.hub.repositories = dict(repositories)
        self.cache = self.cache / "next"
        return self.loader.load(settings, cache_dir=str(self.cache), **changes)

    def message(
        self, repositories: Mapping[str, Files], settings: Mapping[str, object] = MTEB, **changes: object
    ) -> str:
        """Return what is wrong; the user's mistake, or the repository's."""
        refused = self(repositories, settings, **changes)
        assert refused.get("error") in ("ConfigError", "DataError"), refused
        assert refused["exit_code"] == 2
        return str(refused["message"]).replace(str(self.cache), "CACHE")


@pytest.fixture
def load(hub: HubServer, loader: Loader, tmp_path: Path) -> Load:
    return Load(hub, loader, tmp_path)


def place(file: str, repository: str = "mteb/tiny") -> str:
    return f"CACHE/{repository}/{COMMIT}/files/{file}"


def test_titles_can_be_left_out(load: Load) -> None:
    assert load(mteb(), titles=False)["documents"]["d1"] == "text number 1"
    rows = (b'{"_id": "d1", "title": "", "text": "no title"}\n', b'{"_id": "d2", "title": null, "text": "null"}')
    assert load(mteb(documents=b"".join(rows)))["documents"] == {"d1": "no title", "d2": "null"}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_newer_repositories_that_name_the_columns_otherwise_are_read(load: Load, kind: str) -> None:
    """mteb's uploads of 2025: `id` for `_id`, and every part in a config with the split's name."""
    write = parquet if kind == "parquet" else jsonl
    parts: dict[str, Sequence[Mapping[str, object]]] = {
        "corpus": [{"id": row["_id"], "title": row["title"], "text": row["text"]} for row in DOCUMENTS],
        "queries": [{"id": row["_id"], "text": row["text"]} for row in QUERIES],
        "qrels": JUDGMENTS,
    }
    files = {f"{name}/test-0.{kind}": write(rows) for name, rows in parts.items()}
    card = readme({name: {"test": f"{name}/test-*"} for name in parts})
    settings = {**MTEB, **{name: part(name, "test") for name in parts}}
    assert load({"mteb/tiny": {"README.md": card, **files}}, settings)["sha256"] == load(mteb())["sha256"]


def test_ids_and_texts_come_byte_for_byte(load: Load) -> None:
    """`datasets` makes dates of these, null of "NA", and one row of two lines with quotes."""
    ids = ["2009-01-01 00:00:00", "007", "NA", "null", '"quoted', "1.0", "é\u00a0/😀"]
    ids[0] = "2009-01-01T00:00:00"
    rows = [{"_id": doc_id, "text": f"{doc_id}\r\n\x00"} for doc_id in ids]
    table = "query-id\tcorpus-id\tscore\r\n" + "".join(f"{doc_id}\t{doc_id}\t1\r\n" for doc_id in ids)
    repositories = mteb(jsonl(rows), jsonl(rows)) | {"mteb/tiny-qrels": {"test.tsv": b"\xef\xbb\xbf" + table.encode()}}
    loaded = load(repositories, qrels=part("default", "test", "mteb/tiny-qrels"))
    assert loaded.get("documents") == {doc_id: f"{doc_id}\r\n\x00" for doc_id in ids}, loaded
    assert loaded["queries"] == loaded["documents"]
    assert loaded["qrels"] == {doc_id: {doc_id: 1} for doc_id in ids}


def test_lone_surrogates_are_replaced_and_blank_texts_kept_and_both_counted(load: Load) -> None:
    documents = (
        b'{"_id": "d1", "text": "a\\udfffb"}\n{"_id": "d2", "text": ""}\n\n{"_id": "d3", "title": " ", "text": "\\t"}\n'
    )
    queries = b'{"_id": "q1", "text": "\\ud800"}\n{"_id": "q2", "text": " "}\n{"_id": "q3", "text": ""}\n'
    loaded = load(mteb(documents, queries))
    assert loaded["documents"] == {"d1": "a\ufffdb", "d2": "", "d3": "  \t"}
    assert loaded["queries"] == {"q1": "\ufffd", "q2": " "}
    assert loaded["report"] == {"replaced_surrogates": 2, "blank_documents": 2, "blank_queries": 1}


def test_identical_duplicates_are_dropped_and_counted(load: Load) -> None:
    loaded = load(mteb(jsonl(DOCUMENTS * 2), jsonl(QUERIES * 2), jsonl(JUDGMENTS * 2)))
    assert loaded["sha256"] == load(mteb())["sha256"]
    assert loaded["report"] == {"dropped_duplicates": 5 + 2 + 2}


@pytest.mark.parametrize("on_bad_line", ["error", "skip"])
def test_one_id_with_two_contents_is_an_error_that_names_both_places(load: Load, on_bad_line: str) -> None:
    message = load.message(mteb(jsonl([*DOCUMENTS, {"_id": "d1", "text": "else"}])), on_bad_line=on_bad_line)
    assert message == (
        f"{place('corpus.jsonl')}:6: doc_id 'd1' comes twice with different texts (first in line 2); keep one of the two"
    )
    other = [DOCUMENTS[0], {"_id": "d0", "title": "", "text": "else"}, *DOCUMENTS[1:]]
    shards = [f"{place(f'corpus/corpus-0000{i}-of-00002.parquet', 'BeIR/tiny')}" for i in range(2)]
    message = load.message(beir([*DOCUMENTS, {"_id": "d0", "title": "", "text": "else"}]), BEIR)
    assert message.startswith(f"{shards[1]}:3: doc_id 'd0' ")
    assert f"(first in {shards[0]}:1)" in message
    message = load.message(beir(other), BEIR)
    assert message.startswith(f"{shards[0]}:2: doc_id 'd0' ")
    assert "(first in line 1)" in message
    message = load.message(mteb(queries=jsonl([*QUERIES, {"_id": "q2", "text": "else"}])), on_bad_line=on_bad_line)
    reason = "query_id 'q2' comes twice with different texts (first in line 2); keep one of the two"
    assert message == f"{place('queries.jsonl')}:4: {reason}"
    message = load.message(mteb(judgments=jsonl([*JUDGMENTS, {**JUDGMENTS[0], "score": 0}])), on_bad_line=on_bad_line)
    assert message.startswith(
        f"{place('qrels/test.jsonl')}:3: query 'q1', document 'd1' is judged 0 here and judged 1 in line 1"
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"text": "x"}', "_id (or id) must be a non-empty string"),
        (b'{"_id": "a b", "text": "x"}', "_id has white space"),
        (b'{"_id": "\\ud800", "text": "x"}', "_id is no valid Unicode"),
        (b'{"_id": "d9"}', "'text' must be a string"),
        (b'{"_id": "d9", "text": null}', "'text' must be a string"),
        (b'{"_id": "d9", "text": 5}', "'text' must be a string"),
        (b'{"_id": "d9", "text": "\xff"}', "not UTF-8"),
    ],
)
def test_a_bad_row_is_an_error_with_its_place_or_skipped_and_counted(load: Load, row: bytes, reason: str) -> None:
    for file, repository in (
        ("corpus.jsonl", mteb(documents=jsonl(DOCUMENTS) + row)),
        ("queries.jsonl", mteb(queries=jsonl(QUERIES) + row)),
    ):
        number = repository["mteb/tiny"][file].count(b"\n") + 1
        assert load.message(repository).startswith(f"{place(file)}:{number}: {reason}")
        assert load(repository, on_bad_line="skip")["report"] == {"skipped_lines": 1}


@pytest.mark.parametrize("score", ["1.5", "x", "", "1_0", "nan", "99999", "1e2", True, None, 0.5, [1]])
def test_a_relevance_that_is_no_integer_is_an_error(load: Load, score: object) -> None:
    row = {"query-id": "q1", "corpus-id": "d3", "score": score}
    assert "the score must be an integer" in load.message(mteb(judgments=jsonl([*JUDGMENTS, row])))


def test_grades_under_another_name_are_an_error_and_not_all_1(load: Load) -> None:
    rows = [{**row, "relevance": row["score"]} for row in JUDGMENTS]
    for row in rows:
        del row["score"]
    message = load.message(mteb(judgments=jsonl(rows)))
    assert ":1: there is no column 'score', and others could have the grades: relevance" in message


@pytest.mark.parametrize("folder", ["a*", "a[b]c", "a?", "**"])
def test_the_file_that_is_verified_is_the_one_that_is_read(load: Load, folder: str) -> None:
    """`datasets` takes a path for a pattern."""
    others = [load.cache / name for name in ("ab", "abc", "a1")]
    for cache in others:
        load(beir([{**row, "title": "other"} for row in DOCUMENTS]), BEIR)
        load.cache.rename(cache)
    load.cache = load.cache.parent / folder
    load.cache.mkdir()
    assert load(beir(), BEIR)["documents"]["d4"] == "Title 4 text number 4"


def test_a_folder_that_datasets_would_take_for_a_chain_of_addresses_is_refused(load: Load) -> None:
    load.cache = load.cache / "a::b"
    assert "set dataset.cache_dir to another folder" in load.message(beir(), BEIR)


def test_a_table_with_a_wrong_line_is_an_error(load: Load) -> None:
    for table, reason in (
        (TABLE + "q1\td1\n", "2 columns where the header has 3"),
        (TABLE.replace("corpus-id", "x"), "corpus-id must be"),
    ):
        repositories = beir()
        repositories["BeIR/tiny-qrels"] = {"test.tsv": table.encode()}
        assert reason in load.message(repositories, BEIR)


def test_a_column_that_is_missing_from_parquet_is_an_error_and_a_damaged_file_too(load: Load) -> None:
    assert ":1: 'text' must be a string" in load.message(beir([{"_id": "d1", "title": "x"}] * 2), BEIR)
    repositories = {name: dict(files) for name, files in nanobeir().items()}
    repositories["zeta-alpha-ai/NanoTiny"]["corpus/train-00000-of-00001.parquet"] = b"PAR1 no, it is not"
    message = load.message(repositories, NANOBEIR)
    assert "corpus/train-00000-of-00001.parquet: cannot be read as Parquet after row 0: " in message


def test_judged_queries_and_documents_that_are_missing_are_counted_as_everywhere(load: Load) -> None:
    rows = [
        *JUDGMENTS,
        {"query-id": "q8", "corpus-id": "d1", "score": 1},
        {"query-id": "q1", "corpus-id": "gone", "score": 1.0},
    ]
    loaded = load(mteb(judgments=jsonl(rows)))
    assert loaded["report"] == {"unknown_judged_queries": 1}
    assert loaded["qrels"]["q1"] == {"d1": 1, "gone": 1}


def test_a_repository_that_is_made_by_a_script_is_refused_and_the_script_is_not_run(load: Load, tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    repositories = mteb()
    repositories["mteb/tiny"] = {**repositories["mteb/tiny"], "tiny.py": f"open({str(trap)!r}, 'w')".encode()}
    assert load.message(repositories) == (
        "mteb/tiny at aaaaaaaaaaaa is made by its script tiny.py, which is never run; name a repository of Parquet, JSONL or TSV files"
    )
    assert not trap.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"qrels": part("default", "tset")}, "has no split 'tset' in its config 'default': did you mean test?"),
        ({"corpus": part("copus", "corpus")}, "has no config 'copus': did you mean corpus?"),
        ({"qrels": part("default", "train")}, "has no file for config 'default', split 'train'"),
        ({"qrels": part("default", "../test")}, "dataset.qrels.split '../test' cannot name a file"),
        ({"qrels": {"config": "default"}}, "dataset.qrels is {'config': 'default'}; it has config and split"),
        ({"qrels": "default"}, "dataset.qrels is 'default'; it has config and split"),
        (
            {"qrels": {**part("default", "test"), "repository": "a/b"}},
            "dataset.qrels has a repository or a revision of its own",
        ),
        ({"qrels": {**part("default", "test"), "name": "x"}}, "dataset.qrels is {"),
        ({"relevance_level": 0}, "dataset.relevance_level is 0"),
        ({"name": "../x"}, "dataset.name '../x' cannot name a file"),
        ({"on_bad_line": "ignore"}, "on_bad_line is 'ignore'"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named_with_what_there_is(load: Load, changes: dict[str, Any], message: str) -> None:
    assert message in load.message(mteb(), **changes)


@pytest.mark.parametrize(
    "card",
    [
        b"---\nconfigs: 5\n---\n",
        b"---\nconfigs: [5]\n---\n",
        b"---\nconfigs:\n- config_name: default\n---\n",
        b"---\nconfigs:\n- config_name: default\n  data_files: [x]\n---\n",
        b"---\n[\n---\n",
    ],
)
def test_a_card_that_is_of_no_form_is_an_error_that_names_it(load: Load, card: bytes) -> None:
    repositories = mteb()
    repositories["mteb/tiny"] = {**repositories["mteb/tiny"], "README.md": card}
    assert load.message(repositories).startswith(f"{place('README.md')}: the ")


def test_files_of_a_kind_that_is_not_read_are_named(load: Load) -> None:
    repositories = {"mteb/tiny": {"test.pkl": b"cos\nsystem\n", "notes.txt": b""}}
    assert load.message(repositories).endswith(
        "has files of a kind that cannot be read: test.pkl for config 'default', split 'test'"
    )
