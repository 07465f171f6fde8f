"""Answers to the same queries, compared: shuffled candidates and questions asked again; for local rerankers and for providers."""

import io
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scipy.stats import kendalltau

from rerank_eval.calls.openai_chat import OpenAIChat
from rerank_eval.dry_run import estimate_calls
from rerank_eval.errors import ConfigError, DataError
from rerank_eval.evaluation.stability import draw_order
from rerank_eval.protocols import Reranker
from rerank_eval.report.build import build_report
from rerank_eval.report.decision import Constraint
from rerank_eval.report.export import write_report
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.rerankers.listwise import Listwise
from rerank_eval.results.depth_results import Stability
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.results.reading import read_recorded
from rerank_eval.results.writing import write_result
from rerank_eval.runner import EvaluationStoppedError, evaluate
from rerank_eval.settings import LatencySettings, Settings, StabilitySettings
from rerank_eval.terminal.result_table import print_result
from rerank_eval.types import Request, Scores
from tests.chat_server import completion, openai_answer, read_prompt
from tests.fakes import FixedRetriever, Hashed, HashedList, make_dataset
from tests.fault_server import GOOD, Asked, Behaviour, FaultServer, relevance, with_scores

DEPTH = 10


class KeepsOrder(Hashed):
    """Takes whatever is shown first for the best."""

    def __init__(self) -> None:
        super().__init__("keeps_order", pointwise=False)

    def score(self, request: Request) -> Scores:
        return Scores([-float(place) for place in range(len(request.documents))])


class Moody(Hashed):
    """Turns its order around with every question, also with the same."""

    def __init__(self) -> None:
        super().__init__("moody", pointwise=False)
        self.turns = itertools.count()

    def score(self, request: Request) -> Scores:
        sign = -1.0 if next(self.turns) // 6 % 2 else 1.0
        return Scores([sign * float(document.doc_id[1:]) for document in request.documents])


def settings_for(tmp_path: Path | None = None, **stability: Any) -> Settings:
    return Settings(
        depths=(3, DEPTH),
        latency=LatencySettings(queries=0),
        stability=StabilitySettings(**stability),
        store_path=None if tmp_path is None else tmp_path / "s.sqlite",
        max_error_rate=1.0,
    )


def run(settings: Settings, *rerankers: Reranker) -> ExperimentResult:
    return evaluate(make_dataset(), FixedRetriever(), rerankers, settings)


def test_what_asks_no_provider_costs_nothing_to_ask_again() -> None:
    found = run(settings_for(shuffles=1, repeats=1), KeepsOrder()).systems[0].depths[-1].stability
    assert {kind: spread.usd for kind, spread in found.items()} == {"shuffles": 0.0, "repeats": 0.0}


def found(result: ExperimentResult, kind: str) -> Stability:
    assert result.systems[0].depths[1].stability == {}
    return result.systems[0].depths[-1].stability[kind]


@pytest.mark.parametrize("reranker", [Hashed(), HashedList()])
def test_who_looks_at_texts_only_does_not_mind_the_order(reranker: Reranker) -> None:
    shuffled = found(run(settings_for(shuffles=2), reranker), "shuffles")
    assert (shuffled.count, shuffled.num_queries, shuffled.failures, shuffled.tau) == (2, 6, 0, 1.0)
    spread = shuffled.measures["nDCG@10"]
    assert spread.means == [spread.means[0]] * 3
    assert (spread.standard_deviation, spread.per_query) == (0, 0)
    places = [place for place in shuffled.position_bias if place is not None]
    assert len(places) == 10
    assert max(abs(place - 0.5) for place in places) > 0  # six queries: by chance
    assert math.fsum(places) / 10 == pytest.approx(0.5)
    for low, place, high in zip(shuffled.position_bias_low, places, shuffled.position_bias_high, strict=True):
        assert low is not None
        assert high is not None
        assert low <= place <= high
    assert shuffled.position_bias_low[0] != shuffled.position_bias_high[0]


def test_who_keeps_the_order_shown_has_the_whole_position_bias_and_the_tau_of_its_shuffles() -> None:
    result = run(settings_for(shuffles=3), KeepsOrder())
    shuffled = found(result, "shuffles")
    assert shuffled.position_bias == pytest.approx([place / 9 for place in range(10)])
    assert shuffled.position_bias_low == pytest.approx(shuffled.position_bias)  # every query says the same
    taus = []
    for query in make_dataset().queries:
        orders = [list(range(DEPTH)), *(draw_order(13, number, query.query_id, DEPTH) for number in (1, 2, 3))]
        ranks = [[order.index(item) for item in range(DEPTH)] for order in orders]
        taus += [kendalltau(one, other).statistic for one, other in itertools.combinations(ranks, 2)]
    assert shuffled.tau == pytest.approx(sum(taus) / len(taus))
    spread = shuffled.measures["nDCG@10"]
    assert spread.means[0] == pytest.approx(result.systems[0].depths[-1].measures["nDCG@10"].mean)
    mean = sum(spread.means) / 4
    assert spread.standard_deviation == pytest.approx(math.sqrt(sum((m - mean) ** 2 for m in spread.means) / 3))
    assert spread.per_query >= spread.standard_deviation


