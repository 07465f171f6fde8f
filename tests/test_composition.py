"""What is composed from the command line, and how a wrong word on it is explained; contracts/test_conf_contract.py has every choice."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rerank_eval.composition import explain_composition, open_mappings
from rerank_eval.configuration import CONF, check_components
from rerank_eval.configuration import compose as compose_configuration
from rerank_eval.errors import ConfigError


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = OmegaConf.to_container(compose("config", list(overrides)), resolve=False)
    assert isinstance(config, dict)
    return {str(name): value for name, value in config.items()}


def explained(*overrides: str) -> str:
    with pytest.raises((HydraException, OmegaConfBaseException)) as caught:
        composed(*overrides)
    return explain_composition(caught.value, CONF)


def test_quickstart_is_what_no_argument_runs() -> None:
    assert composed("+experiment=quickstart") == composed() | {"experiment_name": "quickstart"}


def test_several_rerankers_compose_and_one_of_a_kind_can_be_added() -> None:
    config = composed("reranker=[none,minilm]", "+reranker@rerankers.short=minilm", "rerankers.short.max_length=128")
    assert sorted(config["rerankers"]) == ["minilm", "none", "short"]
    assert config["rerankers"]["short"]["max_length"] == 128
    assert config["rerankers"]["minilm"]["max_length"] == 512


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("answer=cluade", "there is no answer 'cluade': did you mean claude?"),
        (
            "answer.context=3",
            "'answer.context' is set where something answers, which is off: answer=claude turns it on",
        ),
        ("reranker=[minlm]", "there is no reranker 'minlm': did you mean minilm?"),
        ("retriever=bm52", "there is no retriever 'bm52': did you mean bm25?"),
        ("dataset=beirdir", "there is no dataset 'beirdir': did you mean beir_dir"),
        ("+experiment=msmarc", "there is no experiment 'msmarc': did you mean msmarco or msmarco_dev?"),
        ("reranker=[zzz]", "there is no reranker 'zzz': valid: bge_reranker_v2_gemma, bge_small, "),
        ("dephts=[1]", "there is no setting 'dephts': did you mean depths"),
        ("latency.querys=3", "there is no setting 'latency.querys': did you mean latency.queries"),
        ("retriever.k11=2", "there is no setting 'retriever.k11': did you mean retriever.k1"),
        (
            "rerankers.minilm.max_lenght=2",
            "there is no setting 'rerankers.minilm.max_lenght': did you mean rerankers.minilm.max_length",
        ),
        ("~sead", "there is no setting 'sead': did you mean seed"),
        (
            "chat.thinking=adaptive",
            "there is no setting 'chat.thinking': did you mean answer.chat.thinking or rerankers.claude_listwise.chat.thinking or ",
        ),
        (
            "chat.base_url=x",
            "there is no setting 'chat.base_url': did you mean answer.chat.base_url or rerankers.claude_",
        ),
        (
            "chat.base-url=x",
            "there is no setting 'chat.base-url': did you mean answer.chat.base_url or rerankers.claude_",
        ),
        (
            "chat.batch.queries=9",
            "there is no setting 'chat.batch.queries': did you mean answer.chat.batch.queries or rer",
        ),
        ("calls.attempts=9", "there is no setting 'calls.attempts': did you mean answer.chat.calls.attempts or "),
        (
            "answer.chat.effort=low",
            "'answer.chat.effort' is set where something answers, which is off, or another model",
        ),
        ("qqq=1", "there is no setting 'qqq': the nearest are rerankers.http_rerank.request.query, "),
        (
            "rerankers.claude_setwise.chat.effort=low",
            "'rerankers.claude_setwise.chat.effort' is a setting of another reranker",
        ),
        ("retriever.path=x", "'retriever.path' is a setting of another retriever than the chosen one"),
        ("rerankers.cross_encoder.model=x", "'rerankers.cross_encoder.model' is a setting of another reranker than"),
        ("experiment=quickstart", "an experiment is added with a plus: +experiment=NAME"),
        ("dataset={a: 1}", "dataset takes a name: beir/arguana, beir/climate-fever, "),
    ],
)
def test_a_misspelt_override_is_explained(override: str, message: str) -> None:
    explanation = explained(override)
    assert explanation.startswith(message)
    assert "\n" not in explanation
    assert len(explanation) < 1000


@pytest.mark.parametrize(
    ("override", "place", "value"),
    [
        ("headers={x-a: abc}", "headers", {"x-a": "abc"}),
        ("headers.x-a=abc", "headers", {"x-a": "abc"}),
        ("request.also={top_n: 10}", "request.also", {"top_n": 10}),
        ("request.also.top_n=10", "request.also", {"top_n": 10}),
        ("chat.also={seed: 1}", "chat.also", {"temperature": 0.0, "seed": 1}),
        ("chat.also.temperature=1.0", "chat.also", {"temperature": 1.0}),
    ],
)
def test_names_of_ones_own_are_added_without_a_plus(override: str, place: str, value: object) -> None:
    name = "openai_compatible" if place.startswith("chat") else "http_rerank"
    (opened,) = open_mappings([f"rerankers.{name}.{override}"])
    found: Any = composed(f"reranker=[{name}]", opened)["rerankers"][name]
    for part in place.split("."):
        found = found[part]
    assert found == value


def test_only_settings_that_take_any_name_are_opened() -> None:
    others = ["rerankers.x.headers_=1", "rerankers.x.model=also", "+rerankers.x.also.y=1", "retriever.also=1", "-m"]
    assert open_mappings(others) == others


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rerankers.http_rerank.headers.x=1", "'rerankers.http_rerank.headers' is a setting of another reranker than"),
        ("rerankers.tei.request.also={x: 1}", "'rerankers.tei.request.also' is a setting of another reranker"),
        ("answer.chat.also={x: 1}", "'answer.chat.also' is set where something answers, which is off"),
        ("rerankers.mine.headers.x=1", "rerankers.mine needs a _target_"),
    ],
)
def test_names_added_to_what_is_not_chosen_are_explained(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_components(compose_configuration([override]))


def test_a_missing_value_is_named() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", ["dataset=beir_dir"])
    with pytest.raises(OmegaConfBaseException) as caught:
        OmegaConf.to_container(config, throw_on_missing=True)
    assert explain_composition(caught.value, CONF) == "dataset.path must be set: dataset.path=VALUE"


def test_an_error_of_another_kind_keeps_its_words() -> None:
    assert explain_composition(ValueError("two\n  lines"), Path("nowhere")) == "two lines"
