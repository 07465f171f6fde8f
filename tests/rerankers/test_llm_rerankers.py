"""Rerankers that ask a language model, in an evaluation and from the command line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.calls.claude import Claude
from rerank_eval.configuration import CONF
from rerank_eval.dry_run import estimate_calls
from rerank_eval.rerankers.chat_reranker import ChatReranker
from rerank_eval.rerankers.listwise import Listwise
from rerank_eval.rerankers.pairwise import Pairwise
from rerank_eval.rerankers.pointwise import Pointwise
from rerank_eval.rerankers.setwise import Setwise
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from tests.chat_server import claude_answer, claude_message, openai_answer, read_prompt, said
from tests.conftest import RunMain
from tests.fakes import FixedRetriever, make_dataset, write_beir_folder
from tests.fault_server import FaultServer

pytest.importorskip("anthropic")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "planted-4f1c9d2e7a")


def settings_for(tmp_path: Path, depth: int) -> Settings:
    return Settings(
        depths=(depth,),
        store_path=tmp_path / "s.sqlite",
        latency=LatencySettings(queries=0),
        prices_path=CONF / "prices.yaml",
    )


def test_fallbacks_refusals_repairs_and_cost_are_in_the_result(tmp_path: Path) -> None:
    dataset = make_dataset()
    with FaultServer(said(claude_message, [("no", "refusal"), {"ranking": [2]}]), claude_answer) as server:
        reranker = Listwise(Claude("claude-haiku-5-5", server.url, calls={"concurrency": 1}), window=4, stride=2)
        result = evaluate(dataset, FixedRetriever(), [reranker], settings_for(tmp_path, 6))
    depth = result.systems[0].depths[-1]
    calls = len(server.asked)
    assert calls == 2 * len(dataset.queries) + 1
    assert depth.usage is not None
    assert (depth.usage["calls"], depth.usage["refusals"], depth.usage["fallbacks"]) == (calls, 1, 0)
    assert depth.repairs == 1
    assert depth.reliability is not None
    assert depth.reliability.refusal_rate == pytest.approx(1 / calls)
    usd = (80 * 0.10 + 20 * 0.01 + 5 * 0.50) / 1e6
    assert depth.usage["usd"] == pytest.approx(calls * usd)
    assert result.latency
    assert depth.latency is not None
    assert depth.latency["source"] == "recorded"


@pytest.mark.parametrize(
    ("kind", "settings", "within", "most"),
    [
        (Listwise, {"window": 4, "stride": 2}, 0, None),
        (Listwise, {"window": None}, 0, None),
        (Pointwise, {"documents_per_call": 4}, 0, None),
        (Setwise, {"sort": "bubble", "top": 1}, 0, 3),
        (Setwise, {"sort": "heap", "top": 3}, 0.2, 8),
        (Pairwise, {"sort": "heap", "top": 3}, 0.2, 48),
        (Pairwise, {"sort": "bubble", "top": 2}, 0.5, 30),
    ],
)
def test_a_dry_run_foresees_the_calls_exactly_where_they_do_not_depend_on_answers_and_nearly_for_a_heap(
    kind: Any, settings: dict[str, Any], within: float, most: int | None, tmp_path: Path
) -> None:
    dataset, whole = make_dataset(), settings_for(tmp_path, 9)
    with FaultServer(answer=claude_answer) as server:
        reranker: ChatReranker = kind(Claude("claude-haiku-5-5", server.url), **settings)
        (found,) = estimate_calls(dataset, FixedRetriever(), [reranker], whole)
        assert not server.asked
        evaluate(dataset, FixedRetriever(), [reranker], whole)
    assert found.usd is not None
    assert not found.is_least
    assert found.calls == pytest.approx(len(server.asked), rel=within)
    assert (found.is_drawn, found.most_calls) == (most is not None, most and most * len(dataset.queries))
    assert found.calls <= (found.most_calls or found.calls)
    assert len(server.asked) <= (found.most_calls or found.calls)
    assert max(len(read_prompt(asked.body).documents) for asked in server.asked) <= 9


@pytest.mark.parametrize(
    ("settings", "depths", "windows"),
    [({}, (10, 20, 50, 100), [1, 1, 4, 9]), ({"passes": 2}, (50,), [8]), ({"window": None, "passes": 2}, (50,), [2])],
)
def test_a_dry_run_foresees_every_window_at_every_depth_and_in_every_pass(
    settings: dict[str, Any], depths: tuple[int, ...], windows: list[int], tmp_path: Path
) -> None:
    """An imagined answer that moved nothing would make windows look asked already."""
    dataset, within = make_dataset(2, 100), replace(settings_for(tmp_path, 1), depths=depths)
    with FaultServer(answer=claude_answer) as server:
        reranker = Listwise(Claude("claude-haiku-5-5", server.url), **settings)
        found = estimate_calls(dataset, FixedRetriever(), [reranker], within)
        evaluate(dataset, FixedRetriever(), [reranker], within)
    assert [estimate.calls for estimate in found] == [2 * count for count in windows]
    assert len(server.asked) == 2 * sum(windows)


@pytest.mark.parametrize(
    "name", ["claude_listwise", "claude_pointwise", "claude_setwise", "claude_pairwise", "openai_compatible"]
)
def test_every_choice_runs_from_the_command_line(name: str, tmp_path: Path, run_main: RunMain) -> None:
    folder = write_beir_folder(tmp_path / "data", make_dataset())
    is_claude = name.startswith("claude")
    chat = f"rerankers.{name}.chat"
    with FaultServer(answer=claude_answer if is_claude else openai_answer) as server:
        where = [f"{chat}.base_url={server.url}", f"chat@{chat}=claude_sonnet"]
        if not is_claude:
            where = [f"{chat}.url={server.url}/v1/chat/completions", f"{chat}.model=qwen"]
        arguments = ["dataset=beir_dir", f"dataset.path={folder}", f"reranker=[{name}]", "depths=[5]", *where]
        done = run_main(*arguments, "latency.queries=0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / done.stdout.split()[-1] / "result.json").read_text(encoding="utf-8"))
    usage = result["systems"][0]["depths"][-1]["usage"]
    assert usage["calls"] == len(server.asked) > 0
    assert (usage["usd"] is not None) is is_claude
    assert {asked.body["model"] for asked in server.asked} == {"claude-sonnet-5-5" if is_claude else "qwen"}
