"""Systems: their names, and what their answers depend on, so that no kept answer is reused for another question."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from rerank_eval.errors import ConfigError
from rerank_eval.evaluation.systems import System, make_systems
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.types import Dataset, Request, Scores
from tests.fakes import Constant, Hashed, make_dataset

OWN_CLASS = """
from rerank_eval.types import Scores
class Own:
    name, pointwise, concurrency = "own", True, 1
    def score(self, request): return Scores([{score}] * len(request.documents))
"""


class WithoutIdentity:
    """Asks for the dataset, and does not say what its scores depend on."""

    name = "plain"
    pointwise = True
    concurrency = 1

    def __init__(self) -> None:
        self.seen: list[Dataset] = []

    def for_dataset(self, dataset: Dataset) -> Self:
        self.seen.append(dataset)
        return self

    def score(self, request: Request) -> Scores:
        return Scores([0.0] * len(request.documents))


def own_reranker(folder: Path, score: str, monkeypatch: pytest.MonkeyPatch) -> Reranker:
    (folder / "own_reranker.py").write_text(OWN_CLASS.format(score=score))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "own_reranker", raising=False)
    reranker: Reranker = importlib.import_module("own_reranker").Own()
    return reranker


@pytest.mark.parametrize(
    "changed",
    [Hashed(revision="r2"), Hashed(bias=0.5), Hashed(pointwise=False), Constant()],
    ids=lambda r: type(r).__name__,
)
def test_identity_and_kind_change_the_fingerprint(changed: Hashed) -> None:
    assert System("x", changed).fingerprint != System("x", Hashed()).fingerprint


def test_name_and_load_time_do_not_change_the_fingerprint() -> None:
    assert System("y", Hashed(), load_seconds=3.0).fingerprint == System("x", Hashed()).fingerprint


def test_an_edited_class_has_another_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"_target_": "own_reranker.Own"}
    before = System("own", own_reranker(tmp_path, "1.0", monkeypatch), config).fingerprint
    again = System("own", own_reranker(tmp_path, "1.0", monkeypatch), config).fingerprint
    after = System("own", own_reranker(tmp_path, "2.0", monkeypatch), config).fingerprint
    assert before is not None
    assert before == again != after


def test_without_identity_the_settings_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reranker = own_reranker(tmp_path, "1.0", monkeypatch)
    assert System("own", reranker).fingerprint is None
    assert System("own", reranker, {"seed": 1}).fingerprint != System("own", reranker, {"seed": 2}).fingerprint


@pytest.mark.parametrize("reranker", [Oracle(), WithoutIdentity()], ids=["oracle", "without identity"])
def test_a_reranker_that_sees_the_dataset_depends_on_the_judgments(reranker: Reranker) -> None:
    dataset = make_dataset()
    edited = replace(dataset, qrels={**dataset.qrels, "q000": {"d001": 3}})
    system = System("x", reranker, {"_target_": "somewhere"})
    assert system.on(dataset).fingerprint == system.on(make_dataset()).fingerprint
    assert system.on(dataset).fingerprint != system.on(edited).fingerprint


def test_other_rerankers_do_not_depend_on_the_judgments() -> None:
    system = System("x", Hashed())
    assert system.on(make_dataset()) is system


@pytest.mark.parametrize(
    ("rerankers", "message"),
    [
        ([], "no reranker"),
        ([Hashed("a"), Hashed("a")], "two rerankers are named 'a'"),
        ([Hashed("../a")], "the reranker name '../a' cannot name a file"),
        ([Hashed("")], "cannot name a file"),
    ],
)
def test_wrong_names_are_refused(rerankers: list[Hashed], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_systems(rerankers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": None}, "has no name"),
        ({"score": None}, "the reranker x has no method score"),
        ({"pointwise": None}, "the reranker x does not say whether it is pointwise"),
        ({"concurrency": 0}, "the reranker x has the concurrency 0"),
        ({"concurrency": "4"}, "the reranker x has the concurrency '4'"),
    ],
)
def test_a_class_that_lacks_something_is_refused(change: dict[str, object], message: str) -> None:
    whole: dict[str, object] = {"name": "x", "pointwise": True, "concurrency": 1, "score": print}
    lacking: Any = SimpleNamespace(**whole | change)
    with pytest.raises(ConfigError, match=message):
        make_systems([lacking])


def test_only_a_reranker_that_says_so_is_shown_the_judgments() -> None:
    dataset = make_dataset()
    reranker = WithoutIdentity()
    system = System("plain", reranker).on(dataset)
    (seen,) = reranker.seen
    assert (seen.corpus, seen.queries) == (dataset.corpus, dataset.queries)
    assert not seen.qrels
    assert not seen.reference_answers
    assert not system.saw_judgments
    oracle = System("oracle", Oracle())
    assert not oracle.saw_judgments
    assert oracle.on(dataset).saw_judgments


def test_only_true_lets_a_reranker_see_the_judgments() -> None:
    reranker = WithoutIdentity()
    reranker.reads_judgments = "no"  # type: ignore[attr-defined] # a mistake of the user's
    assert not System("plain", reranker).on(make_dataset()).saw_judgments
    assert not reranker.seen[0].qrels
