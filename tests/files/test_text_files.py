"""Lines as they come from other people's files: malformed, or of odd characters."""

import gzip
import os
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.errors import ConfigError, DataError
from rerank_eval.files.text_files import (
    LineReader,
    OnBadLine,
    check_can_be_read_again,
    check_id,
    read_lines,
    read_raw_lines,
)

BOM = b"\xef\xbb\xbf"


def number_of(line: str) -> int:
    if not line.isdigit():
        raise ValueError("not a number")
    return int(line)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12), max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    starts_with_bom=st.booleans(),
    zipped=st.booleans(),
)
def test_bom_line_ends_blank_lines_and_compression_change_no_line_and_no_number(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, starts_with_bom: bool, zipped: bool
) -> None:
    content = (BOM if starts_with_bom else b"") + end.join(lines).encode()
    path = tmp_path_factory.mktemp("lines") / ("a.txt.gz" if zipped else "a.txt")
    path.write_bytes(gzip.compress(content) if zipped else content)
    if not starts_with_bom and lines:
        lines = [lines[0].removeprefix("\ufeff"), *lines[1:]]
    expected = [(number, line.encode()) for number, line in enumerate(lines, 1) if line.encode().strip()]
    assert list(read_lines(path)) == expected


@pytest.mark.parametrize("character", ["\u2028", "\u0085", "\x1c", "\x00", "\u00a0", "\v"])
def test_only_a_newline_ends_a_line(tmp_path: Path, character: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"one{character}two\nthree", encoding="utf-8")
    assert [line.decode() for _, line in read_lines(path)] == [f"one{character}two", "three"]


@pytest.mark.parametrize("keep", [5, 15, -10, -4])
def test_a_truncated_gzip_is_an_error_that_names_the_file(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"".join(b"line %d\n" % n for n in range(1000)))[:keep])
    with pytest.raises(DataError, match=r"a\.gz: cannot be read"):
        list(read_lines(path))


def test_damaged_and_mislabelled_gzip_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    damaged = bytearray(gzip.compress(b"".join(b"line %d\n" % n for n in range(1000))))
    damaged[len(damaged) // 2] ^= 0xFF
    for content in (bytes(damaged), b"plain text\n"):
        path = tmp_path / "a.gz"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.gz: cannot be read"):
            list(read_lines(path))


def test_a_missing_file_and_a_folder_are_errors_that_name_the_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none: no such file"):
        list(read_lines(tmp_path / "none"))
    with pytest.raises(DataError, match=f"{tmp_path.name}: cannot be read"):
        list(read_lines(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_an_error_with_its_cure(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffquery,document\nx,y\n".encode(encoding))
    with pytest.raises(DataError, match=r"a\.csv: is UTF-16; save it as UTF-8"):
        list(read_lines(path))


def test_what_can_be_read_only_once_is_refused_without_being_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/null")):
        with pytest.raises(DataError, match=r"is no regular file, and would be read more than once; write its content"):
            check_can_be_read_again(path)
    check_can_be_read_again(tmp_path / "none")
    check_can_be_read_again(tmp_path)


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.touch()
    os.truncate(path, 65 << 20)
    with pytest.raises(DataError, match=r"long\.txt:1: the line is longer than 64 MiB"):
        list(read_lines(path))


def test_a_gzip_file_that_unpacks_to_more_than_two_hundred_times_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(66):
            file.write(bytes((1 << 20) - 1) + b"\n")
    with path.open("ab") as file:
        file.write(gzip.compress(b"a second part, whose size is all that the file states\n"))
    with pytest.raises(DataError, match=r"bomb\.gz: unpacks to more than 200 times its size"):
        list(read_lines(path))


def test_a_gzip_file_that_states_too_large_a_size_is_refused_before_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "blank.gz"
    path.write_bytes(gzip.compress(bytes(1000) + b"\n" * 80_000_000, compresslevel=1))
    with pytest.raises(DataError, match=r"blank\.gz: unpacks to more than 200 times its size"):
        next(read_raw_lines(path))


def test_the_size_that_a_cut_gzip_file_seems_to_state_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(b"one\n")[:-8] + b"\xff" * 4)
    with pytest.raises(DataError, match=r"cut\.gz: cannot be read"):
        list(read_raw_lines(path))


def test_a_table_of_few_words_packs_well_and_is_read(tmp_path: Path) -> None:
    path = tmp_path / "qrels.gz"
    lines = [b"%d 0 %d 0\n" % (number // 100, number) for number in range(100_000)]
    path.write_bytes(gzip.compress(b"".join(lines)))
    assert sum(1 for _ in read_lines(path)) == 100_000


def test_a_bad_line_is_an_error_with_place_reason_and_shortened_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("1\n\n2\n" + "x\t" * 500)
    with pytest.raises(DataError, match=r"a\.txt:4: not a number: ") as caught:
        list(LineReader().records(path, number_of))
    assert (caught.value.path, caught.value.line, caught.value.exit_code) == (path, 4, 2)
    assert len(str(caught.value)) < len(str(path)) + 150
    assert str(caught.value).isprintable()


def test_bytes_that_are_no_utf8_are_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"1\n\xff2\n3\n")
    with pytest.raises(DataError, match=r"a\.txt:2: not UTF-8 \(invalid start byte at byte 0 of the line\)"):
        list(LineReader().records(path, number_of))
    reader = LineReader("skip")
    assert list(reader.records(path, number_of)) == [(1, 1), (3, 3)]
    assert reader.skipped_lines == 1


@settings(max_examples=50, deadline=None, derandomize=True)
@given(lines=st.lists(st.sampled_from(["7", "x", "", " "]), max_size=12))
def test_skip_counts_every_bad_line_and_keeps_every_good_one(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.mktemp("skip") / "a.txt"
    path.write_text("\n".join(lines))
    reader = LineReader("skip")
    kept = list(reader.records(path, number_of))
    assert kept == [(number, 7) for number, line in enumerate(lines, 1) if line == "7"]
    assert reader.skipped_lines == lines.count("x")


def test_records_that_are_no_lines_are_parsed_by_the_same_rules() -> None:
    items = [(1, ["7"]), (4, ["x"]), (5, ["8"])]
    reader = LineReader("skip")
    assert list(reader.parse_all("log", items, lambda cells: number_of(cells[0]))) == [(1, 7), (5, 8)]
    assert reader.skipped_lines == 1
    with pytest.raises(DataError, match=r"log:4: not a number: \['x'\]"):
        list(LineReader().parse_all("log", items, lambda cells: number_of(cells[0])))


def test_on_bad_line_knows_two_values() -> None:
    with pytest.raises(ConfigError, match="on_bad_line is 'ignore'; valid: error, skip"):
        LineReader(cast("OnBadLine", "ignore"))


@pytest.mark.parametrize("value", ["d1", "a/b#c", "مرحبا", "e\u0301", "\u00e9", "😀", "a\u00a0b", "\ufeff"])
def test_ids_are_kept_byte_exact(value: str) -> None:
    assert check_id(value, "doc_id") == value


@pytest.mark.parametrize("value", ["", None, 1.5, True, [], "a b", "a\tb", "a\nb", "a\x00", "\x1f", "a\x7f", "\ud800"])
def test_ids_that_no_trec_file_can_hold_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="doc_id"):
        check_id(value, "doc_id")


def test_an_integer_is_an_id() -> None:
    assert check_id(7, "doc_id") == "7"
