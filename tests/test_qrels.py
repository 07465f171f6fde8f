"""Judgments from any source, each pair once: malformed lines, and judgments that disagree."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.errors import DataError
from rerank_eval.files.text_files import Place
from rerank_eval.qrels import QrelsGatherer, check_relevance

checked = settings(max_examples=100, deadline=None, derandomize=True)
IDS = st.sampled_from(["a", "b", "c"])


@checked
@given(rows=st.lists(st.tuples(IDS, IDS, st.none() | st.integers(0, 1)), max_size=10))
def test_each_pair_is_there_once_or_those_that_disagree_are_named(rows: list[tuple[str, str, int | None]]) -> None:
    gathered = QrelsGatherer()
    seen: dict[tuple[str, str], tuple[int | None, int]] = {}
    for line, (query_id, doc_id, relevance) in enumerate(rows, start=1):
        first = seen.setdefault((query_id, doc_id), (relevance, line))
        if first[0] != relevance:
            with pytest.raises(DataError, match=rf"^file:{line}: query .* in line {first[1]}; keep one of the two"):
                gathered.add(Place("file", line), query_id, doc_id, relevance)
            return
        assert gathered.add(Place("file", line), query_id, doc_id, relevance) is (first[1] == line)
    assert {(q, d): r for q, grades in gathered.qrels.items() for d, r in grades.items()} == {
        pair: relevance for pair, (relevance, _) in seen.items() if relevance is not None
    }
    assert all(gathered.qrels.values())
    assert [(q, d) for q, listed in gathered.doc_ids.items() for d in listed] == sorted(
        seen, key=lambda pair: list(gathered.doc_ids).index(pair[0])
    )


def test_places_in_two_files_are_both_named() -> None:
    gathered = QrelsGatherer()
    gathered.add(Place(Path("a.tsv"), 3), "q", "d", 1)
    with pytest.raises(DataError) as caught:
        gathered.add(Place(Path("b.tsv"), 1), "q", "d", None)
    assert str(caught.value) == (
        "b.tsv:1: query 'q', document 'd' is not judged here and judged 1 in a.tsv:3; keep one of the two"
    )
    assert (caught.value.path, caught.value.line) == (Path("b.tsv"), 1)


@pytest.mark.parametrize("value", [3, 3.0, "3", "3.", "3.0", "3.00"])
def test_a_relevance_is_a_whole_number_in_any_form(value: object) -> None:
    assert check_relevance(value, "x") == 3


@pytest.mark.parametrize(
    "value", [None, True, "", " 3", "1.5", 1.5, "1e3", "1_0", "٣", 10_000, -10_000, float("nan"), 1e22, [1], b"1"]
)
def test_what_is_no_relevance_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^the score must be an integer between -9999 and 9999$"):
        check_relevance(value, "the score")


@checked
@given(value=st.one_of(st.integers(-9999, 9999), st.floats(), st.text(max_size=4), st.none(), st.binary(max_size=3)))
def test_any_value_is_a_grade_or_refused(value: object) -> None:
    try:
        grade = check_relevance(value, "x")
    except ValueError:
        return
    assert type(grade) is int
    assert -9999 <= grade <= 9999
    assert float(str(value)) == grade
