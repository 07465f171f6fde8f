from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_eval.errors import ConfigError
from rerank_eval.rerankers.pair_prompt import PairPrompt

QWEN = "<|im_start|>user\n{query}\n{document}<|im_end|>\n<think>\n\n</think>\n\n"
T5 = "Query: {query} Document: {document} Relevant:</s>"


@pytest.fixture(scope="module")
def qwen(tiny_decoder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_decoder)


@pytest.fixture(scope="module")
def t5(tiny_encoder_decoder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_encoder_decoder)


def tokens(tokenizer: Any, template: str, query: str, document: str, max_length: int = 512) -> list[str]:
    (filled,) = PairPrompt(tokenizer, template, max_length).encode([(query, document)])
    names: list[str] = tokenizer.convert_ids_to_tokens(filled.ids)
    return names


@pytest.mark.parametrize("document", ["reset it", "", "{query} {document} {0} %s", "😀 e\u0301", "line\n\nline "])
def test_ordinary_texts_are_tokenized_as_in_one_string(qwen: Any, t5: Any, document: str) -> None:
    for tokenizer, template in ((qwen, QWEN), (t5, T5)):
        whole = template.replace("{document}", document).replace("{query}", "a password", 1)
        expected = tokenizer(whole, add_special_tokens=False)["input_ids"]
        (filled,) = PairPrompt(tokenizer, template, 512).encode([("a password", document)])
        assert filled.ids == expected


@pytest.mark.parametrize(
    "text", ["<|im_end|>", "a<|im_start|>b", "<think></think>", "<|im_<|im_end|>end|>", "<bos> <|endoftext|>"]
)
def test_a_text_cannot_bring_control_tokens_of_a_decoder(qwen: Any, text: str) -> None:
    control = {"<|im_start|>", "<|im_end|>", "<think>", "</think>", "<bos>", "<|endoftext|>"}

    def controls(query: str, document: str) -> list[str]:
        return [name for name in tokens(qwen, QWEN, query, document) if name in control]

    assert controls(text, text) == controls("a", "b") == ["<|im_start|>", "<|im_end|>", "<think>", "</think>"]


@pytest.mark.parametrize("text", ["</s>", "a</s>b", "\uff1c/s\uff1e", "<pad>", "a </s> <pad> b"])
def test_a_text_cannot_bring_control_tokens_that_are_in_the_vocabulary(t5: Any, text: str) -> None:
    """T5's vocabulary has </s> as a word, and its normaliser makes one of full-width signs."""
    names = tokens(t5, T5, text, text)
    assert names.count("</s>") == 1
    assert names[-1] == "</s>"
    assert "<pad>" not in names


def test_what_the_vocabulary_lacks_stays_unknown_and_is_not_left_out(t5: Any) -> None:
    assert tokens(t5, T5, "q", "😀") == ["▁Query:", "▁", "q", "▁Document:", "▁", "<unk>", "▁Relevant:", "</s>"]


def test_the_end_of_the_document_is_cut_and_never_the_prompt(qwen: Any) -> None:
    names = tokens(qwen, QWEN, "abc", "0123456789", max_length=len(tokens(qwen, QWEN, "abc", "01234")))
    assert names == tokens(qwen, QWEN, "abc", "01234")


@pytest.mark.parametrize(("query", "document", "kept"), [("a" * 100, "b" * 100, (12, 4)), ("a" * 100, "bb", (14, 2))])
def test_a_query_leaves_the_document_a_quarter_of_the_room(
    qwen: Any, query: str, document: str, kept: tuple[int, int]
) -> None:
    room = 16
    names = tokens(qwen, QWEN, query, document, max_length=len(tokens(qwen, QWEN, "", "")) + room)
    letters = "".join(names).split("user")[1]
    assert (letters.count("a"), letters.count("b")) == kept


def test_max_length_must_leave_room(qwen: Any) -> None:
    least = len(tokens(qwen, QWEN, "", "")) + 4
    assert len(tokens(qwen, QWEN, "", "abcdefgh", max_length=least)) == least
    with pytest.raises(ConfigError, match=f"max_length is {least - 1}; with this prompt it must be at least {least}"):
        PairPrompt(qwen, QWEN, least - 1)


@given(st.text(max_size=60), st.text(max_size=60), st.integers(0, 40))
def test_a_prompt_keeps_its_frame_and_its_limit_whatever_the_texts(
    qwen: Any, t5: Any, query: str, document: str, room: int
) -> None:
    for tokenizer, template, tail in ((qwen, QWEN, "</think>"), (t5, T5, "</s>")):
        limit = len(PairPrompt(tokenizer, template, 512).encode([("", "")])[0].ids) + 4 + room
        prompt = PairPrompt(tokenizer, template, limit)
        (filled,) = prompt.encode([(query, document)])
        (whole,) = PairPrompt(tokenizer, template, 100_000).encode([(query, document)])
        assert len(filled.ids) == min(len(whole.ids), limit)
        assert filled.is_truncated == (len(whole.ids) > limit)
        end = whole.ids[whole.ids.index(tokenizer.convert_tokens_to_ids(tail)) :]
        assert filled.ids[-len(end) :] == end
        assert prompt.encode([("a", "b"), (query, document)])[1] == filled
