"""answers.jsonl in a folder in BEIR layout."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.errors import DataError
from tests.fakes import make_dataset, write_beir_folder

GOOD = '{"query_id": "q000", "answers": ["90 days", "three months"]}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_beir_folder(tmp_path / "data", make_dataset())


def test_answers_are_read_and_no_hash_of_the_data_changes(folder: Path) -> None:
    before = load_beir_dir(str(folder))
    assert before.reference_answers == {}
    (folder / "answers.jsonl.gz").write_bytes(gzip.compress(f"\ufeff{GOOD}\r\n\r\n{GOOD}\n".encode()))
    found = load_beir_dir(str(folder))
    assert found.reference_answers == {"q000": ("90 days", "three months")}
    assert found.sha256 == before.sha256
    assert found.load_report.dropped_duplicates == 1


def test_a_number_is_an_id_as_in_the_other_files(folder: Path) -> None:
    with (folder / "queries.jsonl").open("a") as file:
        file.write('{"_id": 7, "text": "seven"}\n')
    (folder / "answers.jsonl").write_text(f'{{"query_id": 7, "answers": ["x"]}}\n{GOOD}\n')
    assert list(load_beir_dir(str(folder)).reference_answers) == ["q000"]  # query 7 has no judgment and is left out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"query_id": "q001"}', "'answers' must be a list of at least one text"),
        ('{"query_id": "q001", "answers": []}', "'answers' must be a list"),
        ('{"query_id": "q001", "answers": "90 days"}', "'answers' must be a list"),
        ('{"query_id": "q001", "answers": ["x", 90]}', "an answer must be a text with a letter or a digit"),
        ('{"query_id": "q001", "answers": ["x", " ?! "]}', "an answer must be a text with a letter or a digit"),
        ('{"answers": ["x"]}', "query_id must be a non-empty string"),
        ('{"query_id": "other", "answers": ["x"]}', "query_id 'other', which is not among the queries"),
        ('{"query_id": "q000", "answers": ["x"]}', "comes twice with different answers (first in line 1)"),
    ],
)
def test_a_bad_line_is_named(folder: Path, line: str, message: str) -> None:
    (folder / "answers.jsonl").write_text(f"{GOOD}\n{line}\n")
    with pytest.raises(DataError) as caught:
        load_beir_dir(str(folder))
    assert message in str(caught.value)
    assert "answers.jsonl:2" in str(caught.value)


def test_a_lone_surrogate_is_replaced(folder: Path) -> None:
    (folder / "answers.jsonl").write_text('{"query_id": "q000", "answers": ["a\\ud800b"]}\n')
    assert load_beir_dir(str(folder)).reference_answers == {"q000": ("a\ufffdb",)}


def test_a_dataset_has_no_answers_to_what_is_not_asked() -> None:
    with pytest.raises(DataError, match="query 'other' has reference answers but is not among the queries"):
        replace(make_dataset(), reference_answers={"other": ["x"]})
