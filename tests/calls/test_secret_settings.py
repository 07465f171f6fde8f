"""A setting that holds a secret is refused; no ordinary one is."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rerank_eval.calls.secret_settings import refuse_secret_overrides, refuse_secrets
from rerank_eval.configuration import CONF, compose
from rerank_eval.errors import ConfigError

SECRET = "4f1c9d2e7a5b8e3f"
RANDOM = "Zk3mWq8vTy1LxB6nRd0pHs5cJg2fUe7aIo9tMwKq"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rerankers.http_rerank.headers.Authorization", f"Bearer {SECRET}"),
        ("rerankers.http_rerank.headers.X-Api-Key", SECRET),
        ("rerankers.http_rerank.headers.Cookie", f"session={SECRET}"),
        ("rerankers.http_rerank.headers.X-Auth-Token", SECRET),
        ("rerankers.http_rerank.headers.X-Model", RANDOM),
        ("rerankers.http_rerank.request.also.api_key", SECRET),
        ("rerankers.http_rerank.request.also.list", ["a", f"sk-{SECRET}"]),
        ("rerankers.http_rerank.url", f"http://host/r?api_key={SECRET}"),
        ("rerankers.http_rerank.url", f"https://user:{SECRET}@host/r"),
        ("rerankers.http_rerank.auth_prefix", f"Bearer {SECRET}"),
        ("rerankers.http_rerank.auth_prefix", f"Bearer sk-{SECRET}"),
        ("rerankers.http_rerank.api_key_env", f"sk-ant-api03-{SECRET}"),
        ("rerankers.http_rerank.model", f"pa-{SECRET}{SECRET}"),
        ("rerankers.jina.model", f"jina_{SECRET}{SECRET}"),
        ("dataset.token", f"hf_{SECRET}{SECRET}"),
        ("retriever.password", 12345678),
        (f"rerankers.x.sk-{SECRET}", f"sk-{SECRET}"),
    ],
)
def test_a_secret_is_refused_by_its_name_or_its_look_and_not_repeated(name: str, value: Any) -> None:
    nested = value
    for part in reversed(name.split(".")):
        nested = {part: nested}
    with pytest.raises(ConfigError, match=r"holds what looks like a key or a password.* api_key_env") as caught:
        refuse_secrets(nested)
    assert name.partition(".")[0] in str(caught.value)
    assert SECRET not in str(caught.value)
    assert RANDOM not in str(caught.value)


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: path.relative_to(CONF).as_posix())
def test_no_choice_that_ships_is_refused(path: Path) -> None:
    refuse_secrets(yaml.safe_load(path.read_text("utf-8")))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_key_env", "COHERE_API_KEY"),
        ("auth_header", "Authorization"),
        ("auth_header", "Api-Key"),
        ("auth_prefix", "Bearer "),
        ("auth_prefix", "Token "),
        ("input_tokens", "usage.total_tokens"),
        ("thinking_tokens", 4096),
        ("true_token", "▁true"),
        ("eos_token", "<|endoftext|>"),
        ("revision", "a5beb1e3e68b9ab74eb54cfd186867f64f240e1a"),
        ("model", "cross-encoder/ms-marco-MiniLM-L-12-v2"),
        ("model", "BAAI/bge-reranker-v2-gemma"),
        ("model", "jina_reranker_v2_base_multilingual"),
        ("model", "claude-haiku-5-5-20261001"),
        ("path", "/home/user/task-specific/run-2026-11-23.trec.gz"),
        ("url", "https://host:8443/v1/rerank?model=a&keyspace=b&api-version=2026-11-23"),
        ("experiment_name", "sk-learn-baselines"),
        ("_target_", "rerank_eval.rerankers.http_rerank.HttpRerank"),
    ],
)
def test_what_is_no_secret_is_taken(name: str, value: Any) -> None:
    refuse_secrets({"rerankers": {"mine": {name: value, "password": None, "api_key": ""}}})
    refuse_secret_overrides([f"+rerankers.mine.{name}={value}"])


def test_the_configuration_is_looked_through_after_composition_too() -> None:
    with pytest.raises(ConfigError, match=r"rerankers\.http_rerank\.headers\.Authorization holds") as caught:
        compose(
            [
                "reranker=[http_rerank]",
                "rerankers.http_rerank.url=http://127.0.0.1:1/r",
                "rerankers.http_rerank.model=m",
                f"+rerankers.http_rerank.headers={{Authorization: {SECRET}}}",
            ]
        )
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "mapping", ["{{X-Api-Key: {0}}}", "{{a: 1, Authorization: 'Bearer {0}'}}", '{{x: {{"Cookie": {0}}}}}']
)
def test_a_secret_in_a_mapping_is_refused_before_a_sweep_writes_it_down(mapping: str) -> None:
    with pytest.raises(ConfigError, match=r"headers\.[\w-]+ holds what looks like a key") as caught:
        refuse_secret_overrides(["seed=1,2", f"rerankers.http_rerank.headers={mapping.format(SECRET)}"])
    assert SECRET not in str(caught.value)
    refuse_secret_overrides(["rerankers.http_rerank.headers={x-team: search}", "+rerankers.mine.also={top_n: 10}"])
