"""What is sent to Claude and to servers with OpenAI's chat completions, what usage is read, and where the key is not."""

import logging
import traceback
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.calls.chat import Prompt
from rerank_eval.calls.claude import Claude
from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.openai_chat import OpenAIChat
from rerank_eval.calls.prices import read_prices
from rerank_eval.configuration import CONF
from rerank_eval.errors import ConfigError, RerankEvalError, causes
from rerank_eval.rerankers.listwise import Listwise
from rerank_eval.store import Store
from rerank_eval.types import Usage
from tests.chat_server import claude_answer, claude_message, completion, openai_answer
from tests.clocks import SkippingClock
from tests.fakes import make_request
from tests.fault_server import Asked, Behaviour, FaultServer

pytest.importorskip("anthropic")
KEY = "sk-planted-4f1c9d2e7a"
DAY = date(2026, 11, 23)
SCHEMA = {"type": "object"}
PROMPT = Prompt("You judge.", "Which?")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def test_claude_is_sent_what_the_settings_say_and_its_cache_counts_as_input() -> None:
    with FaultServer(answer=lambda body: claude_message({"best": 1})) as server:
        chat = Claude("claude-haiku-5-5", server.url, thinking="adaptive", thinking_tokens=900, effort="low")
        answer = ApiClient().ask(chat.endpoint, chat.make_body(PROMPT, SCHEMA, 100), chat.read)
    assert server.asked[0].path == "/v1/messages"
    assert server.asked[0].headers["anthropic-version"]
    assert server.asked[0].body == {
        "model": "claude-haiku-5-5",
        "max_tokens": 1000,
        "system": [{"type": "text", "text": "You judge."}],
        "messages": [{"role": "user", "content": "Which?"}],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"},
        "thinking": {"type": "adaptive"},
    }
    assert answer.usage == Usage(1, 100, 5, None, cached_tokens=20)
    assert chat.read(answer.body).value == {"best": 1}


def test_what_the_model_is_told_is_marked_for_the_cache_where_that_is_set() -> None:
    body = Claude("claude-haiku-5-5", cache_prompt=True).make_body(PROMPT, SCHEMA, 100)
    assert body["system"] == [{"type": "text", "text": "You judge.", "cache_control": {"type": "ephemeral"}}]
    assert "cache_control" not in str(body["messages"])


def test_what_is_left_to_the_model_is_not_sent() -> None:
    body = Claude("claude-haiku-5-5").make_body(Prompt("", "Which?"), SCHEMA, 100)
    assert not {"thinking", "system", "temperature"} & body.keys()
    assert list(body["output_config"]) == ["format"]


def test_an_openai_server_is_sent_a_json_schema_and_what_else_is_set() -> None:
    with FaultServer(answer=lambda body: completion({"best": 1})) as server:
        url = f"{server.url}/v1/chat/completions"
        chat = OpenAIChat(url, "qwen", api_key_env="OPENAI_API_KEY", also={"temperature": 0.0}, thinking_tokens=5)
        answer = ApiClient().ask(chat.endpoint, chat.make_body(PROMPT, SCHEMA, 100), chat.read)
    assert server.asked[0].path == "/v1/chat/completions"
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.asked[0].body == {
        "temperature": 0.0,
        "model": "qwen",
        "messages": [{"role": "system", "content": "You judge."}, {"role": "user", "content": "Which?"}],
        "max_tokens": 105,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
        },
    }
    assert answer.usage == Usage(1, 100, 5, None, cached_tokens=20)


def test_a_server_without_a_key_is_sent_none() -> None:
    with FaultServer(answer=openai_answer) as server:
        Listwise(OpenAIChat(server.url, "qwen")).score(make_request())
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"thinking": "enabled"}, "thinking is 'enabled'; valid: null, adaptive, between_tools, disabled"),
        ({"effort": "extreme"}, "effort is 'extreme'"),
        ({"thinking": "adaptive"}, "thinking_tokens is 0; allow for some"),
        ({"thinking_tokens": -1}, "thinking_tokens is -1"),
        ({"base_url": "api.anthropic.com"}, "base_url is"),
        ({"api_key_env": KEY}, "must be the name of an environment variable"),
        ({"calls": {"retries": 3}}, "calls has no setting 'retries'"),
        ({"batch": {"size": 3}}, "batch has no setting 'size'"),
        ({"batch": {"queries": 2.5}}, "batch.queries is 2.5; it must be an integer"),
        ({"batch": {"queries": 5001}}, "batch.queries is 5001; it must be at most 5000"),
        ({"batch": {"poll_s": 0}}, "batch.poll_s is 0; it must be a number above 0"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        Claude("claude-haiku-5-5", **settings)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-sonnet-5-5"])
def test_a_batch_costs_half_whatever_is_billed(model: str) -> None:
    prices = read_prices(CONF / "prices.yaml")
    alone, together = (prices.of(name, model, DAY) for name in ("anthropic", "anthropic_batch"))
    assert together == {unit: pytest.approx(usd / 2) for unit, usd in alone.items()}


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-sonnet-5-5"])
def test_the_estimate_is_above_zero_and_priced(model: str) -> None:
    chat = Claude(model)
    most = chat.endpoint.estimate(chat.make_body(PROMPT, SCHEMA, 100))
    assert most.output_tokens == 100
    assert most.input_tokens
    usd = read_prices(CONF / "prices.yaml").usd("anthropic", model, most, DAY)
    assert usd is not None
    assert usd > 0


def echo(status: int, answer: Any) -> Any:
    def behave(asked: Asked) -> Behaviour:
        assert KEY in str(asked.headers)
        content: Any = {"error": {"message": f"you sent {KEY}"}}
        if status == 200:
            content = {**answer(asked.body), "echo": KEY}
        return Behaviour(status, content, {"x-echo": KEY, "request-id": KEY, "retry-after": "0"})

    return behave


@pytest.mark.parametrize("kind", ["claude", "openai"])
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 529])
def test_a_key_that_the_server_echoes_is_in_no_log_exception_answer_or_store(
    kind: str,
    status: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shown = []
    answer = claude_answer if kind == "claude" else openai_answer
    with (
        caplog.at_level(logging.DEBUG),
        FaultServer(echo(status, answer)) as server,
        Store(tmp_path / "s.sqlite") as store,
    ):
        calls = {"attempts": 2}
        chat: Claude | OpenAIChat
        if kind == "claude":
            chat = Claude("claude-haiku-5-5", server.url, calls=calls)
        else:
            chat = OpenAIChat(server.url, "qwen", api_key_env="OPENAI_API_KEY", calls=calls)
        reranker = Listwise(chat).with_calls(ApiClient(store, clock=SkippingClock()))
        try:
            shown.append(repr(reranker.score(make_request())))
        except RerankEvalError as error:
            shown += [repr(cause) + "".join(traceback.format_exception(cause)) for cause in causes(error)]
        shown += [repr(thing) + repr(vars(thing)) for thing in (reranker, chat)] + [repr(reranker.identity())]
    assert server.asked
    assert caplog.records
    shown += [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    shown += list(capfd.readouterr())
    assert not [text for text in shown if KEY in text]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
