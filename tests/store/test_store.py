"""The store: what it keeps, and what damage, other processes and full disks do to it."""

import os
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rerank_eval.errors import StoreError
from rerank_eval.store import Store
from rerank_eval.types import Request, Scores, Usage
from tests.fakes import make_request

Answer = tuple[str, Request, Scores]


def answers(count: int) -> list[Answer]:
    return [(f"{i:064x}", make_request(f"q{i}"), Scores([float(i), 0.1, -2.5e-7])) for i in range(count)]


def written(path: Path, count: int) -> list[Answer]:
    rows = answers(count)
    with Store(path) as store:
        store.put("x", rows)
    return rows


def test_an_answer_comes_back_exactly(tmp_path: Path) -> None:
    usage = Usage(calls=2, input_tokens=7, output_tokens=None, search_units=1, retries=3, repairs=1)
    scores = Scores([0.1 + 0.2, -1e-300, 5e-324, 1e308], usage, [True, False, False, True])
    with Store(tmp_path / "new" / "s.sqlite") as store:
        store.put("x", [("key", make_request(), scores)])
        assert store.get("key") == scores
        assert store.get("other") is None
    with Store(tmp_path / "new" / "s.sqlite") as store:
        assert store.get("key") == scores


def test_answers_of_one_call_are_written_all_or_none(tmp_path: Path) -> None:
    good, bad = answers(2)
    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(ValueError, match="Out of range"):
            store.put("x", [good, (bad[0], bad[1], Scores([float("nan")]))])
        assert store.get(good[0]) is None


@pytest.mark.parametrize("column", ["answer", "checksum"])
def test_a_damaged_row_counts_as_missing_and_is_replaced(tmp_path: Path, column: str) -> None:
    path = tmp_path / "s.sqlite"
    rows = written(path, 3)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(f"UPDATE answers SET {column} = replace({column}, '1', '2') WHERE query_id = 'q1'")
    connection.close()
    with Store(path) as store:
        assert store.get(rows[1][0]) is None
        assert store.corrupt_rows == 1
        assert store.get(rows[2][0]) == rows[2][2]
        store.put("x", [rows[1]])
        assert store.get(rows[1][0]) == rows[1][2]


def test_a_row_under_another_key_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    rows = written(path, 2)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DELETE FROM answers WHERE query_id = 'q0'")
        connection.execute("UPDATE answers SET key = ?", (rows[0][0],))
    connection.close()
    with Store(path) as store:
        assert store.get(rows[0][0]) is None


@pytest.mark.parametrize("content", [b"no database at all " * 40, b"SQLite format 3\0" + bytes(5000)])
def test_an_unreadable_file_is_moved_aside_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.sqlite"
    path.write_bytes(content)
    with Store(path) as store:
        assert store.moved_aside is not None
        assert store.moved_aside.read_bytes() == content
        store.put("x", answers(1))
    with Store(path) as store:
        assert store.moved_aside is None
        assert store.get(answers(1)[0][0]) == answers(1)[0][2]


def test_the_log_beside_a_damaged_file_is_moved_aside_with_it(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    rows = written(path, 120)
    reader = sqlite3.connect(path)  # holds the file open, so that SQLite leaves -wal and -shm
    reader.execute("SELECT count(*) FROM answers").fetchall()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)
    with Store(path) as store:
        assert store.moved_aside is not None
        beside = {moved.name.removeprefix(store.moved_aside.name) for moved in tmp_path.glob("*.corrupt-*")}
        assert beside == {"", "-wal", "-shm"}
        store.put("x", rows)
        assert [store.get(row[0]) for row in rows] == [row[2] for row in rows]
    reader.close()


def test_text_that_cannot_be_decoded_is_a_damaged_row(tmp_path: Path) -> None:
    rows = written(tmp_path / "s.sqlite", 2)
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    with connection:
        connection.execute("UPDATE answers SET answer = CAST(x'7bff7d' AS TEXT) WHERE query_id = 'q1'")
    connection.close()
    with Store(tmp_path / "s.sqlite") as store:
        assert [store.get(row[0]) for row in rows] == [rows[0][2], None]
        assert store.corrupt_rows == 1


