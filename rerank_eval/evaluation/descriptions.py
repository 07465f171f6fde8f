"""What a result says of the data and the first stage that it was made with."""

from collections.abc import Sequence
from dataclasses import asdict

from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.latency_results import latency_as_json
from rerank_eval.fingerprint import fingerprint
from rerank_eval.latency import LatencySample, summarise
from rerank_eval.types import Dataset


def describe_dataset(dataset: Dataset) -> dict[str, object]:
    """Return the dataset's name, size, conventions, content hash, and what its loader noticed."""
    return {
        "name": dataset.name,
        "split": dataset.split,
        "num_documents": len(dataset.corpus),
        "num_queries": len(dataset.queries),
        "num_judged_queries": len(dataset.qrels),
        "relevance_level": dataset.relevance_level,
        "is_judged": dataset.is_judged,
        "removes_query_document": dataset.removes_query_document,
        "published_bm25": dict(dataset.published_bm25),
        "part_of": dataset.part_of,
        "sha256": dataset.sha256,
        "load_report": asdict(dataset.load_report),
        "reference_answers": _describe_references(dataset),
    }


def _describe_references(dataset: Dataset) -> dict[str, object] | None:
    """Return how many queries have reference answers, and the hash of these; None where none has."""
    answers = {query_id: list(texts) for query_id, texts in dataset.reference_answers.items()}
    return {"num_queries": len(answers), "sha256": fingerprint(answers)} if answers else None


def describe_retriever(evaluation: Evaluation, samples: Sequence[LatencySample]) -> dict[str, object]:
    """Return what the first stage depends on, what it found about itself, and its latency."""
    identity = dict(evaluation.retriever.identity())
    return {
        "name": evaluation.retriever.name,
        "depth": evaluation.settings.first_stage_depth,
        "sha256": fingerprint(identity),
        "identity": identity,
        "findings": {name: asdict(found) for name, found in evaluation.findings.items()},
        "latency": latency_as_json(summarise(samples)),
    }
