"""The quality pass: every query, answers reused from the store, one pass for all depths where that is exact."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from rerank_eval.candidates import check_scores, explain_exception, explain_failure, shown_to
from rerank_eval.clock import Clock
from rerank_eval.errors import RunStoppingError, StoreError, TooManyFailuresError
from rerank_eval.evaluation.systems import System
from rerank_eval.fingerprint import answer_key
from rerank_eval.protocols import BatchReranker, Progress, Reranker
from rerank_eval.store import Store
from rerank_eval.threads import work_in_threads
from rerank_eval.types import Query, Request, Scores

CHUNK = 16
"""Requests given to `score_many` at once. Chunks are fixed, so that a resumed run asks in the same batches."""


class Failure(NamedTuple):
    """A query that a reranker could not answer when it was asked for `depth` candidates."""

    query_id: str
    depth: int
    message: str


@dataclass
class Answers:
    """What one system answered: scores by (depth asked, query_id); pointwise systems are asked at the largest depth only."""

    asked_depths: tuple[int, ...]
    scores: dict[tuple[int, str], Scores] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    reused: set[tuple[int, str]] = field(default_factory=set)
    batch_failures: list[str] = field(default_factory=list)
    begun: str = field(default_factory=lambda: Clock().utc().isoformat(timespec="milliseconds"))
    """Before the first answer of this run; in the form of `CallTiming.started`."""

    @property
    def num_resumed(self) -> int:
        """The number of queries of which every answer is an earlier run's; one that two systems of this run share is not."""
        resumed = {key for key in self.reused if all(call.started < self.begun for call in self.scores[key].calls)}
        queries = {query_id for _, query_id in resumed}
        return sum(all((depth, query_id) in resumed for depth in self.asked_depths) for query_id in queries)

    @property
    def num_failed(self) -> int:
        """The number of queries that failed at any depth."""
        return len({failure.query_id for failure in self.failures})

    def at(self, depth: int, query_id: str) -> Scores | None:
        """Return the scores of the top `depth` candidates, or None if the query failed or was not reached."""
        asked_depth = depth if depth in self.asked_depths else self.asked_depths[-1]
        scores = self.scores.get((asked_depth, query_id))
        if scores is None or len(scores.values) <= depth:
            return scores
        truncated = None if scores.truncated is None else scores.truncated[:depth]
        # how long that took is known of the asked depth only
        return Scores(scores.values[:depth], scores.usage, truncated)


def answer_queries(
    system: System,
    queries: Sequence[Query],
    make_request: Callable[[Query, int], Request],
    store: Store | None,
    progress: Progress,
    answers: Answers,
    max_error_rate: float,
) -> None:
    """Fill `answers` with scores or a failure for every query at every asked depth.

    `answers` is filled as they come, so that an interrupt loses only what is in flight. A system that asks a provider, where each failure
    may take minutes of retries and cost something, is asked no further once more of its queries than `max_error_rate` have failed.

    Raises:
        StoreError: an answer cannot be kept.
        RunStoppingError: a provider cannot or must not be asked further.
        TooManyFailuresError: as above.
    """
    # a provider's answers are kept by the calls, as they came, and nobody is asked for the first stage's order
    keeps_scores = store is not None and system.calls is None and not system.keeps_order
    fingerprint = system.fingerprint if keeps_scores else None
    progress.start(f"{system.name}: requests", len(queries) * len(answers.asked_depths))
    size = max(CHUNK, 4 * system.reranker.concurrency)
    for depth in answers.asked_depths:
        for start in range(0, len(queries), size):
            missing = []
            for query in queries[start : start + size]:
                request = shown_to(system.reranker, make_request(query, depth))
                kept = _reuse(store, fingerprint, request)
                if kept is None:
                    missing.append(request)
                else:
                    answers.scores[depth, query.query_id] = kept
                    if request.documents:
                        answers.reused.add((depth, query.query_id))
                    progress.advance()
            for group in _answer(system, missing, answers):
                finished = [(request, outcome) for request, outcome in group if isinstance(outcome, Scores)]
                if store is not None and fingerprint is not None:
                    store.put(system.name, [(answer_key(fingerprint, r), r, scores) for r, scores in finished])
                for request, outcome in group:
                    if isinstance(outcome, Scores):
                        answers.scores[depth, request.query.query_id] = outcome
                        if outcome.calls and all(call.reused for call in outcome.calls):
                            answers.reused.add((depth, request.query.query_id))
                    else:
                        answers.failures.append(Failure(request.query.query_id, depth, outcome))
                progress.advance(len(group))
                if system.calls is not None and answers.num_failed / len(queries) > max_error_rate:
                    raise TooManyFailuresError(
                        f"{system.name}: {answers.num_failed} of {len(queries)} queries failed, more than a share of {max_error_rate:g} "
                        f"(max_error_rate, in further passes at least 0.5); the first: {answers.failures[0].message}"
                    )


def _reuse(store: Store | None, fingerprint: str | None, request: Request) -> Scores | None:
    if not request.documents:
        return Scores([])
    if store is None or fingerprint is None:
        return None
    kept = store.get(answer_key(fingerprint, request))
    return kept if kept is not None and len(kept.values) == len(request.documents) else None


def _answer(system: System, requests: list[Request], answers: Answers) -> Iterator[list[tuple[Request, Scores | str]]]:
    """Yield groups of requests with their scores, or with the message of what went wrong, as they are finished."""
    reranker = system.reranker
    if not requests:
        return
    if isinstance(reranker, BatchReranker):
        try:
            batch = list(reranker.score_many(requests))
            yield [(r, check_scores(system.name, r, scores)) for r, scores in zip(requests, batch, strict=True)]
            return
        except Exception as error:  # any adapter may raise anything; asking one by one names the query
            answers.batch_failures.append(explain_exception(error))
    if reranker.concurrency == 1 and system.calls is None:
        for request in requests:
            yield [(request, _try_one(system.name, reranker, request))]
        return
    stop = None if system.calls is None else system.calls.stop
    work = partial(_try_one, system.name, reranker)
    for request, outcome in work_in_threads(work, requests, reranker.concurrency, stop):
        yield [(request, outcome)]


def _try_one(name: str, reranker: Reranker, request: Request) -> Scores | str:
    try:
        return check_scores(name, request, reranker.score(request))
    except BaseException as error:  # any adapter may raise anything, SystemExit too; the query fails and is counted
        if isinstance(error, KeyboardInterrupt | RunStoppingError | StoreError):
            raise
        return explain_failure(name, request, error)