def test_a_file_that_cannot_be_read_is_not_taken_for_damage(tmp_path: Path) -> None:
    rows = written(tmp_path / "s.sqlite", 1)
    with Store(tmp_path / "s.sqlite") as store:
        other = sqlite3.connect(tmp_path / "s.sqlite")
        with other:
            other.execute("DROP TABLE answers")
        other.close()
        with pytest.raises(StoreError, match=r"s\.sqlite cannot be read: no such table: answers"):
            store.get(rows[0][0])
        assert store.corrupt_rows == 0


def test_damage_anywhere_never_gives_a_wrong_score_and_the_next_run_finds_all(tmp_path: Path) -> None:
    rows = written(tmp_path / "good.sqlite", 120)
    good = (tmp_path / "good.sqlite").read_bytes()
    chance = random.Random(5)
    for case in range(25):
        path = tmp_path / f"{case}.sqlite"
        at, length = chance.randrange(len(good)), chance.choice([1, 16, 600, 5000])
        path.write_bytes(good[:at] + chance.randbytes(length) + good[at + length :])
        with Store(path) as store:
            found = [(row, store.get(row[0])) for row in rows]
            assert all(scores is None or scores == row[2] for row, scores in found)
            store.put("x", [row for row, scores in found if scores is None])
            store.put("x", rows)
        with Store(path) as store:
            assert [store.get(row[0]) for row in rows] == [row[2] for row in rows]


def test_a_database_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.sqlite"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE answers (mine TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"mine\.sqlite cannot be opened: no such column"):
        Store(path)
    assert [file.name for file in tmp_path.glob("*corrupt*")] == []
    assert path.read_bytes()[100:] == before[100:]


def test_a_folder_in_the_place_of_the_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path / "folder")
    assert (tmp_path / "folder").is_dir()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"the store .*file/s\.sqlite cannot be opened"):
        Store(tmp_path / "file" / "s.sqlite")


def test_a_store_in_use_names_the_other_process(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path), pytest.raises(StoreError, match=rf"in use by process {os.getpid()} \(since .*store\.path=FILE"):
        Store(path, timeout_s=0)
    with Store(path, timeout_s=0):
        pass


def test_a_failed_opening_lets_others_in(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.mkdir()
    with pytest.raises(StoreError):
        Store(path)
    path.rmdir()
    with Store(path, timeout_s=0) as store:
        assert store.get("key") is None


def test_a_full_store_says_so_and_keeps_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    rows = answers(400)
    with Store(path) as store:
        store.put("x", rows[:10])
        store._connection.execute("PRAGMA max_page_count = 8")  # what a full disk is to SQLite: SQLITE_FULL
        with pytest.raises(
            StoreError, match="cannot be written: database or disk is full; what it already holds is kept"
        ):
            store.put("x", rows)
        assert [store.get(row[0]) for row in rows[:10]] == [row[2] for row in rows[:10]]
        assert store.get(rows[-1][0]) is None


def test_a_paid_answer_comes_back_exactly_and_is_kept_under_its_key_alone(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        store.put_call("k1", "cohere", "rerank-v3.5", '{"ü": "\\u0000"}')
        assert store.get("k1") is None
    with Store(tmp_path / "s.sqlite") as store:
        assert store.get_call("k1") == '{"ü": "\\u0000"}'
        assert store.get_call("k2") is None


def test_paid_answers_are_written_from_several_threads(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: store.put_call(f"k{i}", "p", "m", f"answer {i}"), range(100)))
        assert [store.get_call(f"k{i}") for i in range(100)] == [f"answer {i}" for i in range(100)]


def test_a_damaged_paid_answer_counts_as_missing(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        store.put_call("k1", "p", "m", "paid")
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    with connection:
        connection.execute("UPDATE calls SET answer = 'other'")
    connection.close()
    with Store(tmp_path / "s.sqlite") as store:
        assert store.get_call("k1") is None
        assert store.corrupt_rows == 1


def test_what_can_be_read_of_a_damaged_file_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        for i in range(300):
            store.put_call(f"k{i:03}", "p", "m", f"answer {i} " * 20)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 4096)
        file.write(b"\xff" * 4096)
    with Store(path) as store:
        assert store.moved_aside is not None
        found = [store.get_call(f"k{i:03}") for i in range(300)]
    assert 100 < sum(answer is not None for answer in found) < 300
    assert all(answer in (None, f"answer {i} " * 20) for i, answer in enumerate(found))
