"""A planted key is looked for in everything that a run leaves or shows, also where the server echoes it back."""

import copy
import logging
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.keys import ApiKey, check_url
from rerank_eval.errors import ConfigError, RerankEvalError, causes
from rerank_eval.rerankers.cohere import Cohere
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.store import Store
from tests.clocks import SkippingClock
from tests.fakes import make_request
from tests.fault_server import Asked, Behaviour, FaultServer, rerank_answer

KEY = "co-planted-4f1c9d2e7a"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHERE_API_KEY", f"  {KEY}\n")  # as a file that ends with a line break gives it


def echo(status: int) -> Any:
    def behave(asked: Asked) -> Behaviour:
        sent = asked.headers["authorization"]
        assert sent == f"Bearer {KEY}"
        words = {"message": f"you sent {sent}", "echo": sent}
        content = {**rerank_answer(asked.body), **words} if status == 200 else words
        return Behaviour(status, content, {"x-echo": sent, "x-debug": KEY, "retry-after": "0"})

    return behave


def make(kind: str, url: str, client: ApiClient) -> Cohere | HttpRerank:
    if kind == "sdk":
        return Cohere("rerank-v3.5", base_url=url, calls={"attempts": 2}).with_calls(client)
    return HttpRerank(url, "m", api_key_env="COHERE_API_KEY", calls={"attempts": 2}).with_calls(client)


@pytest.mark.parametrize("kind", ["sdk", "http"])
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
def test_a_key_that_the_server_echoes_is_in_no_log_exception_answer_or_store(
    kind: str, status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = []
    with caplog.at_level(logging.DEBUG), FaultServer(echo(status)) as server, Store(tmp_path / "s.sqlite") as store:
        reranker = make(kind, server.url, ApiClient(store, clock=SkippingClock()))
        try:
            shown.append(repr(reranker.score(make_request())))
        except RerankEvalError as error:
            shown += [repr(cause) + "".join(traceback.format_exception(cause)) for cause in causes(error)]
        shown += [repr(reranker), repr(vars(reranker)), repr(reranker.identity())]
    assert len(server.asked) >= 1
    assert caplog.records
    shown += [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    shown += list(capfd.readouterr())
    assert not [text for text in shown if KEY in text]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_a_key_does_not_show_itself() -> None:
    key = ApiKey("COHERE_API_KEY")
    assert repr(key) == str(key) == f"{key}" == "ApiKey(COHERE_API_KEY)"
    assert key.reveal() == KEY
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            copied(key)


@pytest.mark.parametrize("setting", [KEY, "sk-ant-123", "", "cohere_api_key", None, 7])
def test_what_is_no_name_of_a_variable_is_refused_and_not_repeated(setting: Any) -> None:
    with pytest.raises(ConfigError, match="must be the name of an environment variable") as caught:
        ApiKey(setting)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(("value", "words"), [("", "is not set"), (" \n", "is not set"), ("a b", "holds characters")])
def test_a_variable_without_a_key_is_named(value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHERE_API_KEY", value)
    with pytest.raises(ConfigError, match=f"COHERE_API_KEY {words}"):
        Cohere("rerank-v3.5")


@pytest.mark.parametrize("url", ["https://user:secret@host/x", "https://secret@host"])
def test_an_address_with_a_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="holds a user name or password") as caught:
        check_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["ftp://host", "host/path", "https://", "", None, 5, "https://[::1", "file:///etc/passwd"]
)
def test_what_is_no_address_is_refused(url: Any) -> None:
    with pytest.raises(ConfigError, match="must be like https://"):
        check_url(url)
