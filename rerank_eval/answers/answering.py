"""The answer pass: a language model answers queries from the first documents of every ranking that is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rerank_eval.answers.answerer import Answerer, Reply
from rerank_eval.calls.types import Calls
from rerank_eval.errors import DataError, RerankerError
from rerank_eval.evaluation.aggregate import reranked_run
from rerank_eval.evaluation.evaluation import Evaluation
from rerank_eval.evaluation.quality import Answers
from rerank_eval.protocols import Progress
from rerank_eval.threads import work_in_threads
from rerank_eval.types import Dataset, Query, Run


class Question(NamedTuple):
    """A query with its context: the same documents in the same order make the same question, whichever systems put them there."""

    query: Query
    doc_ids: tuple[str, ...]


@dataclass
class Replies:
    """What was answered so far, and the message of each question that the provider gave no answer to."""

    found: dict[Question, Reply] = field(default_factory=dict)
    failures: dict[Question, str] = field(default_factory=dict)


def check_answerable(answerer: Answerer, dataset: Dataset, depths: Sequence[int]) -> None:
    """Check that there is something to compare answers with, and a ranking at each depth to answer from.

    Raises:
        DataError: the dataset has no reference answers.
        ConfigError: a depth is not evaluated.
    """
    if not dataset.reference_answers:
        raise DataError(
            f"{dataset.name} has no reference answers, which the setting answer needs; with dataset=beir_dir put them into answers.jsonl, "
            '{"query_id": "q1", "answers": ["90 days", "three months"]} a line; or leave answer out'
        )
    answerer.depths_among(depths)


def find_contexts(evaluation: Evaluation, answerer: Answerer, run: Run) -> list[Question]:
    """Return the questions of one run: for each query with reference answers that the run has, its first documents."""
    return [
        Question(query, run[query.query_id].doc_ids[: answerer.context])
        for query in evaluation.dataset.queries
        if query.query_id in evaluation.dataset.reference_answers and query.query_id in run
    ]


def answer_from_contexts(
    evaluation: Evaluation,
    answerer: Answerer,
    answers: Mapping[str, Answers],
    calls: Calls,
    progress: Progress,
    replies: Replies,
) -> None:
    """Fill `replies` for the first stage and for every system at every depth that is answered at; each question is asked once.

    Raises:
        RunStoppingError, StoreError: a provider cannot or must not be asked further, or its answer cannot be kept.
    """
    dataset, first_stage = evaluation.dataset, evaluation.first_stage
    questions = dict.fromkeys(find_contexts(evaluation, answerer, first_stage))
    for depth in answerer.depths_among(evaluation.settings.depths)[1:]:
        for found in answers.values():
            run = reranked_run(found, first_stage, dataset, depth)
            questions |= dict.fromkeys(find_contexts(evaluation, answerer, run))

    def work(question: Question) -> Reply | str:
        texts = [dataset.corpus.text(doc_id) for doc_id in question.doc_ids]
        try:
            return answerer.answer(calls, question.query.text, texts)
        except RerankerError as error:
            return f"query {question.query.query_id}: {error}"

    progress.start("answers from context", len(questions))
    for question, outcome in work_in_threads(work, questions, answerer.concurrency, calls.stop):
        if isinstance(outcome, str):
            replies.failures[question] = outcome
        else:
            replies.found[question] = outcome
        progress.advance()
    kept = sum(bool(reply.timings) and all(call.reused for call in reply.timings) for reply in replies.found.values())
    if kept:
        progress.note(f"answers from context: resumed {kept} of {len(questions)} from the store")
