"""What qualifies the numbers is said, and nothing else: dropped lines, missing judgments and documents, cut texts, short lists."""

from dataclasses import asdict, replace

import pytest

from rerank_eval.findings import Findings, SearchRecall
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, LoadReport, Request, Scores
from tests.fakes import Batched, Constant, FixedRetriever, Hashed, make_dataset

SETTINGS = Settings(depths=(5,), measures=("nDCG@10",), latency=LatencySettings(queries=0))
DATASET = make_dataset(num_queries=20)


def judge_all(dataset: Dataset) -> Dataset:
    """Give every document a grade, so that there is nothing to say about judgments."""
    ids = dataset.corpus.doc_ids
    return replace(
        dataset, qrels={q.query_id: {doc_id: n % 2 for n, doc_id in enumerate(ids)} for q in dataset.queries}
    )


CLEAN = judge_all(DATASET)


def result(
    dataset: Dataset = CLEAN, retriever: FixedRetriever | None = None, reranker: Hashed | None = None
) -> ExperimentResult:
    return evaluate(
        dataset, retriever or FixedRetriever(), [reranker or Hashed()], replace(SETTINGS, max_error_rate=1.0)
    )


def test_nothing_is_said_where_there_is_nothing_to_say() -> None:
    assert list(result().warnings) == []


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (LoadReport(skipped_lines=3), "data: 3 bad lines were skipped"),
        (LoadReport(dropped_duplicates=3), "data: 3 identical duplicates were dropped"),
        (LoadReport(replaced_surrogates=3), "data: 3 texts had lone surrogates, which were replaced"),
        (LoadReport(blank_documents=3), "data: 3 documents are blank"),
        (LoadReport(blank_queries=3), "data: 3 queries are blank"),
        (LoadReport(unjudged_queries=3), "data: 3 queries have no judgment and are not evaluated"),
        (
            LoadReport(unknown_judged_queries=3),
            "data: 3 judged queries are not in the dataset's queries and are not evaluated",
        ),
    ],
)
def test_every_count_of_loading_is_shown(report: LoadReport, message: str) -> None:
    assert list(result(replace(CLEAN, load_report=report)).warnings) == [message]


def test_a_query_without_relevant_documents_counts_as_0_and_is_counted() -> None:
    grades = dict.fromkeys(CLEAN.corpus.doc_ids, 0)
    found = result(replace(CLEAN, qrels={**CLEAN.qrels, "q000": grades}))
    assert list(found.warnings) == ["data: 1 queries have no relevant document; they count as 0"]
    assert found.systems[0].depths[0].measures["nDCG@10"].num_queries == len(CLEAN.queries)
    assert {row.value for row in found.scores if row.query_id == "q000"} == {0.0}


def test_relevant_is_what_the_dataset_calls_relevant() -> None:
    assert (
        "data: 20 queries have no relevant document; they count as 0"
        in result(replace(CLEAN, relevance_level=2)).warnings
    )


def test_a_query_missing_from_the_run_counts_as_0_and_is_counted() -> None:
    found = result(retriever=FixedRetriever(without=["q002"]))
    assert list(found.warnings)[:2] == [
        "candidates: depth 5 asked, 0 available for query q002; 1 of 20 queries have fewer than 5",
        "candidates: the first stage has nothing for 1 of 20 queries; they count as 0",
    ]
    assert found.systems[0].depths[1].measures["nDCG@10"].num_queries == 20
    assert {row.value for row in found.scores if row.query_id == "q002"} == {0.0}


def test_judged_documents_missing_from_the_corpus_are_counted_with_their_share() -> None:
    grades = {**CLEAN.qrels["q000"], "lost": 2, "lost and irrelevant": 0}
    found = result(replace(CLEAN, qrels={**CLEAN.qrels, "q000": grades}))
    assert list(found.warnings) == [
        "data: 1 of 121 judgments of grade 1 and up (0.8%) are of documents that the corpus lacks, so they cannot be found; "
        "the ceiling shows what is reachable"
    ]
    assert found.ceiling[5]["nDCG@10"] is not None
    assert found.ceiling[5]["nDCG@10"] < 1


def test_missing_documents_are_those_that_the_dataset_calls_relevant() -> None:
    grades = {**CLEAN.qrels["q000"], "lost": 2, "lost as well": 1}
    found = result(replace(CLEAN, qrels={**CLEAN.qrels, "q000": grades}, relevance_level=2))
    assert any(warning.startswith("data: 1 of 1 judgments of grade 2 and up (100.0%)") for warning in found.warnings)


@pytest.mark.parametrize(("queries", "said"), [(0, False), (1, True), (2, False)])
def test_latency_without_a_percentile_is_explained(queries: int, said: bool) -> None:
    settings = replace(SETTINGS, latency=LatencySettings(queries=queries))
    found = evaluate(CLEAN, FixedRetriever(), [Hashed()], settings)
    warning = "latency: only 1 query was timed, and a percentile needs 2 or more"
    assert (warning in found.warnings) is said
    assert (found.systems[0].depths[1].latency or {}).get("p50_ms") is None or queries == 2


