"""Parsers of what the hub sends, malformed or damaged: cards, listings, rows."""

import json
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rerank_eval.datasets.hub_cards import read_configs
from rerank_eval.datasets.hub_listing import HubFile, read_listing
from rerank_eval.datasets.hub_rows import parse_document, parse_judgment, parse_query
from rerank_eval.errors import DataError
from rerank_eval.fingerprint import fingerprint

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["configs", "config_name", "data_files", "split", "path", "files", "sha256"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
CARDS = st.binary(max_size=60) | st.builds(
    lambda body: b"---\n" + body + b"\n---\n",
    st.binary(max_size=60)
    | st.text("configs:- {}[]&*!?|>#'\"0123456789.e\n", max_size=40).map(str.encode)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.lists(JSON, max_size=3).map(lambda configs: json.dumps({"configs": configs}).encode()),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(card=CARDS)
@example(card=b"---\nconfigs: 2001-99-99\n---\n")
@example(card=b"---\n" + b"[" * 5000 + b"\n---\n")
@example(card=b"---\n!!binary [x]\n---\n")
@example(card=b"---\n!!timestamp x\n---\n")
@example(card=b"---\n!!int ''\n---\n")
@example(card=b"---\n" + b"9" * 5000 + b"\n---\n")
@example(card=b"---\n&a [*a]\n---\n")
@example(card=b"---\nconfigs: &a [*a]\n---\n")
@example(card=b"---\n? {a: 1}\n: 2\n---\n")
def test_any_card_declares_patterns_by_config_and_split_or_is_an_error_that_names_it(
    tmp_path_factory: pytest.TempPathFactory, card: bytes
) -> None:
    path = tmp_path_factory.mktemp("card") / "README.md"
    path.write_bytes(card)
    try:
        configs = read_configs(path)
    except DataError as error:
        place = error.path
    else:
        place = path
        for config, patterns in configs.items():
            assert isinstance(config, str)
            assert all(isinstance(pattern, str) for paths in patterns.values() for pattern in paths)
    assert place == path


def card(text: str, folder: Path) -> Path:
    path = folder / "README.md"
    path.write_text(text, encoding="utf-8")
    return path


CONFIGS = "configs:\n- config_name: corpus\n  data_files: corpus.jsonl\n"


def test_a_card_is_read_whatever_else_it_says(tmp_path: Path) -> None:
    for line in ("date: 2023-02-30", "number: 9_9e999", "value: !x y", "same: &a [1]\nother: [*a, *a]"):
        text = f"---\r\n{line}\n{CONFIGS}--- \n# A dataset\n---\n"
        assert read_configs(card(text, tmp_path)) == {"corpus": {"train": ["corpus.jsonl"]}}
    for text in ("", CONFIGS, f"---\n{CONFIGS}", "---\n" * 50_000, "\ufeff---\n---\n"):
        assert read_configs(card(text, tmp_path)) == {}


def test_a_card_that_would_take_long_is_refused(tmp_path: Path) -> None:
    """Each would take minutes, or all memory."""
    lists = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    bomb = f"---\na0: &a0 x\n{lists}configs: *a29\n---\n"
    with pytest.raises(DataError, match=r"README\.md: the list of configs has more than 100000 values"):
        read_configs(card(bomb, tmp_path))
    with pytest.raises(DataError, match=r"README\.md: the front matter has more than 524288 bytes"):
        read_configs(card("---\n" + "a: b\n" * 200_000, tmp_path))


NAMES = st.text("ab/*-.é😀 :#{'\"", max_size=5)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    configs=st.dictionaries(
        NAMES, st.dictionaries(NAMES, NAMES | st.lists(NAMES, max_size=2), max_size=3), min_size=1, max_size=3
    )
)
def test_every_declared_pattern_comes_back(
    tmp_path_factory: pytest.TempPathFactory, configs: dict[str, dict[str, str | list[str]]]
) -> None:
    declared = [
        {"config_name": name, "data_files": [{"split": split, "path": path} for split, path in splits.items()]}
        for name, splits in configs.items()
    ]
    path = tmp_path_factory.mktemp("card") / "README.md"
    path.write_text(
        f"---\n{json.dumps({'configs': declared}, ensure_ascii=False)}\n---\n# A dataset\n", encoding="utf-8"
    )
    assert read_configs(path) == {
        name: {split: [found] if isinstance(found, str) else found for split, found in splits.items()}
        for name, splits in configs.items()
    }


def signed(files: object) -> bytes:
    return json.dumps({"files": files, "sha256": fingerprint({"files": files})}).encode()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(content=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()) | JSON.map(signed))
@example(content=b"[" * 100_000)
@example(content=b"9" * 5000)
@example(content=signed([["a", 1, "b"], ["a", "1", "b"]]))
def test_any_listing_is_files_or_none(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("listing") / "listing.json"
    path.write_bytes(content)
    for file in read_listing(path) or ():
        assert [type(field) for field in file] == [str, int, str]


def test_a_listing_comes_back_and_a_missing_one_is_none(tmp_path: Path) -> None:
    files = (HubFile("a/b.jsonl", 3, "0" * 64), HubFile("c", 0, "1" * 40))
    path = tmp_path / "listing.json"
    assert read_listing(path) is None
    path.write_bytes(signed(files))
    assert read_listing(path) == files


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.lists(st.integers(), max_size=2),
    st.dates(),
)
COLUMNS = st.sampled_from(["_id", "id", "text", "title", "query-id", "corpus-id", "score", "other"])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(row=st.dictionaries(COLUMNS, VALUES, max_size=8), titles=st.booleans())
def test_any_row_is_a_record_with_ids_or_a_value_error(row: dict[str, object], titles: bool) -> None:
    for parse in (partial(parse_document, titles=titles), parse_query, parse_judgment):
        with suppress(ValueError):
            first, *rest = parse(row)
            assert isinstance(first, str)
            assert first
            assert all(isinstance(field, str | int) for field in rest)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    doc_id=st.text("abé/😀", min_size=1, max_size=4),
    title=st.none() | st.text(max_size=4),
    text=st.text(max_size=8),
    grade=st.integers(-9999, 9999),
)
def test_every_valid_row_comes_back(doc_id: str, title: str | None, text: str, grade: int) -> None:
    row = {"_id": doc_id, "title": title, "text": text}
    assert parse_document(row, titles=True) == (doc_id, f"{title} {text}" if title else text)
    assert parse_document(row, titles=False) == parse_query(row) == (doc_id, text)
    for score in (grade, float(grade), str(grade), f"{grade}.0"):
        assert parse_judgment({"query-id": doc_id, "corpus-id": "x", "score": score}) == (doc_id, "x", grade)
