"""One pass over texts: lengths, repetitions, the token limit."""

import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from rerank_eval.check_data.texts import TOKEN_LIMIT, Spread, find_self_retrieval, read_documents, read_queries
from rerank_eval.corpus import Corpus
from rerank_eval.models.onnx_models import bundled_model
from rerank_eval.protocols import SilentProgress
from rerank_eval.types import Query

checked = settings(max_examples=50, deadline=None, derandomize=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def queries(texts: Sequence[str]) -> list[Query]:
    return [Query(f"q{number}", text) for number, text in enumerate(texts)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(bundled_model("reranker_en") / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@checked
@given(st.lists(st.sampled_from(["", " ", "a", "b", "a b", "b a"]), max_size=12))
def test_repeated_and_blank_texts_are_counted(texts: list[str]) -> None:
    found = read_queries(queries(texts))
    said = [text for text in texts if text.strip()]
    assert (found.count, found.blank, found.repeated) == (
        len(texts),
        len(texts) - len(said),
        len(said) - len(set(said)),
    )
    if found.repeated_example is not None:
        first, second = (int(query_id[1:]) for query_id in found.repeated_example)
        assert first < second
        assert texts[first] == texts[second]
    assert (found.repeated_example is None) == (found.repeated == 0)


@checked
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_a_spread_is_of_numbers_that_occur(numbers: list[int]) -> None:
    ordered, found = sorted(numbers), Spread.of(numbers)
    assert found is not None
    assert (found.minimum, found.maximum) == (ordered[0], ordered[-1])
    assert found.median == ordered[(len(ordered) - 1) // 2]
    assert sum(number <= found.p95 for number in numbers) >= 0.95 * len(numbers)
    assert found.p95 in numbers


def test_nothing_has_no_spread() -> None:
    assert Spread.of([]) is None
    assert read_queries([]).words is None


@checked
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=700))
def test_a_text_has_no_more_tokens_than_bytes(tokenizer: Tokenizer, text: str) -> None:
    """What lets short texts pass without being tokenised."""
    assert len(tokenizer.encode(text).ids) <= len(text.encode()) + 2


@pytest.mark.parametrize("word", ["mail", "é", "각", "漢", "a.b"])
def test_texts_over_the_limit_are_those_of_the_tokenizer(tokenizer: Tokenizer, word: str) -> None:
    texts = [" ".join([word] * count) for count in (1, 169, 170, 171, 255, 256, 509, 510, 511, 512, 600)]
    expected = sum(len(tokenizer.encode(text).ids) > TOKEN_LIMIT for text in texts)
    assert 0 < expected < len(texts)
    assert read_queries(queries(texts)).over_limit == expected


def test_without_the_tokenizer_the_share_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)  # what an import finds where the package is not installed
    assert read_queries(queries(["a " * 600])).over_limit is None


@checked
@given(st.lists(TEXTS, max_size=8), st.lists(TEXTS, max_size=8))
def test_queries_that_are_documents_are_found_by_text(documents: list[str], asked: list[str]) -> None:
    corpus = Corpus((f"d{number}", text) for number, text in enumerate(documents))
    _, hashes = read_documents(corpus, SilentProgress())
    found = find_self_retrieval(queries(asked), corpus, hashes)
    assert found.same_text == sum(bool(text.strip()) and text in documents for text in asked)
    assert all(corpus.text(doc_id) == asked[int(query_id[1:])] for query_id, doc_id in found.examples)
