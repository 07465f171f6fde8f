import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from rerank_eval.components import check_component, make_component
from rerank_eval.errors import ConfigError, DataError, MissingExtraError, NotCachedError

MODULE = """
import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from rerank_eval.errors import ConfigError, DataError, NotCachedError

not_callable = 3

class MyReranker:
    def __init__(
        self,
        size: int,
        model: str = "small",
        share: float | None = None,
        either: bool | int = 0,
        names: Mapping[str, str] | None = None,
        on: Literal["error", "skip"] = "skip",
        words: str | list[str] = "",
    ) -> None:
        Path("made").touch()
        self.size, self.model = size, model

class Open:
    def __init__(self, **settings: object) -> None:
        self.settings = settings

def refuse(kind: str) -> None:
    raise {"config": ConfigError, "not cached": NotCachedError, "data": DataError, "type": TypeError, "value": ValueError}[kind]("size is -1")

def needs(package: str) -> None:
    __import__(package)

def needs_torch() -> None:
    raise ModuleNotFoundError("No module named 'torch'", name="torch")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module of the user's own, in the folder where the command runs."""
    name = f"own_{tmp_path.name}"  # another name for each test, since modules stay imported
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_class_of_the_users_own_is_checked_without_being_made(module: str) -> None:
    component = {"_target_": f"{module}.MyReranker", "size": 3}
    check_component(component, "rerankers.mine")
    assert not Path("made").exists()
    made = make_component(component, "rerankers.mine")
    assert (made.size, made.model) == (3, "small")
    assert component == {"_target_": f"{module}.MyReranker", "size": 3}


def test_true_is_no_number_but_a_setting_that_may_be_either(module: str) -> None:
    check_component({"_target_": f"{module}.MyReranker", "size": 3, "share": 1, "either": True}, "rerankers.mine")


def test_a_target_that_takes_any_setting_or_tells_nothing_about_them_passes(module: str) -> None:
    check_component({"_target_": f"{module}.Open", "anything": 1}, "rerankers.mine")
    check_component({"_target_": "builtins.dict", "anything": 1}, "rerankers.mine")
    assert make_component({"_target_": "builtins.dict", "anything": 1}, "rerankers.mine") == {"anything": 1}


@pytest.mark.parametrize("component", [None, "minilm", 3, [], {}, {"size": 3}, {"_target_": None}, {"_target_": 3}])
def test_a_component_without_a_target_is_told_what_a_target_is(component: object) -> None:
    for function in (check_component, make_component):
        with pytest.raises(ConfigError, match=r"^rerankers\.mine needs a _target_, the dotted name of a class"):
            function(component, "rerankers.mine")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{module}.MyRerankr", r"'{module}' has no class 'MyRerankr': did you mean MyReranker\?"),
        ("{module}.not_callable", "'{module}' has no class 'not_callable'"),
        ("no_such_module.Reranker", "there is no module 'no_such_module' .* it is looked for in {folder}"),
        ("rerank_eval.rerankers.minilmm.MiniLM", r"there is no module 'rerank_eval\.rerankers\.minilmm'"),
        ("{module}.MyReranker.deeper", "there is no module '{module}.MyReranker'"),
        ("Reranker", "'Reranker' has no class 'Reranker'"),
        ("", "has no class ''"),
    ],
)
def test_a_target_that_is_not_there_is_named_with_the_nearest(module: str, target: str, message: str) -> None:
    places = {"module": module, "folder": Path.cwd()}
    with pytest.raises(ConfigError, match=r"^rerankers\.mine: .*" + message.format(**places)):
        check_component({"_target_": target.format(**places)}, "rerankers.mine")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 3, "modell": "x"}, r"^rerankers\.mine has no setting 'modell': did you mean model\?$"),
        ({"model": "x"}, r"^rerankers\.mine: missing a required argument: 'size'$"),
        ({"size": 3, "self": 1}, r"^rerankers\.mine has no setting 'self'"),
        ({"size": "3"}, r"^rerankers\.mine\.size is '3'; it must be an integer$"),
        ({"size": True}, r"^rerankers\.mine\.size is true; it must be an integer$"),
        ({"size": 3, "names": 5}, r"^rerankers\.mine\.names is 5; it must be a mapping \(each value text\) or null$"),
        ({"size": 3, "on": "x"}, r"^rerankers\.mine\.on is 'x'; it must be error or skip$"),
        ({"size": 3, "words": 5}, r"^rerankers\.mine\.words is 5; it must be text or a list \(each element text\)$"),
        ({"size": 3, "model": None}, r"^rerankers\.mine\.model is null; it must be text$"),
        ({"size": 3, "share": False}, r"^rerankers\.mine\.share is false; it must be a number or null$"),
    ],
)
def test_a_wrong_setting_is_named(module: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_component({"_target_": f"{module}.MyReranker", **settings}, "rerankers.mine")


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("config", ConfigError, r"^rerankers\.mine: size is -1$"),
        ("not cached", NotCachedError, r"^rerankers\.mine: size is -1$"),
        ("type", ConfigError, r"^rerankers\.mine cannot be made: size is -1 \({place}\)$"),
        ("value", ConfigError, r"^rerankers\.mine cannot be made: size is -1 \({place}\)$"),
        ("data", DataError, r"^size is -1$"),
    ],
)
def test_what_a_component_refuses_names_the_component(
    module: str, kind: str, error: type[Exception], message: str
) -> None:
    line = next(number for number, text in enumerate(MODULE.splitlines(), start=1) if "raise {" in text)
    place = re.escape(f"{Path.cwd() / module}.py:{line}")
    with pytest.raises(error, match=message.replace("{place}", place)):
        make_component({"_target_": f"{module}.refuse", "kind": kind}, "rerankers.mine")


