"""Setwise and pairwise reranking by a language model, through the real SDK and the real HTTP client."""

from typing import Any

import pytest

from rerank_eval.errors import ConfigError
from rerank_eval.rerankers.pairwise import Pairwise
from rerank_eval.rerankers.setwise import Setwise
from rerank_eval.sorting import sort_by_bubbles, sort_by_heap
from rerank_eval.types import Request
from tests.chat_server import read_prompt
from tests.fault_server import FaultServer
from tests.rerankers.chat_providers import Make, Provider, candidates, relevances
from tests.sort_questions import count_bubbles


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "planted")


def order_of(values: Any) -> list[int]:
    assert sorted(values) == [float(n) for n in range(1, len(values) + 1)]
    return sorted(range(len(values)), key=lambda place: -values[place])


def best_of(request: Request, top: int) -> list[int]:
    known = relevances(request)
    return sorted(range(len(known)), key=lambda item: -known[item])[:top]


@pytest.mark.parametrize("sort", ["heap", "bubble"])
@pytest.mark.parametrize("kind", [Setwise, Pairwise])
def test_the_best_are_in_front_and_the_calls_are_the_distinct_questions_of_a_simulation(
    sort: str, kind: type[Setwise], provider: Provider
) -> None:
    request, top = candidates(25), 5
    known = relevances(request)
    asked: set[tuple[int, ...]] = set()

    def pick(items: Any) -> int:
        if kind is Setwise:
            asked.add(tuple(items))
            chosen: int = max(items, key=lambda item: known[item])
            return chosen
        best: int = items[0]
        for rival in items[1:]:
            asked.add((best, rival))
            if known[rival] > known[best]:
                asked.add((rival, best))
                best = rival
        return best

    group = 4 if kind is Setwise else 3 if sort == "heap" else 2
    expected = {"heap": sort_by_heap, "bubble": sort_by_bubbles}[sort](25, pick, group, top)
    with provider.server() as server:
        scores = provider.make(kind, server.url, sort=sort, top=top).score(request)
    assert order_of(scores.values) == expected
    assert expected[:top] == best_of(request, top)
    assert scores.usage.calls == len(server.asked) == len(scores.calls) == len(asked)
    sizes = {len(read_prompt(question.body).documents) for question in server.asked}
    assert max(sizes) == (4 if kind is Setwise else 2)


@pytest.mark.parametrize(
    ("kind", "settings", "order", "count"),
    [
        (Setwise, {"sort": "bubble", "group": 4, "top": 1}, "mixed", count_bubbles(25, 4, 1)),
        (Setwise, {"sort": "heap", "group": 4, "top": 1}, "best first", 8),  # (n - 1) / (group - 1) inner nodes
        (Pairwise, {"sort": "bubble", "top": 1}, "best first", 24),  # n - 1 neighbours, the first order settles each
        (Pairwise, {"sort": "bubble", "top": 1}, "best last", 48),  # n - 1 neighbours, both orders
        (Pairwise, {"sort": "bubble", "top": 3}, "best last", 2 * (24 + 23 + 22)),
        (Pairwise, {"sort": "heap", "top": 1}, "best first", 24),  # 12 inner nodes with two children each
    ],
)
def test_calls_are_as_many_as_the_formulas_say(
    kind: type[Setwise], settings: dict[str, Any], order: str, count: int, provider: Provider
) -> None:
    with provider.server() as server:
        scores = provider.make(kind, server.url, **settings).score(candidates(25, order))
    assert scores.usage.calls == len(server.asked) == count


@pytest.mark.parametrize("kind", [Setwise, Pairwise])
def test_a_model_that_always_names_the_first_changes_nothing_in_pairs_and_is_followed_in_sets(
    kind: type[Setwise], provider: Provider
) -> None:
    """Position bias: in both orders the first is named, so no pair is decided."""
    with FaultServer(answer=lambda body: provider.message({"best": 1})) as server:
        scores = provider.make(kind, server.url, sort="bubble", top=3).score(candidates(8))
    assert order_of(scores.values) == list(range(8))
    with FaultServer(answer=lambda body: provider.message({"best": 2})) as server:
        scores = provider.make(kind, server.url, sort="bubble", top=1).score(candidates(8))
    assert (order_of(scores.values) == list(range(8))) is (kind is Pairwise)


@pytest.mark.parametrize("best", [0, 4, -1, True, "2", 2.0, None, [2], 10**30])
def test_a_number_of_no_document_is_asked_for_once_more_and_then_the_order_stays(best: Any, provider: Provider) -> None:
    request = candidates(3)
    with provider.server({"best": best}) as server:
        scores = provider.make(Setwise, server.url, top=1).score(request)
    assert order_of(scores.values)[0] == best_of(request, 1)[0]
    assert (scores.usage.calls, scores.usage.fallbacks) == (2, 0)
    with provider.server({"best": best}, ("no", "refusal")) as server:
        scores = provider.make(Setwise, server.url, top=1).score(request)
    assert order_of(scores.values) == [0, 1, 2]
    assert (scores.usage.calls, scores.usage.fallbacks, scores.usage.refusals) == (2, 1, 1)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("kind", [Setwise, Pairwise])
def test_one_document_or_none_needs_no_question(kind: type[Setwise], count: int, provider: Provider) -> None:
    request = candidates(2)._replace(documents=candidates(2).documents[:count])
    with provider.server() as server:
        for sort in ("heap", "bubble"):
            assert provider.make(kind, server.url, sort=sort).score(request).values == [1.0] * count
    assert not server.asked


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (Setwise, {"group": 1}, "group is 1"),
        (Setwise, {"top": 0}, "top is 0"),
        (Setwise, {"top": None}, "top is None"),
        (Setwise, {"group": None}, "group is None"),
        (Setwise, {"sort": "quick"}, "sort is 'quick'; valid: heap, bubble"),
        (Pairwise, {"sort": "quick"}, "sort is 'quick'"),
    ],
)
def test_a_setting_out_of_range_is_named(kind: Make, settings: dict[str, Any], words: str, provider: Provider) -> None:
    with pytest.raises(ConfigError, match=words):
        provider.make(kind, "http://127.0.0.1:9", **settings)


def test_what_changes_an_answer_changes_the_identity(provider: Provider) -> None:
    settings: list[tuple[Make, dict[str, Any]]] = [
        (Setwise, {}),
        (Setwise, {"sort": "bubble"}),
        (Setwise, {"group": 3}),
        (Setwise, {"top": 3}),
        (Pairwise, {}),
    ]
    made = [provider.make(kind, "http://127.0.0.1:9", **changed) for kind, changed in settings]
    assert len({str(reranker.identity()) for reranker in made}) == len(made)
