"""A dataset with reference answers, and what asks for them; the server is `chat_server`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rerank_eval.answers.answerer import Answerer
from rerank_eval.calls.claude import Claude
from rerank_eval.configuration import CONF
from rerank_eval.results.depth_results import AnswerResult
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset
from tests.fakes import make_dataset
from tests.fault_server import relevance

USD = (80 * 0.10 + 20 * 0.01 + 5 * 0.50) / 1e6  # of one call, by what the server counts and conf/prices.yaml has


def with_answers(dataset: Dataset) -> Dataset:
    """The right answer to a query is the text of the document that the server thinks the best of all."""
    best = {
        query.query_id: max(dataset.corpus.texts(), key=lambda text: relevance(query.text, text))
        for query in dataset.queries
    }
    return replace(dataset, reference_answers={query_id: ["something else", text] for query_id, text in best.items()})


DATASET = with_answers(make_dataset())
NUM_QUERIES = len(DATASET.queries)


def settings_for(tmp_path: Path, **changes: Any) -> Settings:
    base: dict[str, Any] = {
        "depths": (4, 12),
        "latency": LatencySettings(queries=0),
        "prices_path": CONF / "prices.yaml",
    }
    return Settings(**base | {"store_path": tmp_path / "s.sqlite"} | changes)


def answerer_at(url: str, calls: Mapping[str, Any] | None = None, **settings: Any) -> Answerer:
    return Answerer(Claude("claude-haiku-5-5", url, calls=calls), **{"context": 2, **settings})


def answers_of(result: ExperimentResult, system: int = 0) -> dict[int, AnswerResult]:
    return {depth.depth: depth.answer for depth in result.systems[system].depths if depth.answer is not None}


def contexts_of(result: ExperimentResult, system: str, depth: int, size: int = 2) -> dict[str, tuple[str, ...]]:
    return {query_id: ranking.doc_ids[:size] for query_id, ranking in result.runs[system, depth].items()}
