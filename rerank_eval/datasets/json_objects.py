"""JSON objects as records: one a line, or in one list."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rerank_eval.errors import DataError
from rerank_eval.files.text_files import read_lines, read_raw_lines

_LARGEST_LIST = 512 * 1024 * 1024


def _refuse_double_keys(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} comes twice in one object")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_double_keys)


def parse_object(line: str) -> dict[str, object]:
    """Return the JSON object that the line is.

    Raises:
        ValueError: it is none, or a key comes twice, of which nobody knows which one is meant.
    """
    try:
        return as_object(_DECODER.decode(line))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON ({getattr(error, 'msg', 'nested too deep')})") from error


def as_object(value: object) -> dict[str, object]:
    """Return `value` if it is a JSON object.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def string_field(fields: Mapping[str, object], key: str, default: str | None = None) -> str:
    """Return a field that must be a string; an absent one or a null becomes `default`.

    Raises:
        ValueError: it is no string, or absent without a default.
    """
    value = fields.get(key, default)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise ValueError(f"{key!r} must be a string")
    return value


def holds_list(path: Path) -> bool:
    """Return whether the file's first character is the `[` of a JSON list.

    Raises:
        DataError: the file cannot be read.
    """
    return next(read_lines(path), (0, b""))[1].lstrip().startswith(b"[")


def read_list(path: Path) -> Iterator[tuple[int, object]]:
    """Yield (line on which it begins, value) of every element of the JSON list that the file is.

    Raises:
        DataError: the file is no UTF-8 or no JSON list, an object has a key twice, or the file has more than 512 MiB; JSONL is read line by line and may be larger.
    """
    text = _read_text(path)
    position = _after("[", text, 0)
    if position is None:
        raise DataError("not a JSON list", path, 1)
    line, counted = 1, 0
    end = _after("]", text, position)
    while end is None:
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, position = _DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise DataError(f"not JSON ({error.msg})", path, error.lineno) from error
        except (ValueError, RecursionError) as error:
            # a key twice, a number of too many digits for Python, deep nesting
            raise DataError(f"not JSON that can be read ({error})", path, line) from error
        yield line, value
        end, following = _after("]", text, position), _after(",", text, position)
        if end is None and following is None:
            raise DataError("not JSON (',' or ']' is missing after the element that begins here)", path, line)
        position = following or position
    if end != len(text):
        raise DataError("not JSON (something follows the list)", path, 1 + text.count("\n", 0, end))


def _after(mark: str, text: str, position: int) -> int | None:
    """Return the position after `mark` and the blanks around it; None where another character stands there."""
    found = re.compile(rf"[ \t\r\n]*{re.escape(mark)}[ \t\r\n]*").match(text, position)
    return None if found is None else found.end()


def _read_text(path: Path) -> str:
    lines: list[bytes] = []
    size = 0
    for raw in read_raw_lines(path):
        size += len(raw)
        if size > _LARGEST_LIST:
            raise DataError("the JSON list has more than 512 MiB; write JSONL, one record a line", path)
        lines.append(raw)
    content = b"".join(lines)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise DataError(f"not UTF-8 ({error.reason})", path, line) from error
