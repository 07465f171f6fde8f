"""The indexable corpus: duplicates, empty texts, odd characters."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.corpus import Corpus, replace_surrogates
from rerank_eval.errors import DuplicateIdError
from tests.conftest import RunPython

DOCUMENTS = st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), st.text(max_size=20))
checked = settings(max_examples=50, deadline=None, derandomize=True)


@checked
@given(documents=DOCUMENTS)
def test_every_text_comes_back_in_order_and_by_id(documents: dict[str, str]) -> None:
    corpus = Corpus(documents.items())
    assert len(corpus) == len(documents)
    assert corpus.doc_ids == list(documents)
    texts = [replace_surrogates(text) for text in documents.values()]
    assert list(corpus.texts()) == [corpus.text(doc_id) for doc_id in documents] == texts
    assert [corpus.position(doc_id) for doc_id in documents] == list(range(len(documents)))
    assert corpus.blank_documents == sum(not text.strip() for text in texts)


@checked
@given(documents=DOCUMENTS, data=st.data())
def test_the_fingerprint_depends_on_every_id_and_text_and_on_nothing_else(
    documents: dict[str, str], data: st.DataObject
) -> None:
    sha256 = Corpus(documents.items()).sha256
    assert Corpus(list(documents.items()) * 2).sha256 == sha256
    assert Corpus([*documents.items(), ("another", "")]).sha256 != sha256
    if documents:
        changed = data.draw(st.sampled_from(sorted(documents)))
        assert Corpus((documents | {changed: documents[changed] + "."}).items()).sha256 != sha256
        renamed = [(doc_id + "." * (doc_id == changed), text) for doc_id, text in documents.items()]
        if len(dict(renamed)) == len(documents):
            assert Corpus(renamed).sha256 != sha256


def test_a_text_cannot_move_from_one_document_to_the_next_unnoticed() -> None:
    assert Corpus([("a", "xy"), ("b", "z")]).sha256 != Corpus([("a", "x"), ("b", "yz")]).sha256
    assert Corpus([("a", "bx")]).sha256 != Corpus([("ab", "x")]).sha256


def test_one_id_with_two_texts_is_an_error_and_an_identical_repetition_is_counted() -> None:
    corpus = Corpus([("a", "one"), ("b", "two"), ("a", "one"), ("c", "three"), ("b", "two")])
    assert (corpus.dropped_duplicates, list(corpus.texts())) == (2, ["one", "two", "three"])
    with pytest.raises(DuplicateIdError) as caught:
        Corpus([("a", "one"), ("b", "two"), ("a", "One")])
    assert caught.value.doc_id == "a"


def test_blank_documents_are_kept_and_counted() -> None:
    corpus = Corpus([("a", ""), ("b", " \u00a0\n"), ("c", "x")])
    assert (len(corpus), corpus.blank_documents, list(corpus.texts())) == (3, 2, ["", " \u00a0\n", "x"])


def test_a_corpus_of_blank_documents_and_an_empty_one_can_be_read() -> None:
    assert list(Corpus([("a", "")]).texts()) == [""]
    assert list(Corpus([]).texts()) == []


def test_an_unknown_document_is_not_there() -> None:
    corpus = Corpus([("a", "x")])
    assert "a" in corpus
    assert "b" not in corpus
    with pytest.raises(KeyError):
        corpus.text("b")


def test_lone_surrogates_are_replaced_and_counted_and_the_rest_is_kept() -> None:
    kept = "NUL \x00, RTL \u202e שלום, combining e\u0301, four bytes 😀"
    corpus = Corpus([("a", "x\ud800y"), ("b", kept), ("c", "\ud83d\ude00")])
    assert list(corpus.texts()) == ["x\ufffdy", kept, "😀"]
    assert corpus.replaced_surrogates == 2


def test_texts_can_be_read_from_several_threads() -> None:
    corpus = Corpus((str(number), f"text {number} é" * (number % 7)) for number in range(500))
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(corpus.text, corpus.doc_ids * 4))
    assert texts == list(corpus.texts()) * 4


FULL_DISK = """
import resource, sys
from rerank_eval.corpus import Corpus
from rerank_eval.errors import RerankEvalError
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
size, last = int(sys.argv[1]), sys.argv[2]
def documents():
    yield from ((f"d{number}", "x" * size) for number in range(30_000 // size))
    if last == "repeated":
        yield "d0", "x" * size
    if last == "bad":
        raise ValueError("a bad line")
try:
    Corpus(documents())
except RerankEvalError as error:
    print(error.exit_code, type(error).__name__, error)
"""


@pytest.mark.parametrize("size", [100, 30_000])
@pytest.mark.parametrize("last", ["none", "repeated", "bad"])
def test_a_full_disk_for_temporary_files_is_named_with_the_cure(
    tmp_path: Path, run_python: RunPython, monkeypatch: pytest.MonkeyPatch, size: int, last: str
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = run_python("-c", FULL_DISK, str(size), last)
    assert done.stdout == (
        f"3 NotEvaluableError the texts of the documents cannot be kept in {tmp_path} (File too large); make room there, or set the "
        "variable TMPDIR to a folder on another disk\n"
    ), done.stderr


def test_another_error_of_the_source_stays_what_it_is() -> None:
    def documents() -> Iterator[tuple[str, str]]:
        yield "a", "x"
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        Corpus(documents())