def test_the_same_question_is_asked_anew_and_not_from_the_store(tmp_path: Path) -> None:
    class Identical(Moody):
        pass

    repeated = found(run(settings_for(tmp_path, repeats=1), Identical()), "repeats")
    assert repeated.position_bias == []
    assert repeated.tau == -1.0
    assert repeated.measures["nDCG@10"].standard_deviation > 0


def test_shuffled_answers_are_kept_like_any(tmp_path: Path) -> None:
    for expected in (6 * 3, 0):
        reranker = Hashed()
        run(settings_for(tmp_path, shuffles=2), reranker)
        assert len(reranker.asked) == expected


def test_queries_may_be_sampled_and_those_that_fail_once_are_left_out_and_counted() -> None:
    class Failing(KeepsOrder):
        def score(self, request: Request) -> Scores:
            if request.query.query_id == "q001" and request.documents[0].doc_id != "d005":
                raise ValueError("no")
            return super().score(request)

    shuffled = found(run(settings_for(shuffles=1), Failing()), "shuffles")
    assert (shuffled.num_queries, shuffled.failures) == (5, 1)
    sampled = found(run(settings_for(shuffles=1, queries=2), KeepsOrder()), "shuffles")
    assert sampled.num_queries == 2


def make_api(url: str) -> HttpRerank:
    response = {"search_units": "meta.billed_units.search_units"}
    return HttpRerank(url, "rerank-v4.0-pro", "cohere", "api", response=response, pointwise=False)


def test_a_provider_is_asked_anew_once_and_a_dry_run_counts_that(tmp_path: Path) -> None:
    """A provider that answers the same question with another order each time; every answer is kept, so a second run pays nothing."""

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | {"relevance_score": row["relevance_score"] * 0.5} for row in rows]

    settings = settings_for(tmp_path, shuffles=1, repeats=2)
    with FaultServer(lambda asked: with_scores(asked.body, change)) as server:
        planned = estimate_calls(make_dataset(), FixedRetriever(), [make_api(server.url)], settings)
        first = run(settings, make_api(server.url))
        asked = len(server.asked)
        second = run(settings, make_api(server.url))
        assert len(server.asked) == asked
    names = [(one.system, one.depth, one.calls) for one in planned]
    assert names == [("api", 3, 6), ("api", 10, 6), ("api, 1 shuffles", 10, 6), ("api, 2 repeats", 10, 12)]
    assert asked == sum(one.calls for one in planned)
    assert found(first, "repeats") == found(second, "repeats")
    assert found(first, "repeats").count == 2


def position_bias(settings: Settings, server: FaultServer, queries: int) -> list[float]:
    """The curve of a listwise reranker that asks this server."""
    reranker = Listwise(OpenAIChat(f"{server.url}/v1/chat/completions", "m"), window=None)
    with server:
        result = evaluate(make_dataset(queries), FixedRetriever(), [reranker], settings)
    curve = found(result, "shuffles").position_bias
    assert len(curve) == 10
    return [place for place in curve if place is not None]


def test_a_model_that_takes_what_is_shown_first_shows_in_the_curve() -> None:
    first = FaultServer(answer=lambda body: completion({"ranking": list(range(1, DEPTH + 1))}))
    assert position_bias(settings_for(shuffles=2), first, queries=6) == pytest.approx([n / 9 for n in range(10)])


def test_a_model_that_leans_to_the_front_and_the_back_shows_where_it_does() -> None:
    """What is shown first and last comes to the front more often than by chance, as of what language models forget the middle of."""

    def answer(body: Mapping[str, Any]) -> Any:
        shown = read_prompt(body)
        count = len(shown.documents)
        ends = [abs(place - (count - 1) / 2) / count for place in range(count)]
        liked = [relevance(shown.query, text) + end for text, end in zip(shown.documents, ends, strict=True)]
        return completion({"ranking": sorted(range(1, count + 1), key=lambda number: -liked[number - 1])})

    curve = position_bias(settings_for(shuffles=10), FaultServer(answer=answer), queries=12)
    assert max(curve[0], curve[-1]) < 0.4 < 0.6 < min(curve[4], curve[5])


