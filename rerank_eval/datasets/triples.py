"""Your own data: a table of (query, document, relevance), from a file or a pandas data frame."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rerank_eval.corpus import replace_surrogates
from rerank_eval.datasets.gathering import QueryTexts, assemble, check_relevance_level, gather_corpus
from rerank_eval.datasets.json_objects import string_field
from rerank_eval.datasets.tables import Row, check_header, read_rows
from rerank_eval.errors import ConfigError, DataError, nearest
from rerank_eval.paths import check_name
from rerank_eval.textfiles import LineReader, OnBadLine, check_id
from rerank_eval.types import Dataset, Qrels, Ranking

if TYPE_CHECKING:
    import pandas as pd

_REQUIRED = ("query", "document")
_COLUMNS = (*_REQUIRED, "relevance", "query_id", "doc_id", "title")
_RELEVANCE = re.compile(r"(-?[0-9]{1,4})(?:\.0*)?")


class _Triple(NamedTuple):
    query_id: str
    query: str
    doc_id: str
    document: str
    relevance: int | None


class _Listed(NamedTuple):
    line: int
    relevance: int | None


def load_triples(
    path: str,
    columns: Mapping[str, str] | None = None,
    quoted: bool | None = None,
    name: str | None = None,
    relevance_level: int = 1,
    on_bad_line: OnBadLine = "error",
) -> Dataset:
    """Return the dataset of a CSV, TSV or JSONL file (by its ending; plain or .gz) with one pair of query and document a row.

    The columns are query, document and, where the file has them, relevance, query_id, doc_id and title; `columns` gives the
    names of those that have others, e.g. `{"query": "question"}`. Title and document are joined by a space. Without a column of
    ids an id is the first 16 hexadecimal digits of the SHA-256 of the text. The documents listed for a query are its
    candidates, in the order of the file. An empty relevance means that the pair is not judged; without the column nothing is
    judged: a query log. Queries of which no pair is judged are left out, and counted.

    Raises:
        ConfigError: a setting is wrong.
        DataError: the file is missing, a column is, or a row is wrong (file:line).
    """
    file = Path(path).expanduser()
    reader = LineReader(on_bad_line)
    stem = file.name.removesuffix(".gz")
    return _gather(
        read_rows(file, reader, quoted),
        source=file,
        columns=columns,
        name=name or stem.removesuffix(Path(stem).suffix),
        relevance_level=relevance_level,
        reader=reader,
    )


def from_frame(
    frame: "pd.DataFrame",
    name: str = "frame",
    columns: Mapping[str, str] | None = None,
    relevance_level: int = 1,
    on_bad_line: OnBadLine = "error",
) -> Dataset:
    """Return the dataset of a data frame, which has the columns of `load_triples`; a missing relevance is NaN, NA or None.

    Raises:
        ConfigError: a setting is wrong.
        DataError: a column is missing, or a row is wrong; names the row, counted from 1.
    """
    header = [str(column) for column in frame.columns]
    check_header(header, name)
    rows = (
        (number, dict(zip(header, map(_plain, cells), strict=True)))
        for number, cells in enumerate(frame.itertuples(index=False, name=None), start=1)
    )
    return _gather(
        rows,
        source=name,
        columns=columns,
        name=name,
        relevance_level=relevance_level,
        reader=LineReader(on_bad_line),
    )


def _plain(cell: Any) -> object:
    """Return a cell as Python's own value, None for a missing one."""
    import pandas as pd

    if pd.api.types.is_scalar(cell) and pd.isna(cell):
        return None
    return cell.item() if hasattr(cell, "item") else cell


