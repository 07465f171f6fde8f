"""A budget that cannot be checked, and what is set aside for attempts that end in another way than by a reply."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from rerank_eval.calls.budget import Budget
from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.prices import Price, Prices
from rerank_eval.calls.types import Body, Reply
from rerank_eval.errors import BudgetError, ConfigError
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.runner import EvaluationStoppedError, evaluate
from rerank_eval.types import Usage
from tests.calls.test_client import OK, PRICES, Sender, accept, make_endpoint
from tests.evaluation.api_runs import settings_for
from tests.fakes import FixedRetriever, make_dataset
from tests.fault_server import FaultServer

TOKENS = {"response": {"input_tokens": "usage.tokens"}}


def write_prices(tmp_path: Path, units: Mapping[str, float]) -> Path:
    own = tmp_path / "own.yaml"
    rest = "per: 1, currency: USD, valid_from: 2026-01-01, source: mine}"
    own.write_text("\n".join(f"- {{provider: p, model: m, unit: {u}, price: {usd}, {rest}" for u, usd in units.items()))
    return own


@pytest.mark.parametrize(
    ("units", "settings", "unit"),
    [
        ({"input_token": 1, "output_token": 1}, TOKENS, "output_token"),
        ({"input_token": 1}, {}, "input_token"),
        ({"search": 1}, TOKENS, "search"),
    ],
)
def test_a_budget_over_a_unit_that_answers_do_not_tell_is_refused_before_anything_is_sent(
    units: Mapping[str, float], settings: dict[str, Mapping[str, str]], unit: str, tmp_path: Path
) -> None:
    with FaultServer() as server:
        reranker = HttpRerank(server.url, "m", "p", **settings)  # type: ignore[arg-type]
        chosen = settings_for(tmp_path, own_prices_path=write_prices(tmp_path, units), budget_usd=1.0)
        with pytest.raises(
            ConfigError, match=rf"p m is billed by {unit}, .*response\.input_tokens.* or unset the budget"
        ):
            evaluate(make_dataset(), FixedRetriever(), [reranker], chosen)
    assert server.asked == []


def test_what_is_free_needs_no_count(tmp_path: Path) -> None:
    own = write_prices(tmp_path, {"input_token": 0, "output_token": 0})
    with FaultServer() as server:
        reranker = HttpRerank(server.url, "m", "p")
        result = evaluate(
            make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path, own_prices_path=own, budget_usd=1.0)
        )
    assert result.provenance["spent_usd"] == 0


def test_a_cost_that_becomes_unknown_stops_the_run_before_the_next_call(tmp_path: Path) -> None:
    own = write_prices(tmp_path, {"input_token": 0.0001})
    with FaultServer() as server:  # whose answers have no usage
        reranker = HttpRerank(server.url, "m", "p", calls={"concurrency": 1}, **TOKENS)  # type: ignore[arg-type]
        with pytest.raises(
            EvaluationStoppedError, match=r"an answer of p m does not tell what it is billed for .*response says"
        ) as caught:
            evaluate(
                make_dataset(),
                FixedRetriever(),
                [reranker],
                settings_for(tmp_path, own_prices_path=own, budget_usd=9.0),
            )
        assert len(server.asked) == 1
    assert isinstance(caught.value.__cause__, BudgetError)
    assert caught.value.result.provenance["spent_usd"] is None


def test_a_call_that_cannot_be_estimated_is_not_made() -> None:
    sender = Sender(OK)
    endpoint = replace(make_endpoint(sender), estimate=lambda body: Usage(calls=1))
    with pytest.raises(BudgetError, match="what the next call to p m costs cannot be estimated"):
        ApiClient(budget=Budget(PRICES, 1.0)).ask(endpoint, {"q": 1}, accept)
    assert sender.asked == []
    assert ApiClient(budget=Budget(PRICES)).ask(endpoint, {"q": 1}, accept).body == {"units": 1}


def test_a_bug_in_sending_gives_back_what_was_set_aside() -> None:
    def send(body: Body, timeout_s: float) -> Reply:
        if body["q"] < 3:
            raise RuntimeError("a bug")
        return OK

    client = ApiClient(budget=Budget(PRICES, limit_usd=0.01))
    for q in range(3):
        with pytest.raises(RuntimeError, match="a bug"):
            client.ask(make_endpoint(send), {"q": q}, accept)
    assert client.ask(make_endpoint(send), {"q": 3}, accept).body == {"units": 1}


def test_a_price_of_a_day_to_come_asks_for_no_count_yet() -> None:
    later = Prices([*PRICES.prices, Price("p", "m", "output_token", 1, date(2099, 1, 1), "test")])
    endpoint = replace(make_endpoint(Sender(OK)), uncounted=("output_token",))
    Budget(later, 1.0).check_known(endpoint)