def test_a_fault_inside_a_component_is_no_fault_of_the_user(module: str) -> None:
    """A traceback means a bug, so it must not be hidden in a message."""
    with pytest.raises(KeyError):
        make_component({"_target_": f"{module}.refuse", "kind": "unknown"}, "rerankers.mine")


def test_a_package_that_the_component_needs_is_told_from_a_module_that_is_not_there(
    module: str, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigError, match=r"^rerankers\.mine: No module named 'nonesuch'; install the package that has nonesuch$"
    ):
        make_component({"_target_": f"{module}.needs", "package": "nonesuch"}, "rerankers.mine")
    (tmp_path / f"at_import_{module}.py").write_text("import nonesuch\n")
    with pytest.raises(ConfigError, match="No module named 'nonesuch'; install the package that has nonesuch"):
        check_component({"_target_": f"at_import_{module}.Mine"}, "rerankers.mine")


def test_a_package_missing_in_a_module_of_the_users_own_is_not_said_to_be_in_an_extra(module: str) -> None:
    with pytest.raises(ConfigError, match=r"^rerankers\.mine: No module named 'torch'; install the package") as caught:
        make_component({"_target_": f"{module}.needs_torch"}, "rerankers.mine")
    assert not isinstance(caught.value, MissingExtraError)


def test_a_name_missing_inside_a_module_is_not_reported_as_a_missing_module(module: str, tmp_path: Path) -> None:
    (tmp_path / f"circular_{module}.py").write_text(f"from circular_{module} import later\n")
    with pytest.raises(ConfigError, match="cannot import name 'later'"):
        check_component({"_target_": f"circular_{module}.Mine"}, "rerankers.mine")


def test_an_object_with_a_target_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a _target_"):
        check_component(SimpleNamespace(_target_="builtins.dict"), "dataset")


def nested(module: str, **inner: object) -> dict[str, object]:
    """A component with one inside a mapping, one inside a list and one inside that."""
    deep = {"_target_": f"{module}.Open", "part": {"_target_": f"{module}.MyReranker", "size": 2, **inner}}
    first = {"_target_": f"{module}.MyReranker", "size": 1}
    return {"_target_": f"{module}.Open", "parts": {"first": first, "plain": [1, {"two": 3}]}, "listed": [deep]}


def test_components_inside_are_checked_without_being_made_and_made_before_the_outer(module: str) -> None:
    component = nested(module)
    check_component(component, "retriever")
    assert not Path("made").exists()
    made = make_component(component, "retriever")
    assert made.settings["parts"]["first"].size == 1
    assert made.settings["parts"]["plain"] == [1, {"two": 3}]
    assert made.settings["listed"][0].settings["part"].size == 2
    assert component == nested(module)


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ({"sise": 3}, r"^retriever\.listed\[0\]\.part has no setting 'sise': did you mean size\?$"),
        ({"_target_": "no_such_module.X"}, r"^retriever\.listed\[0\]\.part: there is no module 'no_such_module'"),
        ({"_target_": None}, r"^retriever\.listed\[0\]\.part needs a _target_"),
    ],
)
def test_what_is_wrong_inside_is_told_with_its_place(module: str, inner: dict[str, object], message: str) -> None:
    for function in (check_component, make_component):
        if "sise" in inner and function is make_component:
            continue  # as of an outer component: its settings are checked before it is made
        with pytest.raises(ConfigError, match=message):
            function(nested(module, **inner), "retriever")


def test_what_a_component_inside_refuses_names_that_component_alone(module: str) -> None:
    refusing = {"_target_": f"{module}.refuse", "kind": "config"}
    with pytest.raises(ConfigError, match=r"^retriever\.parts\.bad: size is -1$"):
        make_component({"_target_": f"{module}.Open", "parts": {"bad": refusing}}, "retriever")


def test_a_component_inside_one_that_tells_nothing_of_its_settings_is_checked(module: str) -> None:
    inner = {"_target_": f"{module}.MyReranker", "size": 1, "sise": 1}
    with pytest.raises(ConfigError, match=r"^retriever\.part has no setting 'sise'"):
        check_component({"_target_": "builtins.dict", "part": inner}, "retriever")
