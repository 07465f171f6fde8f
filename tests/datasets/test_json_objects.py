"""JSON records: what is an object, and keys that come twice."""

from pathlib import Path

import pytest

from rerank_eval.datasets.json_objects import parse_object, read_list
from rerank_eval.errors import DataError


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "not a JSON object"),
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deep"),
        ('{"_id": "a", "text": "x", "_id": "b"}', "the key '_id' comes twice in one object"),
        ('{"_id": "a", "metadata": {"k": 1, "k": 1}}', "the key 'k' comes twice in one object"),
    ],
)
def test_what_is_no_object_or_says_a_thing_twice_is_refused(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_object(line)


def test_a_key_twice_in_a_list_is_told_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    path.write_text('[\n{"a": 1},\n{"a": 1, "a": 2}\n]')
    with pytest.raises(DataError, match=r"records\.json:3: .*the key 'a' comes twice in one object"):
        list(read_list(path))
