"""Searches as a unit of prices: one for a query with up to 100 documents, as Cohere counts them; a long document counts as several."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.configuration import CONF
from rerank_eval.corpus import Corpus
from rerank_eval.dry_run import estimate_calls
from rerank_eval.rerankers.cohere import Cohere
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset
from tests.fakes import SYLLABLES, FixedRetriever, make_dataset
from tests.fault_server import FaultServer, rerank_answer
from tests.wordpieces import count_wordpieces

DEPTH = 250
PRICE_USD = 2.50 / 1000
"""Of rerank-v4.0-pro, per search."""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHERE_API_KEY", "planted")


def make(kind: str, url: str, documents_per_call: int) -> Cohere | HttpRerank:
    settings: dict[str, Any] = {"documents_per_call": documents_per_call, "calls": {"concurrency": 1}}
    if kind == "cohere":
        return Cohere("rerank-v4.0-pro", base_url=url, **settings)
    response = {"search_units": "meta.billed_units.search_units"}
    return HttpRerank(url, "rerank-v4.0-pro", "cohere", response=response, **settings)


def settings_for(tmp_path: Path) -> Settings:
    return Settings(
        depths=(DEPTH,),
        latency=LatencySettings(queries=0),
        prices_path=CONF / "prices.yaml",
        store_path=tmp_path / "s.sqlite",
    )


@pytest.mark.parametrize("kind", ["cohere", "http_rerank"])
@pytest.mark.parametrize(
    ("documents_per_call", "sizes", "units"),
    [(1000, [250], 3), (100, [100, 100, 50], 3), (150, [150, 100], 3), (90, [90, 90, 70], 3), (60, [60] * 4 + [10], 5)],
)
def test_250_documents_are_as_many_calls_and_searches_as_the_dry_run_says(
    kind: str, documents_per_call: int, sizes: list[int], units: int, tmp_path: Path
) -> None:
    dataset, settings = make_dataset(3, DEPTH), settings_for(tmp_path)
    with FaultServer() as server:
        reranker = make(kind, server.url, documents_per_call)
        (found,) = estimate_calls(dataset, FixedRetriever(), [reranker], settings)
        assert server.asked == []
        result = evaluate(dataset, FixedRetriever(), [reranker], settings)
    assert [len(asked.body["documents"]) for asked in server.asked] == sizes * 3
    usage = result.systems[0].depths[-1].usage
    assert usage is not None
    assert (usage["calls"], usage["search_units"]) == (found.calls, 3 * units)
    assert usage["usd"] == pytest.approx(3 * units * PRICE_USD)
    assert found.usd == pytest.approx(usage["usd"])


def billed_by_chunks(count: Callable[[str], int]) -> Callable[[Mapping[str, Any]], Any]:
    """A server whose documents count once per 500 tokens, query included, up to the length at which they are cut."""

    def answer(body: Mapping[str, Any]) -> Any:
        query = count(body["query"])
        lengths = [query + min(count(text), body["max_tokens_per_doc"]) for text in body["documents"]]
        units = math.ceil(sum(max(1, math.ceil(length / 500)) for length in lengths) / 100)
        return {**rerank_answer(body), "meta": {"billed_units": {"search_units": units}}}

    return answer


def test_long_documents_cost_what_the_dry_run_says_within_a_tenth(tmp_path: Path) -> None:
    base = make_dataset(1, DEPTH)
    texts = {}
    for number, doc_id in enumerate(base.corpus.doc_ids):
        words = (SYLLABLES[number * step % 11] for step in range(1, 37 * number % 3000))
        texts[doc_id] = f"document {number}: " + " ".join(words) + "."
    dataset = Dataset("long", "test", Corpus(texts.items()), base.queries, base.qrels)
    settings = settings_for(tmp_path)
    with FaultServer(answer=billed_by_chunks(count_wordpieces)) as server:
        reranker = make("cohere", server.url, 1000)
        (found,) = estimate_calls(dataset, FixedRetriever(), [reranker], settings)
        result = evaluate(dataset, FixedRetriever(), [reranker], settings)
    usage = result.systems[0].depths[-1].usage
    assert usage is not None
    assert (usage["search_units"] or 0) > 6  # far more than one for each 100 documents
    assert found.usd == pytest.approx(usage["usd"], rel=0.1)