def test_a_shorter_list_of_candidates_is_said_with_what_there_is() -> None:
    found = evaluate(CLEAN, FixedRetriever(most=7), [Hashed()], replace(SETTINGS, depths=(5, 7, 100)))
    assert list(found.warnings) == [
        "candidates: depth 100 asked, 7 available for query q000; 20 of 20 queries have fewer than 100"
    ]


@pytest.mark.parametrize(
    ("found", "messages"),
    [
        (Findings(skipped_lines=3), ["fixed: 3 bad lines were skipped"]),
        (Findings(dropped_duplicates=3), ["fixed: 3 identical duplicates were dropped"]),
        (Findings(truncated_documents=3), ["fixed: 3 documents are longer than the encoder reads"]),
        (Findings(truncated_queries=3), ["fixed: 3 queries are longer than the encoder reads"]),
        (
            Findings(recall=SearchRecall(0.0, 100, 6)),
            ["fixed: the approximate search finds 0.0% of the exact top 100 (mean over 6 queries)"],
        ),
        (
            Findings(recall=SearchRecall(0.9876, 100, 6)),
            ["fixed: the approximate search finds 98.8% of the exact top 100 (mean over 6 queries)"],
        ),
        (Findings(recall=SearchRecall(0.99, 100, 6)), []),
        (Findings(recall=SearchRecall(1.0, 100, 6)), []),
    ],
)
def test_what_a_first_stage_found_is_in_the_result_and_said_where_it_matters(
    found: Findings, messages: list[str]
) -> None:
    class Finding(FixedRetriever):
        def findings(self, dataset: Dataset) -> Findings:
            return found

    made = result(retriever=Finding())
    assert made.retriever["findings"] == {"fixed": asdict(found)}
    assert list(made.warnings) == messages


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (1, "1 query gives no interval, and no difference of theirs can be significant"),
        (5, "5 queries give no interval, and no difference of theirs can be significant"),
        (6, "6 queries give intervals that are too narrow"),
        (19, "19 queries give intervals that are too narrow"),
    ],
)
def test_too_few_queries_for_intervals_are_said(count: int, message: str) -> None:
    queries = CLEAN.queries[:count]
    found = result(replace(CLEAN, queries=queries, qrels={q.query_id: CLEAN.qrels[q.query_id] for q in queries}))
    (warning,) = found.warnings
    assert warning.startswith(message)
    measure = found.systems[0].depths[1].measures["nDCG@10"]
    assert measure.difference is not None
    assert (measure.low is None, measure.difference["low"] is None) == (count < 6, count < 6)


def test_truncated_pairs_are_counted_with_their_share() -> None:
    class Short(Hashed):
        def score(self, request: Request) -> Scores:
            return replace(super().score(request), truncated=[True] + [False] * 4)

    assert list(result(reranker=Short()).warnings) == [
        "hashed: 20 of 100 pairs (20.0%) were cut, and not shown whole to the model"
    ]


def test_ties_are_counted() -> None:
    assert list(result(reranker=Constant()).warnings) == [
        "hashed: 100.0% of the candidates share their score with another; ties go by doc_id descending"
    ]


def test_failures_at_a_smaller_depth_only_are_said_as_well() -> None:
    class FailsAtTwo(Hashed):
        def score(self, request: Request) -> Scores:
            scores = super().score(request)
            return Scores([]) if (request.query.query_id, len(scores.values)) == ("q000", 2) else scores

    settings = replace(SETTINGS, depths=(2, 5), max_error_rate=1.0)
    found = evaluate(CLEAN, FixedRetriever(), [FailsAtTwo(pointwise=False)], settings)
    assert list(found.warnings) == [
        "hashed: 1 of 20 queries failed and are left out of its means",
        "hashed: means over 19 of 20 queries; they compare with other rows only by the difference to depth 0, "
        "which is over the same queries",
    ]


def test_unjudged_documents_in_the_top_are_said() -> None:
    assert any("of its top 10 are unjudged" in warning for warning in result(DATASET).warnings)


def test_latency_over_too_few_candidates_is_said() -> None:
    settings = replace(SETTINGS, depths=(500,), latency=LatencySettings(queries=2, warmup=0))
    warnings = evaluate(CLEAN, FixedRetriever(), [Hashed()], settings).warnings
    assert "latency: 2 of the 2 timed queries have fewer than 500 candidates, which flatters that depth" in warnings


def test_a_failed_batch_is_said_and_costs_no_score() -> None:
    def fail(_: list[Scores]) -> list[Scores]:
        raise MemoryError("out of memory")

    found = result(reranker=Batched("hashed", spoil=fail))
    (warning,) = found.warnings
    assert warning.startswith(
        "hashed: score_many failed 2 times, and the queries were asked one by one; first: MemoryError: out of memory (test_caveats.py:"
    )
    assert found.runs == result().runs
    assert [row.value for row in found.scores] == [row.value for row in result().scores]
