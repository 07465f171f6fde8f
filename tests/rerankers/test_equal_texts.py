"""Candidates that are shown with the same text: their questions are the same, and an answer is about each question's own candidates."""

from collections.abc import Sequence
from functools import partial

import pytest

from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.openai_chat import OpenAIChat
from rerank_eval.rerankers.chat_reranker import ChatReranker
from rerank_eval.rerankers.listwise import Listwise
from rerank_eval.rerankers.pairwise import Pairwise
from rerank_eval.rerankers.pointwise import Pointwise
from rerank_eval.rerankers.setwise import Setwise
from rerank_eval.sorting import sort_by_bubbles, sort_by_heap
from tests.chat_server import completion, openai_answer, read_prompt
from tests.fakes import make_request
from tests.fault_server import Behaviour, FaultServer, relevance

TEXTS = [
    ["same", "a", "same"],
    ["a", "same", "b", "same", "c", "same"],
    [f"a{place}" if place % 2 else "same" for place in range(14)],
    [f"a{place % 3}" for place in range(13)],
    ["x" * 200 + f"{place}" for place in range(4)] + ["a", "b"],
    ["same"] * 7,
]
"""Four are cut to the same 200 characters."""
TOP = 5


def order_of(values: Sequence[float]) -> list[int]:
    assert sorted(values) == [float(n) for n in range(1, len(values) + 1)]
    return sorted(range(len(values)), key=lambda place: -values[place])


@pytest.mark.parametrize("texts", TEXTS, ids=str)
@pytest.mark.parametrize("sort", ["heap", "bubble"])
@pytest.mark.parametrize("group", [2, 3, 4, None])
def test_the_order_is_that_of_a_simulation_that_compares_candidates_one_by_one(
    group: int | None, sort: str, texts: list[str]
) -> None:
    """Sets of 2 to 4, and pairs (None). A model that sees equal texts names the first."""
    simulated = {"heap": sort_by_heap, "bubble": sort_by_bubbles}[sort]
    shown_together = group or (3 if sort == "heap" else 2)
    settings = {"sort": sort, "top": TOP} if group is None else {"sort": sort, "top": TOP, "group": group}
    with FaultServer(answer=openai_answer) as server:
        reranker = (Pairwise if group is None else Setwise)(OpenAIChat(server.url, "qwen"), **settings)  # type: ignore[arg-type]
        for query in ("q0", "q1", "q2", "q3"):
            documents = [(f"{place}", text) for place, text in enumerate(texts)]
            scores = reranker.with_calls(ApiClient()).score(make_request("q", query, documents))
            known = [relevance(query, text[:200]) for text in texts]
            expected = simulated(len(texts), partial(max, key=known.__getitem__), shown_together, TOP)
            assert order_of(scores.values) == expected
            assert [known[place] for place in expected[:TOP]] == sorted(known, reverse=True)[:TOP]
            assert (scores.usage.fallbacks, scores.usage.repairs) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "settings", "name"),
    [
        (Listwise, {"window": 2, "stride": 1}, "ranking"),
        (Listwise, {"window": None, "passes": 3}, "ranking"),
        (Pointwise, {"documents_per_call": 2}, "grades"),
    ],
)
def test_an_answer_that_serves_several_questions_is_repaired_once(
    kind: type[ChatReranker], settings: dict[str, int | None], name: str
) -> None:
    """The answers to all questions lack a document; there are as many repairs as calls."""
    value = {"ranking": [1], "grades": [{"number": 1, "grade": 2}]}[name]
    with FaultServer(lambda asked: Behaviour(content=completion({name: value}))) as server:
        reranker = kind(OpenAIChat(server.url, "qwen"), **settings)  # type: ignore[arg-type] # settings of its subclasses
        scores = reranker.with_calls(ApiClient()).score(make_request("q", "how", [(f"{n}", "same") for n in range(6)]))
    assert all(read_prompt(asked.body).documents for asked in server.asked)
    assert scores.usage.calls == len(server.asked) == scores.usage.repairs == 1
