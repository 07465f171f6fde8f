"""Pointwise reranking by a language model, through the real SDK and the real HTTP client."""

from typing import Any

import pytest

from rerank_eval.errors import ConfigError
from rerank_eval.rerankers.pointwise import Pointwise
from tests.chat_server import read_prompt
from tests.fakes import make_request
from tests.rerankers.chat_providers import Provider, candidates, relevances


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "planted-4f1c9d2e7a")


def test_grades_are_scores_and_those_of_one_grade_stay_in_candidate_order(provider: Provider) -> None:
    request = candidates(25)
    with provider.server() as server:
        scores = provider.make(Pointwise, server.url).score(request)
    grades = [int(4 * value) for value in relevances(request)]
    assert [round(value) for value in scores.values] == grades
    order = sorted(range(25), key=lambda item: -scores.values[item])
    assert order == sorted(range(25), key=lambda item: -grades[item])
    assert [len(read_prompt(asked.body).documents) for asked in server.asked] == [10, 10, 5]
    assert scores.usage.calls == 3


def test_one_document_a_question_makes_scores_that_no_other_document_can_change(provider: Provider) -> None:
    request = candidates(4)
    with provider.server() as server:
        alone = provider.make(Pointwise, server.url, documents_per_call=1)
        assert alone.pointwise
        assert not provider.make(Pointwise, server.url).pointwise
        first = request._replace(documents=request.documents[:2])
        assert alone.score(first).values == alone.score(request).values[:2]


@pytest.mark.parametrize(
    ("rows", "grades"),
    [
        ([(1, 3), (2, 0), (3, 1)], [3, 0, 1]),
        ([(3, 1), (1, 3)], [3, 0, 1]),
        ([(1, 3), (1, 0), (2, 0), (3, 1)], [3, 0, 1]),
        ([(1, 3), (2, 0), (3, 1), (4, 2)], [3, 0, 1]),
        ([(1, 3), (2, 0), (3, 1), (3, 7)], [3, 0, 1]),
        ([(1, 3), (1, 0), (4, 3), (0, 3), (2, 9), (2, -1), (2, True), ("3", 2), (3, "2")], [3, 0, 0]),
    ],
)
def test_grades_that_are_none_are_left_out_and_the_answer_counts_as_repaired(
    rows: list[tuple[Any, Any]], grades: list[int], provider: Provider
) -> None:
    answer = {"grades": [{"number": number, "grade": grade} for number, grade in rows]}
    with provider.server(answer) as server:
        scores = provider.make(Pointwise, server.url).score(make_request())
    assert [round(value) for value in scores.values] == grades
    assert (scores.usage.repairs, scores.usage.fallbacks) == (
        int(sorted(str(row[0]) for row in rows) != ["1", "2", "3"]),
        0,
    )


@pytest.mark.parametrize("answer", ["all good", {"grades": []}, {"grades": 3}, {"grades": [1, "2", None]}, {}])
def test_without_any_grade_the_candidate_order_stays(answer: Any, provider: Provider) -> None:
    with provider.server(answer, answer) as server:
        scores = provider.make(Pointwise, server.url).score(make_request())
    assert sorted(scores.values, reverse=True) == list(scores.values)
    assert (scores.usage.calls, scores.usage.fallbacks) == (2, 1)


@pytest.mark.parametrize("documents_per_call", [0, None])
def test_a_setting_out_of_range_is_named(documents_per_call: Any, provider: Provider) -> None:
    with pytest.raises(ConfigError, match=f"documents_per_call is {documents_per_call}"):
        provider.make(Pointwise, "http://127.0.0.1:9", documents_per_call=documents_per_call)


def test_what_changes_an_answer_changes_the_identity(provider: Provider) -> None:
    made = [provider.make(Pointwise, "http://127.0.0.1:9", documents_per_call=count) for count in (10, 1)]
    assert made[0].identity() != made[1].identity()
