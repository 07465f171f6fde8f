"""An answer of a rerank API is a score for each document, or the query fails: nothing is repaired, and nothing is kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.calls.client import ApiClient
from rerank_eval.errors import RerankerError
from rerank_eval.store import Store
from tests.calls.endpoints import KEY, KEY_ENV, WAYS, Way
from tests.clocks import SkippingClock
from tests.fakes import make_request
from tests.fault_server import GOOD, Asked, Behaviour, with_scores


@pytest.fixture(params=["cohere", "http_rerank"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Way:
    monkeypatch.setenv(KEY_ENV, KEY)
    return WAYS[request.param]


def _set(index: int, field: str, value: Any) -> Callable[[list[dict[str, Any]]], Any]:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, field: value} if row["index"] == index else row for row in rows]

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set(1, "relevance_score", float("nan")), "the score nan for document 1"),
        (_set(1, "relevance_score", float("inf")), "the score inf for document 1"),
        (_set(1, "relevance_score", -float("inf")), "the score -inf for document 1"),
        (_set(1, "relevance_score", 10**400), "the score 1000.* for document 1"),
        (_set(1, "relevance_score", "0.5"), "the score '0.5' for document 1"),
        (_set(1, "relevance_score", None), "the score None for document 1"),
        (_set(1, "relevance_score", True), "the score True for document 1"),
        (_set(1, "index", 0), "document 0 twice"),
        (_set(1, "index", 3), "the index 3 for 3 documents"),
        (_set(1, "index", -1), "the index -1 for 3 documents"),
        (_set(1, "index", "1"), "the index '1' for 3 documents"),
        (_set(1, "index", 1.0), r"the index 1\.0 for 3 documents"),
        (_set(1, "index", True), "the index True for 3 documents"),
        (lambda rows: [row for row in rows if row["index"] != 1], "2 of 3 documents; document 1 is missing"),
        (lambda rows: [], "0 of 3 documents; document 0 is missing"),
        (lambda rows: None, "NoneType where the list of results should be"),
        (lambda rows: {"index": 0}, "dict where the list"),
        (lambda rows: ["0.5", 1, 2], "a result that is no object: '0.5'"),
    ],
)
def test_an_answer_that_is_none_fails_the_query_is_not_repaired_and_not_kept(
    change: Callable[[list[dict[str, Any]]], Any], words: str, way: Way, tmp_path: Path
) -> None:
    def behave(asked: Asked) -> Behaviour:
        return GOOD if asked.turn else with_scores(asked.body, change)

    with way.server(behave) as server, Store(tmp_path / "s.sqlite") as store:
        reranker = way.make(server.url, ApiClient(store, clock=SkippingClock()))
        with pytest.raises(RerankerError, match=words):
            reranker.score(make_request())
        assert len(server.asked) == 1
        assert reranker.score(make_request()).values == way.right(make_request())


def test_an_answer_without_any_object_fails_the_query(way: Way) -> None:
    with way.server([Behaviour(content=[1, 2]), Behaviour(content="words")]) as server:
        reranker = way.make(server.url)
        for _ in range(2):
            with pytest.raises(RerankerError, match="NoneType where the list of results should be"):
                reranker.score(make_request())
