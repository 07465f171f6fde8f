"""Exact match and token F1 as SQuAD's evaluate-v1.1.py gives them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_eval.answers.measures import exact_match, normalise, token_f1

words = st.lists(st.sampled_from(["red", "Green", "blue", "7", "the", "a"]), max_size=6).map(" ".join)
texts = st.one_of(words, st.text(max_size=30))


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("The  Denver Broncos!", "denver broncos"),
        ("an apple a day", "apple day"),
        ("theatre", "theatre"),
        ("Settings > Security > Devices", "settings security devices"),
        ("2,000", "2000"),
        ("e-mail", "email"),
        ("the", ""),
        ("Äpfel … ja", "äpfel … ja"),
    ],
)
def test_texts_are_compared_without_case_ascii_punctuation_articles_and_extra_space(text: str, compared: str) -> None:
    assert normalise(text) == compared


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("Denver Broncos", ["the Denver Broncos!"], 1, 1),
        ("Broncos", ["Denver Broncos"], 0, 2 / 3),
        ("Santa Clara, California", ["Levi's Stadium in Santa Clara", "Santa Clara"], 0, 4 / 5),
        ("red red green", ["red blue"], 0, 2 / 5),  # a word counts as often as it is in both
        ("green", ["red"], 0, 0),
        ("", ["red"], 0, 0),
    ],
)
def test_worked_examples(answer: str, references: list[str], exact: float, f1: float) -> None:
    assert exact_match(answer, references) == exact
    assert token_f1(answer, references) == pytest.approx(f1)


@given(texts, st.lists(texts, min_size=1, max_size=4))
def test_f1_is_a_share_that_an_exact_match_makes_1_and_another_reference_never_lowers(
    answer: str, references: list[str]
) -> None:
    assert 0 <= token_f1(answer, references) <= 1
    if exact_match(answer, references):
        assert token_f1(answer, references) == 1
    assert token_f1(answer, references) == max(token_f1(answer, [reference]) for reference in references)
    assert exact_match(answer, [*references, answer]) == token_f1(answer, [*references, answer]) == 1


@given(texts, texts)
def test_f1_is_the_same_both_ways_and_takes_no_notice_of_the_order_of_words(first: str, second: str) -> None:
    assert token_f1(first, [second]) == pytest.approx(token_f1(second, [first]))
    assert token_f1(" ".join(reversed(first.split())), [second]) == pytest.approx(token_f1(first, [second]))
