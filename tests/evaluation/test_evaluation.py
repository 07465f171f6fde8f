"""What is checked before the first query is asked."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rerank_eval.errors import ConfigError, DataError
from rerank_eval.evaluation.evaluation import prepare
from rerank_eval.protocols import SilentProgress
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, Ranking, Run
from tests.fakes import FixedRetriever, Hashed, Recorder, make_dataset

DATASET = make_dataset()
SETTINGS = Settings(depths=(5,), measures=("nDCG@10", "R@5"), latency=LatencySettings(queries=0))


class Weighted(Hashed):
    """Gives its weights for what its scores depend on."""

    def identity(self) -> Mapping[str, object]:
        return {"weights": np.arange(3)}


def test_the_first_stage_is_fixed_over_all_queries_with_full_names_of_measures() -> None:
    progress = Recorder()
    retriever = FixedRetriever(without=["q002"])
    evaluation = prepare(DATASET, retriever, SETTINGS, progress)
    assert list(evaluation.first_stage) == [query.query_id for query in DATASET.queries]
    assert evaluation.first_stage["q002"] == Ranking(())
    assert len(evaluation.first_stage["q000"]) == SETTINGS.first_stage_depth
    assert evaluation.measures == ("nDCG@10", "R@5")
    assert progress.totals == [("first stage: fixed", 1)]
    request = evaluation.request(DATASET.queries[1], 3)
    assert tuple(document.doc_id for document in request.documents) == evaluation.first_stage["q001"].doc_ids[:3]


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"searches": None},
        {"searches": "yes"},
        {"retrieve": None},
        {"identity": None},
        {"identity": {"k1": 1}},
    ],
    ids=str,
)
def test_a_first_stage_that_lacks_something_is_refused_before_anything_is_asked(change: dict[str, object]) -> None:
    asked = []
    whole = {"name": "x", "searches": True, "retrieve": lambda *_: asked.append("first stage"), "identity": dict}
    retriever: Any = SimpleNamespace(**whole | change)
    reranker = Hashed()
    with pytest.raises(
        ConfigError,
        match=r"^the retriever \w+ \(SimpleNamespace\) has no valid \w+; it needs name, searches .* and identity\(\)$",
    ):
        evaluate(DATASET, retriever, [reranker], SETTINGS)
    assert asked == []
    assert reranker.asked == []


@pytest.mark.parametrize("method", ["searches", "identity"])
def test_a_class_without_an_attribute_of_a_first_stage_is_refused_by_its_name(method: str) -> None:
    members = {"name": "mine", "searches": True, "retrieve": FixedRetriever.retrieve, "identity": dict}
    del members[method]
    with pytest.raises(ConfigError, match=rf"^the retriever mine \(Mine\) has no valid {method}; it needs"):
        prepare(DATASET, type("Mine", (), members)(), SETTINGS, SilentProgress())


def test_findings_of_another_kind_are_refused() -> None:
    class Telling(FixedRetriever):
        def findings(self, dataset: Dataset) -> Mapping[str, object]:
            return {"recall": 0.9}

    with pytest.raises(ConfigError, match=r"the retriever fixed: findings\(\) returned dict instead of Findings"):
        prepare(DATASET, Telling(), SETTINGS, SilentProgress())


def test_a_first_stage_with_a_document_of_another_corpus_is_refused_before_a_reranker_is_asked() -> None:
    class Foreign(FixedRetriever):
        def retrieve(self, dataset: Dataset, depth: int) -> Run:
            return {**super().retrieve(dataset, depth), "q004": Ranking.from_order(["d000", "elsewhere"])}

    reranker = Hashed()
    with pytest.raises(DataError, match="document 'elsewhere' for query 'q004', which the corpus lacks"):
        evaluate(DATASET, Foreign(), [reranker], SETTINGS)
    assert reranker.asked == []


def test_an_identity_that_is_not_plain_is_refused_before_anything_is_asked() -> None:
    good, bad = Hashed("good"), Weighted("bad")
    with pytest.raises(ConfigError, match=r"no plain text, number, list or mapping .*ndarray"):
        evaluate(DATASET, FixedRetriever(), [good, bad], SETTINGS)
    assert good.asked == bad.asked == []

    class WeightedRetriever(FixedRetriever):
        def identity(self) -> Mapping[str, object]:
            return {"weights": np.arange(3)}

    with pytest.raises(ConfigError, match=r"no plain text, number, list or mapping .*ndarray"):
        evaluate(DATASET, WeightedRetriever(), [good], SETTINGS)
    assert good.asked == []


def test_what_is_no_dataset_is_refused_before_anybody_sees_it() -> None:
    dataset: Any = {"name": "mine"}
    with pytest.raises(ConfigError, match=r"the dataset's _target_ returned dict, not a rerank_eval\.types\.Dataset"):
        prepare(dataset, FixedRetriever(), SETTINGS, SilentProgress())
    with pytest.raises(ConfigError, match="returned dict, not a"):
        evaluate(dataset, FixedRetriever(), [Oracle()], SETTINGS)
