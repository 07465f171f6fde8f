"""What a reader must know before trusting a result, in sentences."""

from collections.abc import Mapping, Sequence

from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.quality import Answers
from rerank_eval.findings import Findings
from rerank_eval.latency import FEWEST_FOR_P50, LatencyFailure, LatencySample
from rerank_eval.results.experiment import SystemResult
from rerank_eval.settings import Settings
from rerank_eval.statistics import ENOUGH_FOR_INTERVAL, FEWEST_FOR_INTERVAL
from rerank_eval.store import Store
from rerank_eval.types import Dataset, Run

_DISTURBING_CORES = 0.25
"""What other processes may take while latency is measured before it is worth a warning."""
_EXACT_ENOUGH = 0.99
"""The recall of an approximate search below which it is worth a warning; result.json has it in any case."""


def collect_warnings(
    evaluation: Evaluation,
    answers: Mapping[str, Answers],
    systems: Sequence[SystemResult],
    samples: Sequence[LatencySample],
    latency_failures: Sequence[LatencyFailure],
    cores_of_others: float | None,
    store: Store | None,
) -> list[str]:
    """Return a sentence for each thing that qualifies the numbers; none when there is nothing to say."""
    dataset, first_stage, settings = evaluation.dataset, evaluation.first_stage, evaluation.settings
    warnings = [
        *about_no_judgments(dataset),
        *about_unused_columns(dataset),
        *about_data_and_candidates(evaluation),
        *about_few_queries(len(dataset.queries)),
    ]
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
    warnings += [*_about_latency(first_stage, settings, samples), *about_other_processes(cores_of_others)]
    if store is not None and store.corrupt_rows:
        warnings.append(f"store: {store.corrupt_rows} damaged answers were found and asked again")
    if store is not None and store.moved_aside is not None:
        warnings.append(f"store: the file was damaged; it was moved aside to {store.moved_aside}, and a new one begun")
    return warnings


def about_data_and_candidates(evaluation: Evaluation) -> list[str]:
    """Return the sentences that hold whatever the rerankers are, without what `about_no_judgments` says."""
    return [
        *_about_data(evaluation.dataset),
        *(sentence for name, found in evaluation.findings.items() for sentence in _about_findings(name, found)),
        *_about_candidates(evaluation.dataset, evaluation.first_stage, evaluation.settings),
    ]


def about_no_judgments(dataset: Dataset) -> list[str]:
    """Return what a query log cannot show; nothing where there are judgments."""
    if dataset.is_judged:
        return []
    return [
        "data: the queries have no judgments, so quality is unknown; Kept@k and RBO say how far a ranking moved from the first "
        "stage's (1 is not at all; Kept@10 cannot move at depths up to 10), not whether it is better"
    ]


def about_unused_columns(dataset: Dataset) -> list[str]:
    """Return which columns of a table without judgments were not used: one may have them, or it is a log and that is as it should be."""
    report = dataset.load_report
    if not report.unused_columns:
        return []
    columns = {**report.named_columns, "relevance": report.unused_columns[0]}
    mapping = ", ".join(f"{ours}: {name}" for ours, name in columns.items())
    return [
        f"data: columns not used: {', '.join(report.unused_columns)}; if one has the judgments, name it: 'dataset.columns={{{mapping}}}'"
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
    level = dataset.relevance_level
    relevant = [doc_id for grades in dataset.qrels.values() for doc_id, grade in grades.items() if grade >= level]
    missing = sum(doc_id not in dataset.corpus for doc_id in relevant)
    if missing:
        warnings.append(
            f"data: {missing} of {len(relevant)} judgments of grade {level} and up ({missing / len(relevant):.1%}) are of documents that "
            "the corpus lacks, so they cannot be found; the ceiling shows what is reachable"
        )
    return warnings


def _about_findings(name: str, found: Findings) -> list[str]:
    counts = {
        "bad lines were skipped": found.skipped_lines,
        "identical duplicates were dropped": found.dropped_duplicates,
        "documents are longer than the encoder reads": found.truncated_documents,
        "queries are longer than the encoder reads": found.truncated_queries,
    }
    warnings = [f"{name}: {count} {what}" for what, count in counts.items() if count]
    recall = found.recall
    if recall is not None and recall.value < _EXACT_ENOUGH:
        warnings.append(
            f"{name}: the approximate search finds {recall.value:.1%} of the exact top {recall.depth} (mean over {recall.num_queries} queries)"
        )
    return warnings


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
    return warnings


def about_few_queries(count: int) -> list[str]:
    """Return what so few queries cannot show; nothing where they are enough."""
    if count >= ENOUGH_FOR_INTERVAL:
        return []
    queries = "1 query gives" if count == 1 else f"{count} queries give"
    if count < FEWEST_FOR_INTERVAL:
        return [
            f"{queries} no interval, and no difference of theirs can be significant: that takes {FEWEST_FOR_INTERVAL} queries that all agree; "
            f"take {ENOUGH_FOR_INTERVAL} or more"
        ]
    return [
        f"{queries} intervals that are too narrow, without any width where all have the same value; from {ENOUGH_FOR_INTERVAL} on they "
        "hold what they promise"
    ]


def _about_latency(first_stage: Run, settings: Settings, latency: Sequence[LatencySample]) -> list[str]:
    timed = {sample.query_id for sample in latency}
    depth = settings.depths[-1]
    short = sum(len(first_stage[query_id]) < depth for query_id in timed)
    warnings = []
    if 0 < len(timed) < FEWEST_FOR_P50:
        warnings.append(f"latency: only {len(timed)} query was timed, and a percentile needs {FEWEST_FOR_P50} or more")
    if short:
        warnings.append(
            f"latency: {short} of the {len(timed)} timed queries have fewer than {depth} candidates, which flatters that depth"
        )
    return warnings


def about_other_processes(cores: float | None) -> list[str]:
    """Return what other processes took of the cores during the latency pass, where it is too much; nothing where it is not known."""
    if cores is None or cores <= _DISTURBING_CORES:
        return []
    return [
        f"latency: other processes kept {cores:.1f} cores busy on average while it was measured; unless they work for a reranker, it is "
        "longer than on an idle machine, perhaps many times: measure again when nothing else runs"
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
            f"{system.name}: {deepest.truncated_pairs} of {deepest.num_pairs} pairs ({share:.1%}) were cut, and not shown whole to the model"
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
