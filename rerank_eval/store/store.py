"""Finished answers in one SQLite file, for resume and reuse; safe against kill -9, and checked row by row.

Scores, and the raw answers of paid APIs, which are on the disk before anybody sees them.
"""

import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from rerank_eval.clock import utc_now
from rerank_eval.errors import StoreError
from rerank_eval.store.encoding import decode_scores, encode_scores
from rerank_eval.types import Request, Scores

TABLES = {"answers": "key, system, query_id, answer, checksum", "calls": "key, provider, model, answer, checksum"}
"""Scores of rerankers, and answers of paid calls: table -> columns."""
_CHECK_DISK = "check the disk's free space and the permissions, then run the command again"


class Store:
    """Answers by key. One process at a time; rows that fail their checksum count as missing.

    Not for network file systems, where SQLite's locks do not hold.
    """

    def __init__(self, path: Path, timeout_s: float = 30.0, note: Callable[[str], None] = lambda _: None) -> None:
        """Open or create the file; one that is no SQLite file, or a damaged one, is moved aside and named in `moved_aside`.

        `note` is told when another process has the store and this one waits.

        Raises:
            StoreError: another process holds the store for longer than `timeout_s`, or it cannot be written.
        """
        self.path = path
        self.moved_aside: Path | None = None
        self.corrupt_rows = 0
        self._threads = threading.RLock()
        self._owner = path.with_name(path.name + ".owner")
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._wait_for_lock(timeout_s, note)
        except Timeout:
            raise StoreError(
                f"the store {path} is in use by {self._owner_name()}; wait for it, or give this run its own with "
                "store.path=FILE"
            ) from None
        except OSError as error:
            raise StoreError(f"the store {path} cannot be opened: {error}; {_CHECK_DISK}") from error
        try:
            self._owner.write_text(f"process {os.getpid()} (since {utc_now()})", encoding="utf-8")
            self._connection = self._connect()
        except BaseException as error:
            self._lock.release()
            if isinstance(error, OSError | sqlite3.Error):
                raise StoreError(f"the store {path} cannot be opened: {error}; {_CHECK_DISK}") from error
            raise

    def _wait_for_lock(self, timeout_s: float, note: Callable[[str], None]) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            note(f"the store {self.path} is in use by {self._owner_name()}; waiting for it, {timeout_s:g} s at most")
            self._lock.acquire(timeout=timeout_s)

    def _owner_name(self) -> str:
        try:
            return self._owner.read_text(encoding="utf-8")
        except OSError:
            return "another process"

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._open()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # a damaged schema is quoted in SQLite's message
            if isinstance(error, sqlite3.Error) and not _is_damage(error):
                raise
            return self._start_anew()

    def _start_anew(self) -> sqlite3.Connection:
        self.moved_aside = self.path.with_name(f"{self.path.name}.corrupt-{utc_now().replace(':', '')}")
        self.path.replace(self.moved_aside)
        for suffix in ("-wal", "-shm"):
            beside = self.path.with_name(self.path.name + suffix)
            if beside.exists():
                beside.replace(self.moved_aside.with_name(self.moved_aside.name + suffix))
        connection = self._open()
        _salvage(self.moved_aside, connection)
        return connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.text_factory = lambda text: text.decode(errors="replace")  # damaged text fails its checksum instead
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            for table, columns in TABLES.items():  # one by one, so that a database of someone else stays as it is
                connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({_typed(columns)}) WITHOUT ROWID")
                connection.execute(f"SELECT {columns} FROM {table} LIMIT 1").fetchall()
            if (found := connection.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
                raise _DamageError(found)
        except BaseException:
            connection.close()
            raise
        return connection

    def get(self, key: str) -> Scores | None:
        """Return the answer, or None if it is missing or its row is damaged, which is counted.

        Raises:
            StoreError: the file cannot be read.
        """
        answer = self._read("SELECT answer, checksum FROM answers WHERE key = ?", key)
        if answer is None:
            return None
        try:
            return decode_scores(answer)
        except (ValueError, TypeError, KeyError):
            self.corrupt_rows += 1  # like a wrong checksum
            return None

    def get_call(self, key: str) -> str | None:
        """Return the text that `put_call` kept, or None if it is missing or damaged, which is counted. Thread-safe.

        Raises:
            StoreError: the file cannot be read.
        """
        return self._read("SELECT answer, checksum FROM calls WHERE key = ?", key)

    def sample_calls(self, provider: str, model: str, count: int) -> list[str]:
        """Return up to `count` of the texts that `put_call` kept for a model, any of them; damaged ones are left out.

        Raises:
            StoreError: the file cannot be read.
        """
        query = "SELECT key, answer, checksum FROM calls WHERE provider = ? AND model = ? LIMIT ?"
        with self._threads:
            try:
                rows = self._connection.execute(query, (provider, model, count)).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"the store {self.path} cannot be read: {error}; {_CHECK_DISK}") from error
        return [answer for key, answer, checksum in rows if checksum == checksum_of(key, answer)]

    def _read(self, query: str, key: str) -> str | None:
        with self._threads:
            try:
                row = self._connection.execute(query, (key,)).fetchone()
            except sqlite3.Error as error:
                if not _is_damage(error):
                    raise StoreError(f"the store {self.path} cannot be read: {error}; {_CHECK_DISK}") from error
                self.corrupt_rows += 1
                return None
            if row is None:
                return None
            answer: str = row[0]
            if row[1] != checksum_of(key, answer):
                self.corrupt_rows += 1
                return None
            return answer

    def put(self, system: str, answers: Iterable[tuple[str, Request, Scores]]) -> None:
        """Write answers, all or none; a file whose damage shows only now is moved aside as well.

        Raises:
            StoreError: the disk is full or the file cannot be written; what was committed stays readable.
        """
        rows = []
        for key, request, scores in answers:
            answer = encode_scores(scores)
            rows.append((key, system, request.query.query_id, answer, checksum_of(key, answer)))
        self._write_or_start_anew("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", rows)

    def put_call(self, key: str, provider: str, model: str, answer: str) -> None:
        """Write the answer of a paid call; it is on the disk, not only with the operating system, when this returns. Thread-safe.

        Raises:
            StoreError: as `put`.
        """
        self.put_calls(provider, model, {key: answer})

    def put_calls(self, provider: str, model: str, answers: Mapping[str, str]) -> None:
        """Write several by their keys, all or none, as `put_call` does.

        Raises:
            StoreError: as `put`.
        """
        rows = [(key, provider, model, answer, checksum_of(key, answer)) for key, answer in answers.items()]
        self._write_or_start_anew("INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?)", rows, synchronous="FULL")

    def drop_calls(self, keys: Iterable[str]) -> None:
        """Remove texts that `put_call` kept, all or none. Thread-safe.

        Raises:
            StoreError: as `put`.
        """
        self._write_or_start_anew("DELETE FROM calls WHERE key = ?", [(key,) for key in keys], synchronous="FULL")

    def delete(self, table: str, keys: Sequence[str]) -> None:
        """Remove rows of one of `TABLES`, all or none, and give their space back to the disk.

        Raises:
            StoreError: as `put`.
        """
        try:
            self._write(f"DELETE FROM {table} WHERE key = ?", [(key,) for key in keys], "FULL")
            self._connection.execute("VACUUM")
        except sqlite3.Error as error:
            raise StoreError(f"the store {self.path} cannot be written: {error}; {_CHECK_DISK}") from error

    def _write_or_start_anew(
        self, statement: str, rows: Sequence[tuple[str, ...]], synchronous: str = "NORMAL"
    ) -> None:
        with self._threads:
            try:
                try:
                    self._write(statement, rows, synchronous)
                except sqlite3.DatabaseError as error:
                    if not _is_damage(error):
                        raise
                    self._connection.close()
                    self._connection = self._start_anew()
                    self._write(statement, rows, synchronous)
            except (sqlite3.Error, OSError) as error:
                raise StoreError(
                    f"the store {self.path} cannot be written: {error}; what it already holds is kept"
                ) from error

    def _write(self, statement: str, rows: Sequence[tuple[str, ...]], synchronous: str) -> None:
        self._connection.execute(f"PRAGMA synchronous={synchronous}")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(statement, rows)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file and let other processes in."""
        self._connection.close()
        self._owner.unlink(missing_ok=True)
        self._lock.release()

    def __enter__(self) -> Self:
        """Return the open store."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def _salvage(damaged: Path, connection: sqlite3.Connection) -> None:
    """Copy the rows of a damaged file that can be read and pass their checksum: paid answers are among them."""
    old = sqlite3.connect(f"{damaged.resolve().as_uri()}?mode=ro", uri=True)
    old.text_factory = lambda text: text.decode(errors="replace")
    for table, columns in TABLES.items():
        with suppress(sqlite3.Error), connection:  # what comes before the first page that cannot be read
            for row in old.execute(f"SELECT {columns} FROM {table}"):
                if row[-1] == checksum_of(str(row[0]), str(row[-2])):
                    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?)", row)
    old.close()


class _DamageError(sqlite3.DatabaseError):
    """SQLite can read the file, and has found its pages to be wrong: a row that is written may not be found again."""


def _typed(columns: str) -> str:
    key, *others = columns.split(", ")
    return ", ".join([f"{key} TEXT PRIMARY KEY", *(f"{column} TEXT NOT NULL" for column in others)])


def _is_damage(error: sqlite3.Error) -> bool:
    """Return whether the content of the file is wrong, rather than its lock, its place or the disk."""
    if isinstance(error, _DamageError):
        return True
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF  # the low byte: without the extended code
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def checksum_of(key: str, answer: str) -> str:
    """Return the checksum that an intact row has."""
    return hashlib.sha256(f"{key} {answer}".encode()).hexdigest()
