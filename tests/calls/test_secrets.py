"""A planted key is looked for in everything that a run leaves or shows, also where the server echoes it back."""

import copy
import json
import logging
import pickle
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rerank_eval.calls.claude import Claude
from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.keys import ApiKey, check_url
from rerank_eval.errors import ConfigError, RerankEvalError, causes
from rerank_eval.rerankers.cohere import Cohere
from rerank_eval.rerankers.listwise import Listwise
from rerank_eval.results.writing import write_result
from rerank_eval.store import Store
from tests.calls.batch_runs import NUM, run
from tests.calls.batch_server import BatchServer, Rows, errored
from tests.calls.endpoints import KEY_ENV, WAYS, Way
from tests.clocks import SkippingClock
from tests.fakes import make_request
from tests.fault_server import Asked, Behaviour

KEY = "co-planted-4f1c9d2e7a"


HARD_KEY = "co-planted/4f1c+9d2e7a=="
"""With characters that JSON, URLs and base64 write in other ways."""


def escape(text: str) -> str:
    return "".join(f"\\u{ord(character):04X}" for character in text)


FORMS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "slash": lambda key: key.replace("/", "\\/"),
    "escapes": escape,
    "json in json": lambda key: json.dumps(f'{{"a": "{escape(key)}"}}')[1:-1],
    "percent": lambda key: quote(key, safe=""),
    "base64": lambda key: b64encode(f"user:{key}".encode()).decode(),
    "base64 for URLs": lambda key: urlsafe_b64encode(f"u:{key}".encode()).decode(),
}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHERE_API_KEY", f"  {KEY}\n")  # as a file that ends with a line break gives it
    monkeypatch.setenv(KEY_ENV, HARD_KEY)


def echo(way: Way, status: int, form: str) -> Any:
    """Answer with the key in names, values and headers."""
    written = HARD_KEY if form == "utf-16" else FORMS[form](HARD_KEY)

    def behave(asked: Asked) -> Behaviour:
        assert f"{asked.headers}".count(HARD_KEY) == 1
        answer = json.dumps(way.answer(asked.body) if status == 200 else {"message": "you sent KEY"})
        text = answer.replace("KEY", written)[:-1] + f', "echo": {{"{written}": "{written}"}}}}'
        content = text.encode("utf-16" if form == "utf-16" else "utf-8")
        return Behaviour(status, content, {"x-echo": written, "retry-after": "0"})

    return behave


def shown_by(error: BaseException) -> list[str]:
    return [repr(cause) + "".join(traceback.format_exception(cause)) for cause in causes(error)]


def check_shown(shown: Sequence[str], folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither what was shown or logged nor any file may have the key in any form."""
    assert caplog.records
    logged = [f"{record.getMessage()} {vars(record)} {record.exc_text}" for record in caplog.records]
    files = [path.read_text("utf-8", "replace") for path in folder.rglob("*") if path.is_file()]
    assert files
    secrets = [HARD_KEY, *(write(HARD_KEY).strip("=") for write in FORMS.values())]
    secrets += [secret.replace("\\", "\\\\") for secret in secrets]
    for text in (*shown, *logged, *files):
        for secret in secrets:
            assert secret.lower() not in text.lower()


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(
    ("status", "form"),
    [*product((200, 422), [*FORMS, "utf-16"]), (401, "escapes"), (429, "escapes"), (500, "escapes")],
)
def test_a_key_that_a_server_echoes_in_any_form_is_in_no_log_exception_answer_or_store(
    name: str,
    status: int,
    form: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    way = WAYS[name]
    if name == "claude":
        pytest.importorskip("anthropic")
    shown = []
    with (
        caplog.at_level(logging.DEBUG),
        Store(tmp_path / "s.sqlite") as store,
        way.server(echo(way, status, form)) as server,
    ):
        reranker = way.make_reranker(server.url, {"attempts": 2})
        try:
            scores = reranker.with_calls(ApiClient(store, clock=SkippingClock())).score(make_request())
            shown.append(repr(scores))
        except RerankEvalError as error:
            shown += shown_by(error)
        shown += [repr(reranker), repr(vars(reranker)), repr(reranker.identity())]
        answered = status == 200 and form != "utf-16"  # with the key taken out, that is no text any more
        assert not answered or [text for text in shown if text.startswith("Scores(")]
    check_shown([*shown, *capfd.readouterr()], tmp_path, caplog)


@pytest.mark.parametrize("form", FORMS)
def test_a_key_that_a_batch_echoes_is_in_no_file_and_not_shown(
    form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("anthropic")
    written = FORMS[form](HARD_KEY)

    class EchoingServer(BatchServer):
        def right_answer(self, asked: Asked) -> Any:
            answer = super().right_answer(asked)
            text = answer.decode() if isinstance(answer, bytes) else json.dumps(answer)
            return (
                text.replace('"type": "', f'"{escape("echo")}": "{written}", "type": "')
                .replace("KEY", written)
                .encode()
            )

    def change(rows: Rows, _: int) -> Rows:
        return [{**rows[0], "result": errored("invalid_request_error", "you sent KEY")}, *rows[1:]]

    batch = {"queries": NUM, "poll_s": 0.01, "gather_s": 0.1}
    with caplog.at_level(logging.DEBUG), EchoingServer(change=change) as server:
        chat = Claude("claude-haiku-5-5", server.url, KEY_ENV, batch=batch, calls={"attempts": 2})
        result = run(Listwise(chat, window=None), tmp_path, max_error_rate=1.0)
        write_result(result, tmp_path / "results", "")
    assert "[api key removed]" in repr(result)
    check_shown([repr(result), *capfd.readouterr()], tmp_path, caplog)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("num_backslashes", [0, 2, 10, 1000])
def test_what_was_json_still_is_however_many_backslashes_are_before_the_key(form: str, num_backslashes: int) -> None:
    key = ApiKey(KEY_ENV)
    text = '{"said": "before ' + num_backslashes * "\\" + FORMS[form](HARD_KEY) + ' after"}'
    for cleaned in (key.remove_from(text), key.remove_from_bytes(text.encode()).decode()):
        said = json.loads(cleaned)["said"]
        assert said.startswith("before ")
        assert "[api key removed]" in said
        assert said.endswith(" after")


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


@pytest.mark.parametrize(
    ("value", "words"),
    [("", "is not set"), (" \n", "is not set"), ("a b", "holds characters"), ("1234567", "holds fewer than 8")],
)
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
