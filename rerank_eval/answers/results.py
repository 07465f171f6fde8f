"""Replies + reference answers + judgments -> how good the context is, how right the answers are, and what the whole chain took."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from rerank_eval.answers.answerer import Answerer, Reply
from rerank_eval.answers.answering import Question, Replies, find_contexts
from rerank_eval.answers.measures import exact_match, token_f1
from rerank_eval.calls.prices import Prices
from rerank_eval.evaluation.aggregate import Evaluated, sum_usage
from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.latency_results import add_first_stage, latency_as_json
from rerank_eval.evaluation.measure_results import measure_by_depth
from rerank_eval.evaluation.provider_calls import cost_usd, describe_calls
from rerank_eval.evaluation.quality import Answers
from rerank_eval.evaluation.systems import System
from rerank_eval.latency import LatencySample, summarise
from rerank_eval.measures import parse_measures, score_run
from rerank_eval.results.depth_results import AnswerResult, MeasureResult
from rerank_eval.results.experiment import AnswerRow
from rerank_eval.types import CallTiming, Ranking, Run, Usage, total_nanoseconds

_CHAIN = ("calls", "input_tokens", "output_tokens")


class Latencies(NamedTuple):
    """The samples of the run: of the rerankers, which may be of several systems, and of the first stage."""

    samples: Sequence[LatencySample]
    first_stage: Sequence[LatencySample]


def add_answers(
    evaluation: Evaluation,
    answerer: Answerer,
    system: System,
    evaluated: Evaluated,
    answers: Answers,
    replies: Replies,
    latencies: Latencies,
    prices: Prices,
) -> Evaluated:
    """Return the system with what was answered at depth 0 and at each depth that is answered at, where that was reached."""
    depths = answerer.depths_among(evaluation.settings.depths)
    questions = {depth: find_contexts(evaluation, answerer, evaluated.runs[system.name, depth]) for depth in depths}
    rows = {
        depth: [
            _make_row(question, system.name, depth, replies, evaluation.dataset.reference_answers)
            for question in questions[depth]
            if question in replies.found or question in replies.failures
        ]
        for depth in depths
    }
    measured = _measure(evaluation, answerer.context, rows)
    results = []
    for depth in evaluated.result.depths:
        if rows.get(depth.depth):
            found = {q.query.query_id: replies.found[q] for q in questions[depth.depth] if q in replies.found}
            answer = AnswerResult(
                context=answerer.context,
                num_queries=len(found),
                measures=measured[depth.depth],
                unanswered=sum(reply.text == "" for reply in found.values()),
                unusable=sum(reply.text is None for reply in found.values()),
                failures=len(rows[depth.depth]) - len(found),
                usage=_usage([reply.usage for reply in found.values()], _timings(found.values()), prices),
                chain=_chain(system, answers, depth.depth, found, prices),
                latency=latency_as_json(summarise(_answer_samples(system.name, depth.depth, found)), "recorded"),
                chain_latency=latency_as_json(
                    summarise(_chain_samples(system.name, depth.depth, found, latencies)), "recorded"
                ),
            )
            depth = replace(depth, answer=answer)
        results.append(depth)
    result = replace(evaluated.result, depths=results)
    return evaluated._replace(result=result, answers=[row for depth in depths for row in rows[depth]])


def describe_answers(replies: Replies) -> list[str]:
    """Return sentences on how the answers' latency was recorded, and on the questions that got no answer."""
    sentences = describe_calls("answers", _timings(replies.found.values()))
    if replies.failures:
        asked = len(replies.failures) + len(replies.found)
        sentences.append(
            f"answers: {len(replies.failures)} of {asked} questions got none and are left out; the first: {min(replies.failures.values())}"
        )
    return sentences


