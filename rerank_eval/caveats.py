"""What a reader must know before trusting a result, in sentences."""

from collections.abc import Mapping, Sequence

from rerank_eval.evaluation import Evaluation
from rerank_eval.latency import LatencyFailure, LatencySample
from rerank_eval.protocols import HasLoadReport, Retriever
from rerank_eval.quality import Answers
from rerank_eval.results import SystemResult
from rerank_eval.settings import Settings
from rerank_eval.store import Store
from rerank_eval.types import Dataset, Run


def collect_warnings(
    evaluation: Evaluation,
    answers: Mapping[str, Answers],
    systems: Sequence[SystemResult],
    samples: Sequence[LatencySample],
    latency_failures: Sequence[LatencyFailure],
    store: Store | None,
) -> list[str]:
    """Return a sentence for each thing that qualifies the numbers; none when there is nothing to say."""
    dataset, first_stage, settings = evaluation.dataset, evaluation.first_stage, evaluation.settings
    warnings = about_data_and_candidates(evaluation)
    for system in systems:
        warnings += _about_system(system, len(dataset.queries))
        if messages := answers[system.name].batch_failures:
            warnings.append(
                f"{system.name}: score_many failed {len(messages)} times, and the queries were asked one by one; first: {messages[0]}"
            )
        if failed := [failure.message for failure in latency_failures if failure.system == system.name]:
            warnings.append(
                f"{system.name}: {len(failed)} calls of the latency pass failed and are not among its samples; first: {failed[0]}"
            )
    warnings += _about_latency(first_stage, settings, samples)
    if store is not None and store.corrupt_rows:
        warnings.append(f"store: {store.corrupt_rows} damaged answers were found and asked again")
    if store is not None and store.moved_aside is not None:
        warnings.append(f"store: the file was damaged; it was moved aside to {store.moved_aside}, and a new one begun")
    return warnings


def about_data_and_candidates(evaluation: Evaluation) -> list[str]:
    """Return the sentences that hold whatever the rerankers are."""
    return [
        *_about_data(evaluation.dataset),
        *_about_retriever(evaluation.retriever),
        *(f"{evaluation.retriever.name}: {name}: {value}" for name, value in evaluation.findings.items() if value),
        *_about_candidates(evaluation.dataset, evaluation.first_stage, evaluation.settings),
    ]


def _about_data(dataset: Dataset) -> list[str]:
    report = dataset.load_report
    counts = {
        "bad lines were skipped": report.skipped_lines,
        "identical duplicates were dropped": report.dropped_duplicates,
        "texts had lone surrogates, which were replaced": report.replaced_surrogates,
        "documents are blank": report.blank_documents,
        "queries are blank": report.blank_queries,
        "queries have no judgment and are not evaluated": report.unjudged_queries,
        "judged queries are not in the dataset's queries and are not evaluated": report.unknown_judged_queries,
        "queries have no relevant document; they count as 0": sum(
            not any(grade >= dataset.relevance_level for grade in grades.values()) for grades in dataset.qrels.values()
        ),
    }
    warnings = [f"data: {count} {what}" for what, count in counts.items() if count]
    if not dataset.is_judged:
        warnings.append(
            "data: the queries have no judgments, so quality is unknown; Kept@k and RBO say how far a ranking moved from the first "
            "stage's (1 is not at all), not whether it is better"
        )
    judged = [doc_id for grades in dataset.qrels.values() for doc_id, grade in grades.items() if grade > 0]
    missing = sum(doc_id not in dataset.corpus for doc_id in judged)
    if missing:
        warnings.append(
            f"data: {missing} of {len(judged)} documents judged above 0 ({missing / len(judged):.1%}) are missing from the corpus "
            "and cannot be found; the ceiling shows what is reachable"
        )
    return warnings


def _about_retriever(retriever: Retriever) -> list[str]:
    if not isinstance(retriever, HasLoadReport):
        return []
    counts = {
        "bad lines were skipped": retriever.load_report.skipped_lines,
        "identical duplicates were dropped": retriever.load_report.dropped_duplicates,
    }
    return [f"{retriever.name}: {count} {what}" for what, count in counts.items() if count]


def _about_candidates(dataset: Dataset, first_stage: Run, settings: Settings) -> list[str]:
    warnings = []
    found = {query.query_id: len(first_stage[query.query_id]) for query in dataset.queries}
    depth = settings.depths[-1]
    short = {query_id: count for query_id, count in found.items() if count < depth}
    if short:
        query_id, count = min(short.items(), key=lambda item: (item[1], item[0]))
        warnings.append(
            f"candidates: depth {depth} asked, {count} available for query {query_id}; {len(short)} of {len(found)} queries have "
            f"fewer than {depth}"
        )
    empty = sum(not count for count in found.values())
    if empty:
        value = "0" if dataset.is_judged else "unchanged"
        warnings.append(
            f"candidates: the first stage has nothing for {empty} of {len(found)} queries; they count as {value}"
        )
    if len(found) < 2:
        warnings.append("one query gives no interval")
    return warnings


def _about_latency(first_stage: Run, settings: Settings, latency: Sequence[LatencySample]) -> list[str]:
    timed = {sample.query_id for sample in latency}
    depth = settings.depths[-1]
    short = sum(len(first_stage[query_id]) < depth for query_id in timed)
    if not short:
        return []
    return [
        f"latency: {short} of the {len(timed)} timed queries have fewer than {depth} candidates, which flatters that depth"
    ]


def _about_system(system: SystemResult, num_queries: int) -> list[str]:
    warnings = []
    deepest = system.depths[-1]
    if failures := max(depth.failures for depth in system.depths):
        warnings.append(f"{system.name}: {failures} of {num_queries} queries failed and are left out of its means")
    answered = min(measure.num_queries for depth in system.depths for measure in depth.measures.values())
    if answered < num_queries:
        warnings.append(
            f"{system.name}: means over {answered} of {num_queries} queries; they compare with other rows only by the difference to depth 0, "
            "which is over the same queries"
        )
    if deepest.truncated_pairs:
        share = deepest.truncated_pairs / deepest.num_pairs
        warnings.append(
            f"{system.name}: {deepest.truncated_pairs} of {deepest.num_pairs} pairs ({share:.1%}) are longer than the model reads"
        )
    if deepest.tie_rate:
        warnings.append(
            f"{system.name}: {deepest.tie_rate:.1%} of the candidates share their score with another; ties go by doc_id descending"
        )
    judged = [depth.judged_at_10 for depth in system.depths[1:] if depth.judged_at_10 is not None]
    if judged and min(judged) < 0.9:
        warnings.append(
            f"{system.name}: up to {1 - min(judged):.0%} of its top 10 are unjudged and count as not relevant (judged@10 per depth is in result.json)"
        )
    return warnings
