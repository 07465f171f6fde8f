"""What a run costs: usage times price, what it spent itself, the budget, and composites."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.calls.prices import Price, Prices
from rerank_eval.errors import BudgetError, ConfigError
from rerank_eval.evaluation.provider_calls import cost_usd
from rerank_eval.evaluation.systems import System
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.cascade import Cascade
from rerank_eval.rerankers.fusion import Fusion
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.results.depth_results import DepthResult
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.runner import EvaluationStoppedError, evaluate
from rerank_eval.types import CallTiming, Usage
from tests.evaluation.api_runs import make, settings_for
from tests.fakes import FixedRetriever, Hashed, Recorder, make_dataset
from tests.fault_server import Behaviour, FaultServer


def usage_of(depth: DepthResult) -> Mapping[str, Any]:
    assert depth.usage is not None
    return depth.usage


def test_usage_times_price_is_the_cost_also_of_answers_paid_for_before(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with FaultServer() as server:
        for _ in range(2):
            result = evaluate(make_dataset(), FixedRetriever(), [make(server.url)], settings)
            usage = usage_of(result.systems[0].depths[-1])
            assert usage["search_units"] == 6
            assert usage["usd"] == pytest.approx(6 * 0.0025)
        unknown = evaluate(
            make_dataset(), FixedRetriever(), [make(server.url)], settings_for(tmp_path, prices_path=None)
        )
    assert usage_of(unknown.systems[0].depths[-1])["usd"] is None


def test_a_server_declared_free_costs_nothing_though_it_counts_nothing(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "[{provider: tei, model: m, unit: search, price: 0, per: 1, currency: USD, valid_from: 2026-01-01, source: mine}]"
    )
    settings = settings_for(tmp_path, own_prices_path=own, budget_usd=0.01)
    with FaultServer([Behaviour(content=b"{")]) as server:
        systems = [HttpRerank(server.url, "m", "tei", "free"), make(server.url)]
        with pytest.raises(EvaluationStoppedError) as caught:
            evaluate(make_dataset(), FixedRetriever(), systems, settings)
    assert usage_of(caught.value.result.systems[0].depths[-1])["usd"] == 0
    assert usage_of(caught.value.result.systems[1].depths[-1])["usd"] == pytest.approx(4 * 0.0025)
    assert caught.value.result.warnings[-1].endswith("1 attempts without an answer may have cost up to 0.0000 USD more")


def test_a_run_says_what_it_spent_itself(tmp_path: Path) -> None:
    unusable = {"results": [], "meta": {"billed_units": {"search_units": 1}}}
    faults = [Behaviour(500), Behaviour(content=b"{"), Behaviour(content=unusable)]
    with FaultServer(faults) as server:
        reranker = make(server.url, calls={"concurrency": 1})
        first = evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path, max_error_rate=0.5))
        second = evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path))
        third = evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path))
        unknown = evaluate(
            make_dataset(),
            FixedRetriever(),
            [reranker],
            settings_for(tmp_path, prices_path=None, store_path=None),
        )
    said = [[text for text in found.warnings if "this run spent" in text] for found in (first, second, third, unknown)]
    assert [sentences[0].split(";")[0] if sentences else None for sentences in said] == [
        "this run spent 0.0150 USD on 6 answers",
        "this run spent 0.0025 USD on 1 answers",
        None,
        "this run spent an unknown sum on 6 answers",
    ]
    assert said[0][0].endswith("; 1 attempts without an answer may have cost up to 0.0025 USD more")
    assert len(first.failures) == 1
    assert usage_of(first.systems[0].depths[-1])["usd"] == pytest.approx(5 * 0.0025)
    spent = [found.provenance["spent_usd"] for found in (first, second, third, unknown)]
    assert spent == [pytest.approx(6 * 0.0025), pytest.approx(0.0025), 0, None]


def test_a_call_costs_what_it_cost_on_its_day_and_one_without_a_day_is_not_known() -> None:
    prices = Prices([Price("p", "m", "search", usd, date(2026, month, 1), "s") for usd, month in ((0.1, 1), (0.2, 6))])

    def call(started: str) -> CallTiming:
        return CallTiming(1, started, 1, True, "p", "m", Usage(search_units=1))

    before, after = call("2026-05-31T23:59:59.999+00:00"), call("2026-06-01T00:00:00.000+00:00")
    assert cost_usd(prices, [before]) == pytest.approx(0.1)
    assert cost_usd(prices, [before, after]) == pytest.approx(0.3)
    assert cost_usd(prices, [before, call("")]) is None


def test_the_budget_ends_the_run_before_it_is_passed_and_the_same_one_goes_on_in_the_next(tmp_path: Path) -> None:
    with FaultServer() as server:
        with pytest.raises(EvaluationStoppedError, match=r"the budget of 0\.01 USD is reached.* per run") as caught:
            evaluate(make_dataset(), FixedRetriever(), [make(server.url)], settings_for(tmp_path, budget_usd=0.01))
        assert len(server.asked) == 4
        assert isinstance(caught.value.__cause__, BudgetError)
        assert caught.value.exit_code == 3
        assert caught.value.result.status == "incomplete"
        assert caught.value.result.systems[0].depths[-1].measures["nDCG@10"].num_queries == 4
        whole = evaluate(make_dataset(), FixedRetriever(), [make(server.url)], settings_for(tmp_path, budget_usd=0.01))
    assert whole.status == "complete"
    assert len(server.asked) == 6


def test_a_run_with_a_budget_says_who_spends_it_first(tmp_path: Path) -> None:
    progress = Recorder()
    with FaultServer() as server:
        systems: list[Reranker | System] = [
            System("second", make(server.url)),
            Hashed(),
            System("third", make(f"{server.url}/other")),
        ]
        evaluate(make_dataset(), FixedRetriever(), systems, settings_for(tmp_path, budget_usd=1.0), progress)
    assert progress.notes == [
        "budget.usd=1 is spent in the order of the rerankers: second, third; dry_run=true estimates what each costs"
    ]


def test_a_budget_without_a_price_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, prices_path=None, budget_usd=1.0)
    with FaultServer() as server, pytest.raises(ConfigError, match=r"no price for cohere rerank-v4\.0-pro; add it"):
        evaluate(make_dataset(), FixedRetriever(), [make(server.url)], settings)
    assert server.asked == []


def test_a_composite_costs_what_the_calls_of_all_its_parts_cost_and_its_latency_is_that_of_its_calls(
    tmp_path: Path,
) -> None:
    with FaultServer() as server:
        first, second = make(server.url), make(f"{server.url}/other")
        cascade = Cascade({"wide": first, "narrow": second}, [2], "both")
        result = evaluate(make_dataset(), FixedRetriever(), [cascade, Fusion(first, "fused")], settings_for(tmp_path))
    both, fused = (system.depths[-1] for system in result.systems)
    assert usage_of(both)["usd"] == pytest.approx(2 * 6 * 0.0025)
    assert usage_of(fused)["usd"] == pytest.approx(6 * 0.0025)
    for depth in (both, fused):
        assert depth.latency is not None
        assert (depth.latency["source"], depth.latency["count"]) == ("recorded", 6)
    assert not any(asked.again for asked in server.asked)  # the fusion asks what the cascade has


def test_an_answer_that_serves_several_depths_or_stages_counts_once_in_what_all_cost(tmp_path: Path) -> None:
    def evaluated(reranker: Any) -> tuple[ExperimentResult, float]:
        result = evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path, depths=(40, 50, 60)))
        return result, sum(usage_of(depth)["usd"] for depth in result.systems[0].depths[1:])

    with FaultServer() as server:
        once = make(server.url, pointwise=False)
        first, per_depth = evaluated(once)  # there are no 40 candidates
        again, _ = evaluated(once)
        both, of_both = evaluated(Cascade({"wide": once, "narrow": make(f"{server.url}/other")}, [2], "both"))
    for name in ("spent_usd", "answers_usd"):
        assert first.provenance[name] == pytest.approx(6 * 0.0025)
    assert per_depth == pytest.approx(3 * 6 * 0.0025)
    assert (again.provenance["spent_usd"], again.provenance["answers_usd"]) == (0, pytest.approx(6 * 0.0025))
    assert both.provenance["answers_usd"] == pytest.approx(2 * 6 * 0.0025)
    assert of_both == pytest.approx(3 * 2 * 6 * 0.0025)


def test_with_a_local_stage_the_cost_is_known_and_the_latency_is_not(tmp_path: Path) -> None:
    with FaultServer() as server:
        cascade = Cascade({"wide": Hashed(), "narrow": make(server.url)}, [2], "mixed")
        result = evaluate(make_dataset(), FixedRetriever(), [cascade], settings_for(tmp_path))
    assert usage_of(result.systems[0].depths[-1])["usd"] == pytest.approx(6 * 0.0025)
    assert result.systems[0].depths[-1].latency is None
    assert "mixed: its latency is not known: its 12 calls are not all that takes time" in result.warnings


def test_a_price_that_one_part_lacks_makes_the_cost_of_the_whole_unknown(tmp_path: Path) -> None:
    with FaultServer() as server:
        unpriced = HttpRerank(server.url, "other", "elsewhere", "unpriced")
        cascade = Cascade({"wide": make(server.url), "narrow": unpriced}, [2], "both")
        result = evaluate(make_dataset(), FixedRetriever(), [cascade], settings_for(tmp_path))
    assert usage_of(result.systems[0].depths[-1])["usd"] is None
