"""Lines of text files from anywhere: plain or gzip, with or without BOM, LF or CRLF."""

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from rerank_eval.corpus import replace_surrogates
from rerank_eval.errors import ConfigError, DataError, shortened

OnBadLine = Literal["error", "skip"]
Item = TypeVar("Item")
Record = TypeVar("Record")

_LONGEST_LINE = 64 * 1024 * 1024
_BLOCK = 1024 * 1024
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LARGEST_RATIO = 200  # text packs to a tenth, a table of few words to a hundredth, a bomb to a thousandth
_BOMB = f"unpacks to more than {_LARGEST_RATIO} times its size; unpack it yourself"


class Place(NamedTuple):
    """Where a record is: a file, or the name of another source, and its line or number there, from 1."""

    path: Path | str
    line: int

    def seen_from(self, other: "Place") -> str:
        """Return "in line 3", or where `other` is in another file "in FILE:3"."""
        return f"in line {self.line}" if self.path == other.path else f"in {self.path}:{self.line}"


def check_can_be_read_again(path: Path) -> None:
    """Check that the path is no pipe or device; what does not exist is told when it is read.

    Raises:
        DataError: it is one.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataError("is no regular file, and would be read more than once; write its content to a file first", path)


def read_raw_lines(path: Path) -> Iterator[bytes]:
    r"""Yield every line with its end, without a BOM; lines end at ``\n`` only.

    Raises:
        DataError: the file cannot be read, is UTF-16, has a line of more than 64 MiB, or is a gzip file that unpacks to more
            than 200 times its size.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            most = max(_LONGEST_LINE, _LARGEST_RATIO * path.stat().st_size) if path.suffix == ".gz" else None
            if most is not None and path.is_file() and _unpacks_to_more(path, most):
                raise DataError(_BOMB, path)
            size = number = 0
            while raw := file.readline(_LONGEST_LINE):
                number += 1
                size += len(raw)
                if len(raw) == _LONGEST_LINE:
                    raise DataError("the line is longer than 64 MiB", path, number)
                if most is not None and size > most:
                    raise DataError(_BOMB, path)
                if number == 1 and raw.startswith(_UTF_16):
                    raise DataError("is UTF-16; save it as UTF-8", path)
                yield raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
    except FileNotFoundError as error:
        raise DataError("no such file", path) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be read: {error}", path) from error


def _unpacks_to_more(path: Path, most: int) -> bool:
    """Return whether a gzip file that states a size above `most` bytes has it; in lines, 64 MiB of blank ones take minutes.

    The size stands in its last four bytes (RFC 1952, ISIZE). A cut file may state any, so that it is counted.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4))
        if int.from_bytes(file.read(4), "little") <= most:
            return False
    size = 0
    with gzip.open(path, "rb") as unpacked:
        while block := unpacked.read(_BLOCK):
            size += len(block)
            if size > most:
                return True
    return False


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line without its end) of every line that is not blank.

    Raises:
        DataError: as `read_raw_lines`.
    """
    for number, raw in enumerate(read_raw_lines(path), start=1):
        line = raw.removesuffix(b"\n").removesuffix(b"\r")
        if line.strip():
            yield number, line


class LineReader:
    """Parses files line by line; a bad line is an error, or is skipped and counted."""

    def __init__(self, on_bad_line: OnBadLine = "error") -> None:
        """Choose what a bad line does."""
        if on_bad_line not in ("error", "skip"):
            raise ConfigError(f"on_bad_line is {on_bad_line!r}; valid: error, skip")
        self._on_bad_line = on_bad_line
        self.skipped_lines = 0
        self.dropped_duplicates = 0

    def records(self, path: Path, parse: Callable[[str], Record]) -> Iterator[tuple[int, Record]]:
        """Yield (line number, parsed line); `parse` raises ValueError with the reason for a bad one."""
        return self.parse_all(path, read_lines(path), lambda line: parse(_decode(line)))

    def parse_all(
        self, path: Path | str, items: Iterable[tuple[int, Item]], parse: Callable[[Item], Record]
    ) -> Iterator[tuple[int, Record]]:
        """Yield (line number, parsed item) for files whose records are not lines; `parse` as in `records`."""
        for number, item in items:
            try:
                record = parse(item)
            except ValueError as error:
                if self._on_bad_line == "error":
                    raise DataError(f"{error}: {shortened(_as_text(item))}", path, number) from error
                self.skipped_lines += 1
                continue
            yield number, record


def _as_text(item: object) -> str:
    if isinstance(item, bytes):
        return item.decode(errors="replace")
    if isinstance(item, list):
        item = [replace_surrogates(cell) if isinstance(cell, str) else cell for cell in item]
    return str(item)


def _decode(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 ({error.reason} at byte {error.start} of the line)") from error


def check_id(value: object, name: str) -> str:
    """Return `value` as an id that TREC files can hold, byte-exact.

    Raises:
        ValueError: it is empty, is neither a string nor an integer, has white space or a control character, or is
            no valid Unicode.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a non-empty string")
    if any(character <= " " or character == "\x7f" for character in value):
        raise ValueError(f"{name} has white space or a control character, which TREC files cannot hold")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{name} is no valid Unicode (a lone surrogate)") from error
    return value
