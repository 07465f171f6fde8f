"""Rerankers that misbehave: each query fails visibly, and nothing else (what an attack on the tool found)."""

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.errors import ConfigError
from rerank_eval.evaluation.systems import System
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.results.writing import write_result
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, Request, Scores
from tests.fakes import FixedRetriever, Hashed, make_dataset

DATASET = make_dataset()
SETTINGS = Settings(depths=(3,), measures=("nDCG@10",), latency=LatencySettings(queries=2, warmup=0))


class Hostile(Hashed):
    """Does `act` instead of answering."""

    def __init__(self, act: Callable[[Request], Any]) -> None:
        super().__init__("hostile")
        self.act = act

    def score(self, request: Request) -> Scores:
        answer: Scores = self.act(request)
        return answer


def run(act: Callable[[Request], Any]) -> ExperimentResult:
    return evaluate(DATASET, FixedRetriever(), [Hostile(act)], SETTINGS)


def raise_it(error: BaseException) -> Callable[[Request], Any]:
    def act(request: Request) -> Any:
        raise error

    return act


def lazily(request: Request) -> Iterator[float]:
    yield from (1.0 for _ in request.documents)


@pytest.mark.parametrize(
    "act",
    [
        raise_it(SystemExit(0)),
        raise_it(asyncio.CancelledError()),
        raise_it(GeneratorExit()),
        raise_it(MemoryError()),
        raise_it(ValueError("a lone \ud800 surrogate")),
        lambda request: Scores({float(n) for n in range(3)}),  # type: ignore[arg-type] # a set has no order
        lambda request: Scores({0: 1.0, 1: 2.0, 2: 3.0}),  # type: ignore[arg-type] # a mapping gives its keys
        lambda request: Scores(lazily(request)),  # type: ignore[arg-type] # a generator computes outside the clock
        lambda request: Scores("123"),  # type: ignore[arg-type] # characters are no numbers
        lambda request: Scores([1.0, 2.0, 3.0], {"calls": 1}),  # type: ignore[arg-type] # no Usage
    ],
)
def test_a_wrong_answer_or_any_exception_fails_the_query_in_both_passes(
    act: Callable[[Request], Any], tmp_path: Path
) -> None:
    result = run(act)
    assert result.status == "not_evaluable"
    assert len(result.failures) == len(DATASET.queries)
    assert all("hostile" in message and "q00" in message for message in result.failures)
    assert {sample.system for sample in result.latency} == {"fixed"}  # the first stage alone
    assert write_result(result, tmp_path).is_dir()


def test_ctrl_c_is_no_failure_of_a_query() -> None:
    with pytest.raises(KeyboardInterrupt):
        run(raise_it(KeyboardInterrupt()))


def write_reranker(folder: Path, body: str) -> Any:
    """Return a reranker that inherits `score` from a module of its own."""
    (folder / "hostile_base.py").write_text(body, encoding="utf-8")
    (folder / "hostile_kid.py").write_text("from hostile_base import Base\n\n\nclass Kid(Base):\n    pass\n", "utf-8")
    sys.path.insert(0, str(folder))
    try:
        for name in ("hostile_base", "hostile_kid"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module("hostile_kid").Kid()
    finally:
        sys.path.remove(str(folder))


BASE = "class Base:\n    name = 'kid'\n    pointwise = True\n    concurrency = 1\n    sign = {}\n"


def test_an_edit_of_a_base_class_changes_the_fingerprint(tmp_path: Path) -> None:
    fingerprints = []
    for number in (1, -1):
        folder = tmp_path / str(number)
        folder.mkdir()
        fingerprints.append(System("kid", write_reranker(folder, BASE.format(number)), {"a": 1}).fingerprint)
    assert fingerprints[0] != fingerprints[1]


def test_the_fingerprint_is_of_the_code_before_the_first_query(tmp_path: Path) -> None:
    kid = System("kid", write_reranker(tmp_path, BASE.format(1)), {"a": 1})
    before = kid.fingerprint
    (tmp_path / "hostile_base.py").write_text(BASE.format(2), encoding="utf-8")
    assert kid.fingerprint == before


class Forgetful(Hashed):
    """Says nothing sensible when it is asked what it is."""

    def identity(self) -> dict[str, object]:
        raise RuntimeError("who am I")


class Lost(Hashed):
    """Is lost when it sees the dataset."""

    def for_dataset(self, dataset: Dataset) -> Any:
        return None


@pytest.mark.parametrize("reranker", [Forgetful(), Lost()])
def test_a_reranker_that_cannot_be_described_is_refused_before_anything_is_asked(reranker: Hashed) -> None:
    with pytest.raises(ConfigError, match=r"identity\(\) failed: RuntimeError: who am I|no method score"):
        evaluate(DATASET, FixedRetriever(), [reranker], SETTINGS)
