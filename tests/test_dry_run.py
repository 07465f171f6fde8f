"""What a run would ask and cost, with nothing sent: as a run then does, and as a provider then counts."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rerank_eval.calls.openai_chat import OpenAIChat
from rerank_eval.calls.token_estimate import ESTIMATE_ACCURACY, estimate_tokens
from rerank_eval.configuration import CONF
from rerank_eval.datasets.helpdesk import load_helpdesk
from rerank_eval.dry_run import Estimate, estimate_calls
from rerank_eval.errors import ConfigError
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.cascade import Cascade
from rerank_eval.rerankers.fusion import Fusion
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.rerankers.listwise import Listwise
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings, StabilitySettings
from rerank_eval.terminal.estimate_table import print_estimates
from rerank_eval.types import Request, Scores
from tests.conftest import RunMain
from tests.fakes import FixedRetriever, Hashed, make_dataset
from tests.fault_server import FaultServer, rerank_answer
from tests.wordpieces import count_wordpieces


def settings_for(tmp_path: Path, **changes: Any) -> Settings:
    base: dict[str, Any] = {
        "depths": (3, 6),
        "latency": LatencySettings(queries=0),
        "prices_path": CONF / "prices.yaml",
    }
    return Settings(**base | {"store_path": tmp_path / "s.sqlite"} | changes)


def make(url: str, model: str = "rerank-v4.0-pro", **settings: Any) -> HttpRerank:
    units = "meta.billed_units"
    response = {"search_units": f"{units}.search_units", "input_tokens": f"{units}.input_tokens"}
    return HttpRerank(url, model, "cohere", "api", response=response, **settings)


def estimate(reranker: Reranker, settings: Settings) -> list[Estimate]:
    return estimate_calls(make_dataset(), FixedRetriever(), [Hashed(), reranker], settings)


def test_what_is_estimated_is_what_a_run_asks_and_pays_and_nothing_is_sent(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with FaultServer() as server:
        reranker = make(server.url, documents_per_call=4, pointwise=False)
        before = estimate(reranker, settings)
        assert not server.asked
        assert not (tmp_path / "s.sqlite").exists()
        result = evaluate(make_dataset(), FixedRetriever(), [reranker], settings)
        assert [(found.depth, found.calls, found.kept) for found in before] == [(3, 6, 0), (6, 12, 0)]
        assert len(server.asked) == 18
        for found, depth in zip(before, result.systems[0].depths[1:], strict=True):
            assert depth.usage is not None
            assert found.usd == pytest.approx(depth.usage["usd"])
        after = estimate(reranker, settings)
    assert [(found.calls, found.kept, found.usd) for found in after] == [(0, 6, 0.0), (0, 12, 0.0)]


@pytest.mark.parametrize("ask", [evaluate, estimate_calls])
def test_what_a_run_refuses_the_dry_run_refuses(ask: Callable[..., object], tmp_path: Path) -> None:
    class Nameless(Hashed):
        def identity(self) -> Mapping[str, object]:
            raise KeyError("name")

    settings = settings_for(tmp_path)
    with pytest.raises(ConfigError, match=r"identity\(\) failed: KeyError"):
        ask(make_dataset(), FixedRetriever(), [Nameless()], settings)
    with pytest.raises(ConfigError, match="returned str, not a"):
        ask("helpdesk", FixedRetriever(), [Oracle()], settings)


def test_what_two_systems_ask_is_asked_and_paid_once(tmp_path: Path) -> None:
    """Guards an estimate of twice the bill for a fusion beside the reranker that it fuses, which said that the budget would end the run."""
    settings = settings_for(tmp_path, depths=(6,))
    with FaultServer() as server:
        rerankers: list[Reranker] = [
            make(server.url, pointwise=False),
            Fusion(make(server.url, pointwise=False), "fused"),
        ]
        found = estimate_calls(make_dataset(), FixedRetriever(), rerankers, settings)
        evaluate(make_dataset(), FixedRetriever(), rerankers, settings)
    assert [(one.system, one.calls, one.kept) for one in found] == [("api", 6, 0), ("fused", 0, 0)]
    assert len(server.asked) == 6
    assert "What a row above asks is not asked again" in shown(found)


def test_what_later_stages_ask_is_not_taken_for_the_same_at_every_depth(tmp_path: Path) -> None:
    """Guards a cascade of two paid stages that was to cost a third of what it did, since made-up answers put the same documents first."""
    settings = settings_for(tmp_path, depths=(4, 6))
    with FaultServer() as server:
        stages = {"cheap": make(server.url, "rerank-v4.0-fast"), "dear": make(server.url)}
        found = estimate(Cascade(stages, [2]), settings)
        evaluate(make_dataset(), FixedRetriever(), [Cascade(stages, [2])], settings)
    assert [one.calls for one in found] == [12, 12]
    assert 18 < len(server.asked) <= 24
    text = shown(found)
    assert "cascade 4 at most 12 0" in text
    assert "cascade: what its later stages are asked depends on the earlier ones" in text


def test_the_rows_are_in_the_order_in_which_a_run_spends(tmp_path: Path) -> None:
    """Guards a budget that was said to end during another reranker than it does: further passes come after all others."""
    settings = settings_for(tmp_path, depths=(6,), stability=StabilitySettings(shuffles=1))
    url = "http://127.0.0.1:9"
    rerankers = [HttpRerank(url, name, "p", name) for name in ("a", "b")]
    found = estimate_calls(make_dataset(), FixedRetriever(), rerankers, settings)
    assert [one.system for one in found] == ["a", "b", "a, 1 shuffles", "b, 1 shuffles"]


def test_one_answer_of_a_pointwise_reranker_serves_all_depths(tmp_path: Path) -> None:
    (found,) = estimate(make("http://127.0.0.1:9/x"), settings_for(tmp_path))
    assert (found.depth, found.calls) == (6, 6)


def test_without_an_imagined_answer_the_calls_are_at_least_those_that_come_first(tmp_path: Path) -> None:
    class Secretive(HttpRerank):
        _imagine = None  # type: ignore[assignment]

    (found,) = estimate(Secretive("http://127.0.0.1:9/x", "m", documents_per_call=4), settings_for(tmp_path))
    assert (found.calls, found.is_least, found.usd) == (6, True, None)


def test_the_estimated_tokens_of_the_embedded_data_are_within_a_tenth_of_what_a_tokenizer_counts(
    tmp_path: Path,
) -> None:
    counted = 0

    def answer(body: Mapping[str, Any]) -> dict[str, Any]:
        nonlocal counted
        tokens = sum(count_wordpieces(f"{body['query']} {text}") for text in body["documents"])
        counted += tokens
        return {**rerank_answer(body), "meta": {"billed_units": {"search_units": 1, "input_tokens": tokens}}}

    dataset = load_helpdesk()
    settings = settings_for(tmp_path, depths=(5,))
    with FaultServer(answer=answer) as server:
        reranker = make(server.url, "rerank-v5.0-pro", calls={"concurrency": 1})
        (found,) = estimate_calls(dataset, BM25(), [reranker], settings)
        evaluate(dataset, BM25(), [reranker], settings)
    assert found.input_tokens == pytest.approx(counted, rel=0.1)


def test_what_earlier_answers_were_billed_corrects_the_estimate(tmp_path: Path) -> None:
    """Tokenizers differ by a factor of three where letters are not ASCII; what the provider counted does not."""

    def answer(body: Mapping[str, Any]) -> dict[str, Any]:
        tokens = sum(3 * (estimate_tokens(body["query"]) + estimate_tokens(text)) for text in body["documents"])
        return {**rerank_answer(body), "meta": {"billed_units": {"search_units": 1, "input_tokens": tokens}}}

    with FaultServer(answer=answer) as server:
        reranker = make(server.url, pointwise=False)
        plain = estimate(reranker, settings_for(tmp_path))
        evaluate(make_dataset(), FixedRetriever(), [reranker], settings_for(tmp_path, depths=(3,)))
        three, six = estimate(reranker, settings_for(tmp_path))
    assert (three.calls, three.kept, six.calls) == (0, 6, 6)
    assert six.tokens_per_estimated == pytest.approx(3.0)
    assert plain[1].input_tokens is not None
    assert six.input_tokens == pytest.approx(3 * plain[1].input_tokens, abs=6)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("hello, world", 3), ("internationalization", 3), ("12345", 2), ("东京都", 3), ("a b\nc", 3)],
)
def test_tokens_by_words_digits_and_signs(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def test_the_manual_says_of_the_estimate_what_the_dry_run_says(tmp_path: Path) -> None:
    manual = " ".join((CONF.parent / "docs" / "apis.md").read_text(encoding="utf-8").split())
    assert f"{ESTIMATE_ACCURACY}. `python benchmarks/token_estimate.py`" in manual
    assert f"{ESTIMATE_ACCURACY}." in shown(estimate(make("http://127.0.0.1:9"), settings_for(tmp_path)))


def shown(estimates: list[Estimate], budget_usd: float | None = None) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_estimates(estimates, budget_usd, console)
    assert isinstance(console.file, io.StringIO)
    return " ".join(console.file.getvalue().split())


def test_the_table_says_what_is_unknown_and_whether_the_budget_is_enough() -> None:
    known = Estimate("api[x]", 100, 1200, 30, 45_000, 0, 2.5, tokens_per_estimated=1.25)
    text = shown([known], budget_usd=1.0)
    assert "api[x] 100 1,200 30 45,000 0 2.50" in text
    assert "a run costs about 2.50 USD" in text
    assert "1.25 for each one estimated" in text
    assert "budget.usd=1 is less, and spent in the order of the rows: the run may end during api[x], depth 100" in text
    cheap = known._replace(system="cheap", usd=0.9)
    both = shown([cheap, known._replace(depth=10, usd=0.0), known], budget_usd=1.0)
    assert "may end during api[x], depth 100, with its answers kept" in both
    assert "is less" not in shown([cheap, cheap._replace(usd=0.1)], budget_usd=1.0)
    unknown = shown([known, Estimate("b", 5, 3, 0, 100, None, None, is_least=True)], budget_usd=1.0)
    assert "b 5 at least 3 0 100 n/a n/a" in unknown
    assert (
        "a run costs at least 2.50 USD, and an unknown sum for b: input as estimated, output at most, retries aside; a price is not known: "
        "prices=FILE, a list of your own, adds it, of 0 for a server of your own"
    ) in unknown
    assert "budget.usd=1 is less" in unknown
    assert "nothing would be sent" in shown([])


def test_a_number_of_calls_that_was_drawn_is_no_bound_and_neither_is_its_cost() -> None:
    drawn = Estimate("s", 30, 2100, 0, 45_000, 0, 2.0, is_drawn=True, most_calls=4200)
    fixed = Estimate("f", 30, 10, 0, 45, 0, 1.0)
    text = shown([fixed, drawn], budget_usd=4.0)
    assert "s 30 about 2,100 (at most 4,200) 0" in text
    assert (
        "these were drawn: s. A question that gets no usable answer is asked once more, which is not counted." in text
    )
    assert "With as many questions as there can be, a run costs about 5.00 USD." in text
    assert "budget.usd=4 may not be enough: the run ends when it is reached" in text
    assert "budget.usd=2 is less, and spent in the order of the rows: the run may end during f" in shown(
        [drawn, fixed], budget_usd=2.0
    )
    assert "budget" not in shown([drawn, fixed], budget_usd=6.0)
    nested = drawn._replace(most_calls=None)
    assert "about 2,100 0" in shown([nested], budget_usd=6.0)
    assert "budget.usd=6 may not be enough" in shown([nested], budget_usd=6.0)
    assert "at most 4,200 0" in shown([drawn._replace(calls=4200)])
    assert "at least 2,100 0" in shown([drawn._replace(is_least=True)])


def test_the_command_prints_the_estimate_writes_nothing_and_exits_0(run_main: RunMain, tmp_path: Path) -> None:
    arguments = ["reranker=[none,http_rerank]", "rerankers.http_rerank.url=http://127.0.0.1:9/rerank", "depths=[5]"]
    arguments += ["rerankers.http_rerank.model=m", "dry_run=true"]
    done = run_main(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "http_rerank" in done.stdout
    assert "dry run: nothing was sent; a run costs an unknown sum for http_rerank: " in done.stdout
    assert "a price is not known: prices=FILE" in done.stdout
    assert not (tmp_path / "experiments").exists()
    wrong = run_main("dry_run=maybe", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "dry_run is 'maybe'; it must be true or false" in wrong.stderr


def test_prices_of_ones_own_leave_those_of_the_package_for_other_models(run_main: RunMain, tmp_path: Path) -> None:
    price = "per: 1, currency: USD, valid_from: 2026-01-01, source: mine"
    (tmp_path / "own.yaml").write_text(f"[{{provider: tei, model: m, unit: search, price: 0, {price}}}]")
    url = "http://127.0.0.1:9/rerank"
    arguments = ["reranker=[tei,http_rerank]", f"rerankers.tei.url={url}", "rerankers.tei.model=m", "prices=own.yaml"]
    arguments += [
        f"rerankers.http_rerank.{setting}" for setting in (f"url={url}", "provider=voyage", "model=rerank-2.5")
    ]
    done = run_main(*arguments, "depths=[5]", "dry_run=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {words[0]: words[-1] for line in done.stdout.splitlines() if (words := line.split())}
    assert rows["tei"] == "0.0000"
    assert float(rows["http_rerank"]) > 0


@pytest.mark.parametrize(("max_characters", "cut"), [(17, 30), (None, 0)])
def test_what_would_be_shown_cut_is_told_before_it_is_paid_for(
    max_characters: int | None, cut: int, tmp_path: Path
) -> None:
    chat = OpenAIChat("http://127.0.0.1:9/v1/chat/completions", "m")
    found = estimate(Listwise(chat, name="listwise", max_characters=max_characters), settings_for(tmp_path))
    assert (found[-1].depth, found[-1].documents, found[-1].cut_documents) == (6, 36, cut)
    told = "listwise: 30 of 36 documents (each counted with each query, depth 6) would be shown cut: its settings, such as max_characters"
    assert (told in shown(found)) == bool(cut)


class Breaking(HttpRerank):
    """Fails before it asks."""

    def score(self, request: Request) -> Scores:
        raise ValueError("no")


def test_a_reranker_that_fails_is_no_end_of_the_dry_run(tmp_path: Path) -> None:
    (found,) = estimate(Breaking("http://127.0.0.1:9/x", "m"), settings_for(tmp_path))
    assert (found.calls, found.is_least, found.usd) == (0, True, None)
    assert found.fault is not None
    assert "failed on query q000: ValueError: no" in found.fault
    assert f"the first: {found.fault}" in shown([found])
    assert "costs an unknown sum for http_rerank:" in shown([found])
    assert "a price is not known" not in shown([found])