def _gather(
    rows: Iterable[tuple[int, Row]],
    *,
    source: Path | str,
    columns: Mapping[str, str] | None,
    name: str,
    relevance_level: int,
    reader: LineReader,
) -> Dataset:
    check_name(name, "dataset.name")
    check_relevance_level(relevance_level)
    names = _name_columns(columns)
    queries = QueryTexts(source)
    listed: dict[str, dict[str, _Listed]] = {}
    seen: set[str] = set()

    def documents() -> Iterator[tuple[int, str, str]]:
        for line, triple in reader.parse_all(source, _watch(rows, seen), lambda row: _parse(row, names)):
            queries.add(line, triple.query_id, triple.query)
            of_query = listed.setdefault(triple.query_id, {})
            first = of_query.setdefault(triple.doc_id, _Listed(line, triple.relevance))
            if first.relevance != triple.relevance:
                raise DataError(
                    f"query {triple.query_id!r}, document {triple.doc_id!r} is {_shown(triple.relevance)} here and "
                    f"{_shown(first.relevance)} in line {first.line}; keep one of the two",
                    source,
                    line,
                )
            reader.dropped_duplicates += first.line != line
            yield line, triple.doc_id, triple.document

    corpus = gather_corpus(documents(), source)
    _check_columns(names, seen, columns, source)
    return assemble(
        name=name,
        split="all",
        corpus=corpus,
        queries=queries,
        qrels=_judgments(listed, names["relevance"], source) if names["relevance"] in seen else None,
        relevance_level=relevance_level,
        skipped_lines=reader.skipped_lines,
        dropped_duplicates=reader.dropped_duplicates,
        first_stage={query_id: Ranking.from_order(list(documents)) for query_id, documents in listed.items()},
    )


def _name_columns(columns: Mapping[str, str] | None) -> dict[str, str]:
    """Return the name that each of our columns has in the source."""
    if not isinstance(columns or {}, Mapping):
        raise ConfigError(f"dataset.columns is {columns!r}; it is a mapping such as {{query: question}}")
    names = {column: column for column in _COLUMNS}
    for column, name in (columns or {}).items():
        if column not in names:
            raise ConfigError(f"dataset.columns has no {column!r}: {nearest(str(column), names)}")
        names[column] = str(name)
    return names


def _watch(rows: Iterable[tuple[int, Row]], seen: set[str]) -> Iterator[tuple[int, Row]]:
    for line, row in rows:
        seen.update(row)
        yield line, row


def _check_columns(
    names: Mapping[str, str], seen: set[str], columns: Mapping[str, str] | None, source: Path | str
) -> None:
    """Check that the columns that must be there, or that the user has named, are; without any row nothing is known."""
    for column in (*_REQUIRED, *(columns or {})):
        if seen and names[column] not in seen:
            raise DataError(
                f"there is no column {names[column]!r}: {nearest(names[column], seen)} (dataset.columns says which is which)",
                source,
            )


def _parse(row: Row, names: Mapping[str, str]) -> _Triple:
    for column in _REQUIRED:
        if names[column] not in row:
            hint = nearest(names[column], row)
            raise ValueError(f"there is no {names[column]!r}: {hint} (dataset.columns says which is which)")
    query, text = string_field(row, names["query"]), string_field(row, names["document"])
    title = string_field(row, names["title"], "")
    document = f"{title} {text}" if title else text
    return _Triple(
        query_id=check_id(row[names["query_id"]], names["query_id"]) if names["query_id"] in row else _make_id(query),
        query=query,
        doc_id=check_id(row[names["doc_id"]], names["doc_id"]) if names["doc_id"] in row else _make_id(document),
        document=document,
        relevance=_parse_relevance(row.get(names["relevance"]), names["relevance"]),
    )


def _make_id(text: str) -> str:
    return hashlib.sha256(replace_surrogates(text).encode()).hexdigest()[:16]


def _parse_relevance(value: object, column: str) -> int | None:
    """Return an integer, also one written as 1.0; None where there is none."""
    if value is None:
        return None
    text = "" if isinstance(value, bool) else str(value).strip()
    if isinstance(value, str) and not text:
        return None
    found = _RELEVANCE.fullmatch(text) if isinstance(value, str | int | float) else None
    if found is None:
        raise ValueError(f"{column!r} must be an integer between -9999 and 9999, or empty where the pair is not judged")
    return int(found[1])


def _shown(relevance: int | None) -> str:
    return "not judged" if relevance is None else f"judged {relevance}"


def _judgments(listed: Mapping[str, Mapping[str, _Listed]], column: str, source: Path | str) -> Qrels:
    judged = {
        query_id: {doc_id: item.relevance for doc_id, item in documents.items() if item.relevance is not None}
        for query_id, documents in listed.items()
    }
    if not any(judged.values()):
        raise DataError(
            f"the column {column!r} is empty in every row; for a query log without judgments leave it out", source
        )
    return {query_id: grades for query_id, grades in judged.items() if grades}