def _make_row(
    question: Question, system: str, depth: int, replies: Replies, references: Mapping[str, Sequence[str]]
) -> AnswerRow:
    query_id = question.query.query_id
    reply = replies.found.get(question)
    if reply is None:
        return AnswerRow(query_id, system, depth, question.doc_ids, None, None, None, None)
    text = reply.text
    return AnswerRow(
        query_id,
        system,
        depth,
        question.doc_ids,
        text,
        exact_match(text, references[query_id]) if text else 0.0,
        token_f1(text, references[query_id]) if text else 0.0,
        total_nanoseconds(reply.timings),
    )


def _measure(
    evaluation: Evaluation, context: int, rows: Mapping[int, Sequence[AnswerRow]]
) -> dict[int, dict[str, MeasureResult]]:
    values = {depth: _context_values(evaluation, context, own) | _answer_values(own) for depth, own in rows.items()}
    return measure_by_depth(values, evaluation.settings.seed)


def _context_values(evaluation: Evaluation, context: int, rows: Sequence[AnswerRow]) -> dict[str, Mapping[str, float]]:
    """Return the share of the context's places that a relevant document has, and of the relevant documents that are there.

    Empty without judgments.
    """
    dataset = evaluation.dataset
    if not dataset.is_judged:
        return {}
    run: Run = {row.query_id: Ranking.from_order(row.doc_ids) for row in rows}
    names = parse_measures([f"P@{context}", f"R@{context}"], dataset.relevance_level)
    values = score_run(run, {query_id: dataset.qrels[query_id] for query_id in run}, names)
    return {
        f"context_{kind}@{context}": values[name] for kind, name in zip(("precision", "recall"), names, strict=True)
    }


def _answer_values(rows: Sequence[AnswerRow]) -> dict[str, Mapping[str, float]]:
    return {
        "exact_match": {row.query_id: row.exact_match for row in rows if row.exact_match is not None},
        "token_f1": {row.query_id: row.token_f1 for row in rows if row.token_f1 is not None},
    }


def _timings(replies: Iterable[Reply]) -> list[CallTiming]:
    return [call for reply in replies for call in reply.timings]


def _usage(usages: Sequence[Usage], calls: Sequence[CallTiming], prices: Prices) -> dict[str, int | float | None]:
    return sum_usage(usages) | {"usd": cost_usd(prices, calls)}


def _chain(
    system: System, answers: Answers, depth: int, found: Mapping[str, Reply], prices: Prices
) -> dict[str, int | float | None]:
    """Return what providers were asked for reranking and answering; None where the reranker was not asked at this depth."""
    usages, calls = [reply.usage for reply in found.values()], _timings(found.values())
    if depth and system.asks_provider:
        if depth not in answers.asked_depths:
            return dict.fromkeys((*_CHAIN, "usd"))
        for scores in (answers.scores[depth, query_id] for query_id in found):
            calls += scores.calls
            if scores.is_timed and scores.values:  # with calls that were refused as too long
                usages.append(scores.usage)
            else:  # without what this machine did
                usages += [call.usage for call in scores.calls]
    usage = _usage(usages, calls, prices)
    return {name: usage[name] for name in (*_CHAIN, "usd")}


def _answer_samples(system: str, depth: int, found: Mapping[str, Reply]) -> list[LatencySample]:
    times = [(query_id, total_nanoseconds(reply.timings)) for query_id, reply in found.items()]
    return [
        LatencySample(query_id, system, depth, nanoseconds, position)
        for position, (query_id, nanoseconds) in enumerate(times)
        if nanoseconds is not None
    ]


def _chain_samples(system: str, depth: int, found: Mapping[str, Reply], latencies: Latencies) -> list[LatencySample]:
    """Return first stage, reranker and answer in a row, for each repetition of a query of which all are known."""
    answered = {sample.query_id: sample.nanoseconds for sample in _answer_samples(system, depth, found)}
    ranked = list(latencies.first_stage)
    if depth:
        own = [sample for sample in latencies.samples if (sample.system, sample.depth) == (system, depth)]
        ranked = add_first_stage(own, latencies.first_stage)
    return [
        sample._replace(nanoseconds=sample.nanoseconds + answered[sample.query_id])
        for sample in ranked
        if sample.query_id in answered
    ]
