"""Rows of CSV (RFC 4180), TSV and JSONL files as mappings from column to cell."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rerank_eval.datasets.json_objects import parse_object
from rerank_eval.errors import ConfigError, DataError, shortened
from rerank_eval.files.text_files import LineReader, read_lines, read_raw_lines

Row = Mapping[str, object]

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_LONGEST_CELL = 64 * 1024 * 1024
_NO_UNICODE = "not UTF-8; save the file as UTF-8"


def read_rows(path: Path, reader: LineReader, quoted: bool | None = None) -> Iterator[tuple[int, Row]]:
    """Yield (line on which it begins, row) of the table; its form goes by the file's ending: .csv, .tsv or .jsonl, plain or .gz.

    `quoted` says whether a cell may stand in quotation marks, with line ends and doubled marks inside; None: in CSV yes, in
    TSV no. Rows without content are left out.

    Raises:
        ConfigError: the file has another ending.
        DataError: the file cannot be read, or a line is wrong (file:line). A fault of quotation is never skipped: nobody knows
            where such a row ends.
    """
    ending = Path(path.name.removesuffix(".gz")).suffix
    if ending == ".jsonl":
        return reader.records(path, parse_object)
    if ending not in _DELIMITERS:
        raise ConfigError(f"dataset.path: {path} must end in .csv, .tsv or .jsonl, each may have .gz after it")
    read_cells = _read_quoted if (ending == ".csv" if quoted is None else quoted) else _read_plain
    return _name_cells(path, read_cells(path, _DELIMITERS[ending]), reader)


def _name_cells(path: Path, lines: Iterator[tuple[int, list[str]]], reader: LineReader) -> Iterator[tuple[int, Row]]:
    filled = ((number, cells) for number, cells in lines if any(cell.strip() for cell in cells))
    number, header = next(filled, (1, []))
    check_header(header, path, number)
    _check_form(header, path, number)
    yield from reader.parse_all(path, filled, lambda cells: _name(header, cells))


def check_header(header: Sequence[str], path: Path | str, line: int | None = None) -> None:
    """Check the names of the columns.

    Raises:
        DataError: there is none, or one comes twice.
    """
    if not header:
        raise DataError("no row with the names of the columns", path)
    for column in header:
        if header.count(column) > 1:
            raise DataError(f"the column {column!r} comes twice", path, line)


def _check_form(header: Sequence[str], path: Path, line: int) -> None:
    """Check that the row of names is what it seems: a table of one column of text, say, has another separator."""
    names = "".join(header)
    if not _is_unicode(names):
        raise DataError(f"the names of the columns are {_NO_UNICODE}", path, line)
    if "\r" in names:
        raise DataError(r"the lines end with \r alone; save the file with \n or \r\n", path, line)
    if len(header) == 1 and re.search("[,;\t|]", names):
        raise DataError(
            f"the names of the columns are one cell, {shortened(names)}; the separator must be a comma (.csv) or a tab (.tsv)",
            path,
            line,
        )


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text)


def _name(header: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(header):
        raise ValueError(f"{len(cells)} cells where the first row names {len(header)} columns")
    if not all(map(_is_unicode, cells)):
        raise ValueError(_NO_UNICODE)
    return dict(zip(header, cells, strict=True))


def _read_plain(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in read_lines(path):
        yield number, line.decode(errors="surrogateescape").split(delimiter)


def _read_quoted(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    # the limit is the whole process's, and the default of 128 KiB is less than some documents have
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    lines = (raw.decode(errors="surrogateescape") for raw in read_raw_lines(path))
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number = rows.line_num + 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            if "new-line character" in str(error):
                raise DataError(r"a line ends with \r alone; save the file with \n or \r\n", path, number) from error
            raise DataError(f"not CSV ({error}); is a quotation mark missing or not doubled?", path, number) from error
        if cells is None:
            return
        yield number, cells
