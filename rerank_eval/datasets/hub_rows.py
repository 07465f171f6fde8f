"""Rows of the files in which hub repositories keep documents, queries and judgments: Parquet, JSONL, TSV."""

import glob
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from rerank_eval.datasets.json_objects import parse_object, string_field
from rerank_eval.errors import ConfigError, DataError, MissingExtraError, shortened
from rerank_eval.files.text_files import LineReader, check_id
from rerank_eval.qrels import check_relevance

Row = Mapping[str, object]
Record = TypeVar("Record")

ENDINGS = (".parquet", ".jsonl", ".jsonl.gz", ".tsv", ".tsv.gz")
_BATCH = 1000
_PAIR = ("query-id", "corpus-id")


def read_records(path: Path, parse: Callable[[Row], Record], reader: LineReader) -> Iterator[tuple[int, Record]]:
    """Yield (number of the line, or of the row, from 1; parsed row), holding some thousand rows in memory.

    JSONL and TSV are not given to `datasets`: it makes dates of texts that look like one, null of the id "NA", and refuses a file for
    a lone surrogate.

    Raises:
        DataError: the file or a row is wrong; `parse` raises ValueError with the reason for a bad one.
        ConfigError: the file is of another kind.
    """
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        return reader.parse_all(path, _read_parquet(path), parse)
    if name.endswith(".jsonl"):
        return reader.records(path, lambda line: parse(parse_object(line)))
    if name.endswith(".tsv"):
        return _read_table(path, parse, reader)
    raise ConfigError(f"{path.name} is of no kind that can be read: {', '.join(ENDINGS)}")


def _read_parquet(path: Path) -> Iterator[tuple[int, Row]]:
    where = str(path.absolute())
    if "::" in where:
        raise ConfigError(
            f"{where}: `datasets` takes '::' in a path for a chain of addresses; set dataset.cache_dir to another folder"
        )
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise MissingExtraError("datasets", "hf") from error
    number = 0
    try:
        rows = load_dataset(
            "parquet", data_files=[glob.escape(where)], split="train", streaming=True, batch_size=_BATCH
        )
        for table in rows.with_format("arrow").iter(batch_size=_BATCH):
            for row in table.to_pylist():
                number += 1
                yield number, row
    except DataError:
        raise
    except Exception as error:  # pyarrow and datasets raise many kinds for a damaged file
        raise DataError(
            f"cannot be read as Parquet after row {number}: {' '.join(str(error).split())}", path
        ) from error


def _read_table(path: Path, parse: Callable[[Row], Record], reader: LineReader) -> Iterator[tuple[int, Record]]:
    """Yield the rows of a table with a header, whose columns are separated by tabs and have no quotes."""
    header: list[str] = []

    def parse_line(line: str) -> Record | None:
        columns = line.split("\t")
        if not header:
            header.extend(columns)
            return None
        if len(columns) != len(header):
            raise ValueError(f"{len(columns)} columns where the header has {len(header)}")
        return parse(dict(zip(header, columns, strict=True)))

    for number, record in reader.records(path, parse_line):
        if record is not None:
            yield number, record


def parse_document(row: Row, titles: bool) -> tuple[str, str]:
    """Return doc_id and text, with the title before it if there is one and `titles` says so.

    Raises:
        ValueError: a column is missing or of the wrong kind.
    """
    text = string_field(row, "text")
    title = string_field(row, "title", "") if titles else ""
    return _id(row), f"{title} {text}" if title else text


def parse_query(row: Row) -> tuple[str, str]:
    """Return query_id and text.

    Raises:
        ValueError: a column is missing or of the wrong kind.
    """
    return _id(row), string_field(row, "text")


def parse_judgment(row: Row) -> tuple[str, str, int]:
    """Return query_id, doc_id and grade; 1 where there is no third column, as in NanoBEIR, which lists relevant pairs.

    Raises:
        ValueError: a column is missing or of the wrong kind, or the grade is no integer between -9999 and 9999.
    """
    if "score" not in row and len(row) > len(_PAIR):
        others = ", ".join(shortened(name) for name in row if name not in _PAIR)
        raise ValueError(f"there is no column 'score', and others could have the grades: {others}")
    return (
        check_id(row.get("query-id"), "query-id"),
        check_id(row.get("corpus-id"), "corpus-id"),
        check_relevance(row.get("score", 1), "the score"),
    )


def _id(row: Row) -> str:
    return check_id(row["_id"], "_id") if "_id" in row else check_id(row.get("id"), "_id (or id)")
