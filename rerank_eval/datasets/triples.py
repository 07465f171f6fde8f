"""Your own data: a table of (query, document, relevance), from a file or a pandas data frame."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rerank_eval.conventions import Conventions
from rerank_eval.corpus import replace_surrogates
from rerank_eval.datasets.gathering import QueryTexts, assemble, gather_corpus
from rerank_eval.datasets.json_objects import string_field
from rerank_eval.datasets.tables import Row, check_header, read_rows
from rerank_eval.errors import ConfigError, DataError, nearest, shortened
from rerank_eval.files.paths import check_name
from rerank_eval.files.text_files import LineReader, OnBadLine, Place, check_can_be_read_again, check_id
from rerank_eval.qrels import QrelsGatherer, check_relevance
from rerank_eval.types import Dataset, Ranking

if TYPE_CHECKING:
    import pandas as pd

_REQUIRED = ("query", "document")
_COLUMNS = (*_REQUIRED, "relevance", "query_id", "doc_id", "title")


class _Triple(NamedTuple):
    query_id: str
    query: str
    doc_id: str
    document: str
    relevance: int | None


def load_triples(
    path: str,
    columns: Mapping[str, str] | None = None,
    quoted: bool | None = None,
    name: str | None = None,
    relevance_level: int = 1,
    removes_query_document: bool = False,
    on_bad_line: OnBadLine = "error",
) -> Dataset:
    """Return the dataset of a CSV, TSV or JSONL file (by its ending; plain or .gz) with one pair of query and document a row.

    The columns are query, document and, where the file has them, relevance, query_id, doc_id and title; `columns` gives the
    names of those that have others, e.g. `{"query": "question"}`. Title and document are joined by a space. Without a column of
    ids an id is the first 16 hexadecimal digits of the SHA-256 of the text. The documents listed for a query are its
    candidates, in the order of the file. An empty relevance means that the pair is not judged; without the column nothing is
    judged: a query log, and the columns that are not used are in the report. Queries of which no pair is judged are left out,
    and counted.

    Raises:
        ConfigError: a setting is wrong.
        DataError: the file is missing, a column is, there is no row, or a row is wrong (file:line).
    """
    file = Path(path).expanduser()
    check_can_be_read_again(file)
    reader = LineReader(on_bad_line)
    stem = file.name.removesuffix(".gz")
    return _gather(
        lambda: read_rows(file, reader, quoted),
        source=file,
        columns=columns,
        name=name or stem.removesuffix(Path(stem).suffix),
        conventions=Conventions(relevance_level=relevance_level, removes_query_document=removes_query_document),
        reader=reader,
    )


def from_frame(
    frame: "pd.DataFrame",
    name: str = "frame",
    columns: Mapping[str, str] | None = None,
    relevance_level: int = 1,
    removes_query_document: bool = False,
    on_bad_line: OnBadLine = "error",
) -> Dataset:
    """Return the dataset of a data frame, which has the columns of `load_triples`; a missing relevance is NaN, NA or None.

    Raises:
        ConfigError: a setting is wrong.
        DataError: a column is missing, there is no row, or a row is wrong; names the row, counted from 1.
    """
    if not hasattr(frame, "columns") or not hasattr(frame, "itertuples"):
        raise ConfigError(f"the frame must be a pandas data frame, not {type(frame).__name__}")
    header = [str(column) for column in frame.columns]
    check_header(header, name)

    def rows() -> Iterator[tuple[int, Row]]:
        for number, cells in enumerate(frame.itertuples(index=False, name=None), start=1):
            yield number, dict(zip(header, map(_plain, cells), strict=True))

    return _gather(
        rows,
        source=name,
        columns=columns,
        name=name,
        conventions=Conventions(relevance_level=relevance_level, removes_query_document=removes_query_document),
        reader=LineReader(on_bad_line),
    )


def _plain(cell: Any) -> object:
    """Return a cell as Python's own value, None for a missing one."""
    import pandas as pd

    if pd.api.types.is_scalar(cell) and pd.isna(cell):
        return None
    return cell.item() if hasattr(cell, "item") else cell


def _gather(
    read: Callable[[], Iterable[tuple[int, Row]]],
    *,
    source: Path | str,
    columns: Mapping[str, str] | None,
    name: str,
    conventions: Conventions,
    reader: LineReader,
) -> Dataset:
    check_name(name, "dataset.name")
    names = _name_columns(columns)
    queries = QueryTexts()
    listed = QrelsGatherer()
    seen: set[str] = set()

    def documents() -> Iterator[tuple[Place, str, str]]:
        for line, triple in reader.parse_all(source, _watch(read(), seen), lambda row: _parse(row, names)):
            place = Place(source, line)
            queries.add(place, triple.query_id, triple.query)
            reader.dropped_duplicates += not listed.add(place, triple.query_id, triple.doc_id, triple.relevance)
            yield place, triple.doc_id, triple.document

    corpus = gather_corpus(documents)
    if not seen:
        raise DataError("there is no row of data", source)
    _check_columns(names, seen, columns, source)
    is_judged = names["relevance"] in seen
    unused = () if is_judged else tuple(sorted(shortened(name) for name in seen - set(names.values())))
    if is_judged and not listed.qrels:
        raise DataError(
            f"the column {names['relevance']!r} is empty in every row; for a query log without judgments leave it out",
            source,
        )
    return assemble(
        name=name,
        split="all",
        corpus=corpus,
        queries=queries,
        qrels=listed.qrels if is_judged else None,
        conventions=conventions,
        skipped_lines=reader.skipped_lines,
        dropped_duplicates=reader.dropped_duplicates,
        unused_columns=unused,
        named_columns={ours: str(name) for ours, name in (columns or {}).items()} if unused else None,
        first_stage={query_id: Ranking.from_order(doc_ids) for query_id, doc_ids in listed.doc_ids.items()},
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
    """Check that the columns that must be there, or that the user has named, are."""
    for column in (*_REQUIRED, *(columns or {})):
        if names[column] not in seen:
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
    """Return the grade; None where the cell is empty."""
    value = value.strip() if isinstance(value, str) else value
    if str(value).lower() in ("true", "false"):
        raise ValueError(f"{column!r} must be an integer; write 1 for true and 0 for false")
    return None if value is None or value == "" else check_relevance(value, repr(column))