def test_a_fair_model_gives_a_half_everywhere_within_the_error_of_as_many_answers() -> None:
    queries, shuffles = 20, 10
    curve = position_bias(settings_for(shuffles=shuffles), FaultServer(answer=openai_answer), queries)
    error = math.sqrt((DEPTH + 1) / (DEPTH - 1) / 12 / (queries * shuffles))  # places are uniform on 0, 1/9, … 1
    assert all(abs(place - 0.5) < 3 * error for place in curve)
    assert sum(abs(place - 0.5) < error for place in curve) >= 5  # two thirds are expected
    assert math.fsum(curve) / 10 == pytest.approx(0.5)


def test_it_is_written_shown_and_read_back_and_a_wrong_number_is_refused(tmp_path: Path) -> None:
    result = run(settings_for(shuffles=2, repeats=1), KeepsOrder())
    console = Console(file=io.StringIO(), width=200)
    print_result(result, console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "stability of keeps_order at depth 10, 2 times in another order, 6 queries: nDCG@10 varies by 0." in shown
    assert "mean place of what is shown first 0.00, last 1.00 (0.50 without position bias)" in shown
    assert "1 times asked again, 6 queries: nDCG@10 varies by 0.0000" in shown
    folder = write_result(result, tmp_path)
    assert read_recorded(folder).systems[0].depths[-1].stability == result.systems[0].depths[-1].stability
    path = folder / "result.json"
    document = json.loads(path.read_text())
    document["systems"][0]["depths"][-1]["stability"]["shuffles"]["tau"] = "high"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="the stability by shuffles is no set of numbers"):
        read_recorded(folder)
    for depth in document["systems"][0]["depths"]:
        del depth["stability"]
    path.write_text(json.dumps(document))
    assert read_recorded(folder).systems[0].depths[-1].stability == {}


@pytest.mark.parametrize("wrong", [{"shuffles": -1}, {"repeats": 1.5}, {"queries": 0}])
def test_a_setting_out_of_range_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"stability\.{next(iter(wrong))} is"):
        StabilitySettings(**wrong)


@pytest.mark.parametrize("count", [1, 2, 50])
def test_an_order_is_a_permutation_and_another_for_each_query_and_shuffle(count: int) -> None:
    def orders(numbers: Sequence[int]) -> list[list[int]]:
        return [draw_order(13, number, query, count) for number in numbers for query in ("q1", "q2")]

    assert all(sorted(order) == list(range(count)) for order in orders((1, 2)))
    assert count < 50 or len({tuple(order) for order in orders((1, 2))}) == 4


def test_the_report_has_a_table_of_it_and_none_where_it_was_not_asked_for(tmp_path: Path) -> None:
    asked = (settings_for(shuffles=2, repeats=1), ["html", "md", "pdf", "csv"])
    for number, (settings, formats) in enumerate((asked, (settings_for(), ["html", "md"]))):
        folder = write_result(run(settings, KeepsOrder()), tmp_path)
        out = tmp_path / f"report{number}"
        write_report(build_report([read_recorded(folder)], Constraint()), out, formats)
    page = (tmp_path / "report0" / "report.html").read_text()
    assert "Stability per system and depth" in page
    assert "0.00* 0.11* 0.22* 0.33* 0.44* 0.56* 0.67* 0.78* 0.89* 1.00*" in page
    table = (tmp_path / "report0" / "tables" / "stability-tiny.md").read_text()
    assert "| keeps\\_order | 10 | candidates shuffled | nDCG@10 | 3 | 6 |" in table
    assert "| keeps\\_order | 10 | asked again | nDCG@10 | 2 | 6 | 0.0000 | 0.0000 |" in table
    head, *rows = (tmp_path / "report0" / "tables" / "stability-tiny.csv").read_text().splitlines()
    assert head.endswith("mean place of tenth 10 high")
    assert rows[0].endswith(",1.0")
    assert len(rows) == 2 * 4
    assert "Stability per system" not in (tmp_path / "report1" / "report.html").read_text()
    assert not (tmp_path / "report1" / "tables" / "stability-tiny.md").exists()


def test_a_provider_that_dies_after_the_first_pass_ends_the_run_and_what_was_found_is_kept(tmp_path: Path) -> None:
    """Guards hours of retries for further passes, and a run that said it was complete."""
    first_pass = 2 * 6

    def behave(asked: Asked) -> Behaviour:
        return GOOD if asked.turn < first_pass else Behaviour(503, {})

    with FaultServer(behave) as server:
        api = HttpRerank(server.url, "m", "p", "api", pointwise=False, calls={"attempts": 1, "concurrency": 1})
        with pytest.raises(
            EvaluationStoppedError,
            match=r"api: 4 of 6 queries failed, more than a share of 0\.5 \(max_error_rate, in further passes at least 0\.5\)",
        ) as caught:
            run(replace(settings_for(tmp_path, shuffles=1), max_error_rate=0.0), api)
    result = caught.value.result
    assert result.status == "incomplete"
    assert result.systems[0].depths[-1].measures["nDCG@10"].num_queries == 6
