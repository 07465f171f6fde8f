"""The candidates that came with the dataset."""

from dataclasses import replace

import pytest

from rerank_eval import evaluate
from rerank_eval.errors import ConfigError
from rerank_eval.evaluation.evaluation import prepare
from rerank_eval.protocols import SilentProgress
from rerank_eval.retrievers.candidates import Candidates
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Ranking
from tests.fakes import FixedRetriever, Hashed, make_dataset

RUN = FixedRetriever().retrieve(make_dataset(), 1000)
DATASET = replace(make_dataset(), first_stage=RUN)
SETTINGS = Settings(depths=(5,), latency=LatencySettings(queries=0))


def test_the_run_of_the_dataset_is_the_first_stage() -> None:
    evaluation = prepare(DATASET, Candidates(), SETTINGS, SilentProgress())
    assert evaluation.first_stage == RUN
    assert evaluation.retriever.name == "candidates"
    assert not evaluation.retriever.searches
    retrieved = evaluation.retriever.retrieve(DATASET, 3)
    assert {query_id: ranking.doc_ids for query_id, ranking in retrieved.items()} == {
        query_id: ranking.doc_ids[:3] for query_id, ranking in RUN.items()
    }


def test_the_result_names_the_run_by_its_hash() -> None:
    hashes = set()
    for run in (RUN, {**RUN, "q001": Ranking(RUN["q001"][:-1])}):
        result = evaluate(replace(DATASET, first_stage=run), Candidates(), [Hashed()], SETTINGS)
        assert result.dataset["sha256"] == make_dataset().sha256
        hashes.add(result.retriever["sha256"])
    assert len(hashes) == 2


def test_the_retriever_itself_is_not_changed() -> None:
    retriever = Candidates()
    before = retriever.identity()
    retriever.for_dataset(DATASET)
    assert retriever.identity() == before
    assert retriever.retrieve(DATASET, 1000) == retriever.for_dataset(DATASET).retrieve(DATASET, 1000) == RUN
    with pytest.raises(ConfigError, match="tiny brings no candidates"):
        retriever.retrieve(make_dataset(), 5)


def test_a_dataset_without_candidates_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"tiny brings no candidates, as dataset=candidates .* retriever=bm25"):
        evaluate(make_dataset(), Candidates(), [Hashed()], SETTINGS)
