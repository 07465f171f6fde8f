"""What a store holds, read without changing it: rows, what they are of, and whether they are intact."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rerank_eval.errors import DataError
from rerank_eval.store.store import TABLES, checksum_of

Kind = Literal["calls", "answers"]


class KeptRow(NamedTuple):
    """One row: an answer of a paid call (`calls`: provider and model) or the scores of a reranker (`answers`: system and query_id).

    `answer` is None where the row is damaged. `started` is when a call was made (UTC, ISO 8601); None where that is not known.
    """

    kind: Kind
    key: str
    names: tuple[str, str]
    size: int
    answer: Any
    started: str | None

    @property
    def is_out(self) -> bool:
        """Whether it is no answer yet, but says in which batch the question is out."""
        return self.kind == "calls" and isinstance(self.answer, dict) and self.answer.keys() == {"batch"}

    @property
    def group(self) -> tuple[str, str]:
        """What it is counted under: provider and model, or the system; apart where the answer is still to be fetched."""
        if self.is_out:
            return self.names[0], f"{self.names[1]} (out in a batch)"
        return self.names if self.kind == "calls" else (self.names[0], "")


class KeptGroup(NamedTuple):
    """All intact rows of one provider and model, or of one system."""

    kind: Kind
    name: str
    model: str
    num_rows: int
    size: int
    first: str | None
    last: str | None


def read_kept(path: Path) -> Iterator[KeptRow]:
    """Yield every row of a store, calls first, in the order of their keys; also while a run uses it.

    Raises:
        DataError: there is no such file, it is no store, or it cannot be read to its end.
    """
    with closing(_connect(path)) as connection:
        for kind in ("calls", "answers"):
            try:
                for row in connection.execute(f"SELECT {TABLES[kind]} FROM {kind} ORDER BY key"):
                    yield _read_row(kind, *map(str, row))
            except sqlite3.Error as error:
                if "no such table" in str(error):
                    raise DataError("this is no store of rerank_eval", path) from error
                raise DataError(
                    f"it cannot be read ({error}); a run that uses it saves what can be read", path
                ) from error


def find_page_fault(path: Path) -> str | None:
    """Return what SQLite finds wrong with the file itself; None if nothing is.

    Raises:
        DataError: there is no such file.
    """
    with closing(_connect(path)) as connection:
        try:
            found = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            return str(error)
    return None if found == "ok" else found


def summarise_kept(rows: Iterable[KeptRow]) -> list[KeptGroup]:
    """Return the groups of the intact rows, calls first."""
    groups: dict[tuple[Kind, tuple[str, str]], KeptGroup] = {}
    for row in rows:
        if row.answer is None:
            continue
        key = row.kind, row.group
        old = groups.get(key) or KeptGroup(row.kind, *row.group, 0, 0, None, None)
        times = sorted(time for time in (old.first, old.last, row.started) if time is not None)
        groups[key] = old._replace(
            num_rows=old.num_rows + 1,
            size=old.size + row.size,
            first=times[0] if times else None,
            last=times[-1] if times else None,
        )
    return sorted(groups.values(), key=lambda group: (group.kind != "calls", group))


def _connect(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise DataError("there is no such store; name the file, or run in the folder that has experiments/", path)
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    connection.text_factory = lambda text: text.decode(errors="replace")  # damaged text fails its checksum instead
    return connection


def _read_row(kind: Kind, key: str, first: str, second: str, text: str, checksum: str) -> KeptRow:
    size = len(text.encode(errors="replace"))
    try:
        answer = json.loads(text) if checksum == checksum_of(key, text) else None
    except ValueError:
        answer = None
    started = answer.get("started") if isinstance(answer, dict) else None
    return KeptRow(kind, key, (first, second), size, answer, started if isinstance(started, str) else None)
