"""What every YAML in conf/ must hold; a new one is tested without an edit here, those of public sets in folders of conf/dataset also elsewhere."""

from pathlib import Path

import pytest

from rerank_eval.components import check_component
from rerank_eval.configuration import CONF
from rerank_eval.files.paths import check_name
from rerank_eval.measures import parse_measures
from rerank_eval.settings import Settings
from tests.conftest import Compose


def choices(group: str) -> list[str]:
    """Return the names as a user writes them; those in a folder of the group are FOLDER/NAME."""
    return sorted(path.relative_to(CONF / group).with_suffix("").as_posix() for path in (CONF / group).rglob("*.yaml"))


def path_of(group: str, choice: str) -> Path:
    return CONF / group / f"{choice}.yaml"


@pytest.mark.parametrize("group", ["dataset", "retriever", "reranker", "answer", "experiment"])
def test_every_group_has_choices_that_can_name_a_file(group: str) -> None:
    assert choices(group)
    for choice in choices(group):
        assert [check_name(part, group) for part in choice.split("/")] == choice.split("/")


@pytest.mark.parametrize("choice", choices("reranker"))
def test_a_reranker_alone_composes_under_its_name_and_its_target_takes_the_settings(
    choice: str, compose: Compose
) -> None:
    composed = compose(f"reranker=[{choice}]")
    assert list(composed["rerankers"]) == [choice]
    check_component(composed["rerankers"][choice], f"rerankers.{choice}")


@pytest.mark.parametrize("choice", choices("reranker"))
def test_a_reranker_begins_with_its_package_so_that_several_compose(choice: str) -> None:
    first_line = path_of("reranker", choice).read_text(encoding="utf-8").splitlines()[0]
    assert first_line == f"# @package rerankers.{choice}"


def test_all_rerankers_compose_together(compose: Compose) -> None:
    names = choices("reranker")
    assert sorted(compose(f"reranker=[{','.join(names)}]")["rerankers"]) == names


def test_rerankers_compose_a_second_time_under_other_names(compose: Compose) -> None:
    names = choices("reranker")
    again = [f"+reranker@rerankers.another_{name}={name}" for name in names]
    composed = compose(f"reranker=[{','.join(names)}]", *again)["rerankers"]
    assert len(composed) == 2 * len(names)
    for name in names:
        check_component(composed[f"another_{name}"], f"rerankers.another_{name}")
        assert composed[f"another_{name}"] == composed[name]


@pytest.mark.parametrize("choice", choices("chat"))
def test_a_chat_composes_into_a_reranker_of_any_name_and_its_target_takes_the_settings(
    choice: str, compose: Compose
) -> None:
    for name, reranker in (("claude_listwise", "reranker=[claude_listwise]"), ("another", "reranker=[]")):
        also = [] if name == "claude_listwise" else ["+reranker@rerankers.another=claude_listwise"]
        chat = f"rerankers.{name}.chat"
        composed = compose(reranker, *also, f"chat@{chat}={choice}", f"{chat}.model=any")
        assert composed["rerankers"][name]["chat"]["model"] == "any"
        check_component(composed["rerankers"][name], f"rerankers.{name}")


@pytest.mark.parametrize(
    ("group", "choice"), [(group, choice) for group in ("retriever", "dataset", "answer") for choice in choices(group)]
)
def test_any_other_component_composes_and_its_target_takes_the_settings(
    group: str, choice: str, compose: Compose
) -> None:
    check_component(compose(f"{group}={choice}")[group], group)


@pytest.mark.parametrize("choice", sorted(set(choices("dataset")) - {"helpdesk"}))
def test_every_dataset_offers_to_take_the_query_out_and_its_published_values_are_of_known_measures(
    choice: str, compose: Compose
) -> None:
    settings = compose(f"dataset={choice}")["dataset"]
    assert isinstance(settings.get("removes_query_document"), bool), "it needs removes_query_document: true or false"
    published = settings.get("published_bm25") or {}
    assert all(0 < value < 1 for value in published.values())
    if published:
        assert "relevance_level" in settings, "published values need the relevance_level that they assume"
        assert parse_measures(list(published), settings["relevance_level"])


@pytest.mark.parametrize("choice", choices("experiment"))
def test_an_experiment_composes_to_valid_settings_and_components(choice: str, compose: Compose) -> None:
    composed = compose(f"+experiment={choice}")
    Settings(depths=composed["depths"], measures=composed["measures"])
    assert composed["experiment_name"] == choice
    check_component(composed["dataset"], "dataset")
    check_component(composed["retriever"], "retriever")
    for name, component in composed["rerankers"].items():
        check_component(component, f"rerankers.{name}")
