"""The one way to a provider: kept answers first, then paced and retried attempts within the budget, every one recorded."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from rerank_eval.calls.acceptance import Acceptance
from rerank_eval.calls.attempts import Question, Sent, maybe_billed
from rerank_eval.calls.batches import BatchDesks, UnnamedBatchError, check_has_store
from rerank_eval.calls.budget import Budget
from rerank_eval.calls.estimates import Estimates
from rerank_eval.calls.kept_answers import AnswerKeeper, Check, read_answer, read_batch
from rerank_eval.calls.pace import Pace
from rerank_eval.calls.prices import Prices
from rerank_eval.calls.retry import NotAcceptedError, RetryNotes, TryAgainError, read_reply, retrying
from rerank_eval.calls.types import (
    Answer,
    Attempt,
    AttemptFailedError,
    Body,
    Endpoint,
    NotReachedError,
    Outcome,
    Reply,
    call_key,
)
from rerank_eval.clock import Clock
from rerank_eval.errors import ProviderBusyError, RefusedError, RerankerError, RunStoppingError, StoreError

_NO_DEADLINE_S = 1e8
"""A batch takes as long as it takes."""
_SHORTEST_S = 0.05
"""Of an attempt that begins just at the deadline."""


class ApiClient:
    """Asks providers for all rerankers of a run; `types.Calls` says how it is used. Thread-safe.

    The same question is asked once, also when two threads have it at the same time. With an `AnswerKeeper`, an answer is on the disk
    before anybody sees it. The first error that makes further calls senseless ends all of them: every later `ask` raises it again.
    """

    def __init__(
        self,
        keeper: AnswerKeeper | None = None,
        budget: Budget | None = None,
        clock: Clock | None = None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take where answers are kept, None for nowhere, the budget, None for one without a limit, and who is told of retries and batches."""
        self._keeper = keeper
        self._budget = budget or Budget(Prices())
        self._estimates = Estimates(keeper)
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._notes = RetryNotes(note)
        self._ended_by: RunStoppingError | StoreError | None = None
        self._asked: dict[str, Future[Answer]] = {}
        self._paces: dict[tuple[str, str], Pace] = {}
        self._acceptance = Acceptance(self._clock, self._stopped)
        self._reached: set[tuple[str, str]] = set()
        self._in_flight = 0
        self._faults: Counter[tuple[str, str]] = Counter()
        self._desks = BatchDesks(keeper, self._clock, self._stopped, note)

    @property
    def faults(self) -> Counter[tuple[str, str]]:
        """How often each (provider, fault) came, retried or not."""
        return self._faults + self._desks.faults

    @property
    def waiting(self) -> Counter[tuple[str, str]]:
        """How many questions are out in each (provider, batch)."""
        return self._desks.waiting

    def stop(self) -> None:
        """End all waits: nothing more is sent, what is in flight is still received and kept; what is out in a batch stays there."""
        self._stopped.set()
        self._desks.stop()
        self._acceptance.stop()

    def ask(self, endpoint: Endpoint, body: Body, check: Check, sample: int = 0) -> Answer:
        """Return the provider's answer; see `types.Calls.ask`.

        Raises:
            RerankerError: there is no usable answer; this query fails.
            RunStoppingError: asking further makes no sense, or is not allowed.
        """
        key = call_key(endpoint, body, sample)
        with self._lock:
            future = self._asked.get(key)
            first = future is None
            future = self._asked.setdefault(key, Future())
        if not first:
            return replace(future.result(), reused=True)
        try:
            answer = self._find_or_ask(key, endpoint, body, check)
        except BaseException as error:
            if isinstance(error, RunStoppingError | StoreError):
                self._end(error)
            future.set_exception(error)
            raise
        else:
            future.set_result(answer)
            return answer
        finally:
            with self._lock:
                del self._asked[key]

    def _end(self, error: RunStoppingError | StoreError) -> None:
        with self._lock:
            self._ended_by = self._ended_by or error
        self.stop()

    def _find_or_ask(self, key: str, endpoint: Endpoint, body: Body, check: Check) -> Answer:
        text = None if self._keeper is None else self._keeper.get_call(key)
        answer = read_answer(endpoint, text, check)
        if answer is None:
            check_has_store(endpoint, self._keeper is not None)
            self._budget.check_known(endpoint)
            batch = None if endpoint.batches is None else read_batch(text)
            answer = self._ask_until_answered(key, endpoint, body, batch)
            try:
                check(answer.body)
            except RerankerError:
                if answer.in_batch:  # otherwise its batch would be fetched for it again
                    self._keep(key, endpoint, answer)
                raise
            self._keep(key, endpoint, answer)
        self._acceptance.accepted(endpoint.place)
        return replace(answer, provider=endpoint.billed_as(answer.in_batch), model=endpoint.model, key=key)

    def _keep(self, key: str, endpoint: Endpoint, answer: Answer) -> None:
        if self._keeper is not None:
            self._keeper.put_call(key, endpoint.provider, endpoint.model, answer.encode())

    def _ask_until_answered(self, key: str, endpoint: Endpoint, body: Body, batch: str | None) -> Answer:
        """Return the answer; `batch` is where the question is out already, which counts as the first attempt."""
        attempts: list[Attempt] = []
        question = Question(key, endpoint, body, endpoint.estimate(body), batch)
        begun_ns = self._clock.now_ns()
        waited_s = turns_s = 0.0

        def elapsed_s() -> float:
            """Return the seconds since the question came, without those spent on waiting for a turn."""
            return (self._clock.now_ns() - begun_ns) / 1e9 - turns_s

        def sleep(seconds: float) -> None:
            nonlocal waited_s
            waited_s = seconds
            self._notes.tell(endpoint, attempts[-1], seconds)
            self._clock.wait(seconds, self._stopped)

        def attempt() -> Answer:
            nonlocal turns_s
            is_out = batch is not None and not attempts
            turn_s = 0.0 if is_out or endpoint.asks_in_batches else self._wait_for_turn(question)
            turns_s += turn_s
            timeout_s = min(settings.timeout_s, max(_SHORTEST_S, settings.deadline_s - elapsed_s()))
            return self._attempt(question, attempts, waited_s + turn_s, timeout_s, is_out)

        settings = endpoint.settings
        if batch is not None or endpoint.asks_in_batches:
            settings = replace(settings, deadline_s=_NO_DEADLINE_S)
        try:
            with self._acceptance.asking(endpoint.place):
                return retrying(settings, key, elapsed_s, sleep)(attempt)
        except TryAgainError as error:
            fault = f"{error}"
        except NotAcceptedError as error:
            if self._acceptance.has_accepted(endpoint.place):
                raise
            self._check_going()
            fault = f"{error}; it has accepted none yet, so the settings are more likely wrong than this query"
            raise RefusedError(fault) from None
        if endpoint.place not in self._reached:  # every query would wait for it in vain
            raise ProviderBusyError(
                f"{endpoint.provider} cannot be reached at {endpoint.url}: {fault}; is it running, and the address right?"
            )
        raise RerankerError(
            f"{endpoint.provider} gave no answer in {len(attempts)} attempts over {elapsed_s():.0f} s; the last one: {fault}"
        )

    def _wait_for_turn(self, question: Question) -> float:
        """Return when the question may be sent, with the seconds waited for that."""
        tokens = self._estimates.correct(question.endpoint, question.estimate).input_tokens
        return self._pace(question.endpoint).wait_for_turn(tokens or 0)

    def _attempt(
        self, question: Question, attempts: list[Attempt], waited_s: float, timeout_s: float, is_out: bool
    ) -> Answer:
        """Return the answer of one attempt, which is added to `attempts`, also when it fails; `is_out`: in its batch already."""
        key, endpoint, body, estimate, batch = question
        pace = self._pace(endpoint)
        desk = self._desks.of(endpoint) if is_out or endpoint.asks_in_batches else None
        self._check_going()
        reserved = 0.0 if is_out else self._budget.reserve(endpoint, self._estimates.correct(endpoint, estimate))
        try:
            if desk is None:
                sent = self._send(lambda: endpoint.send(body, timeout_s))
            elif is_out and batch is not None:
                sent = self._send(lambda: desk.fetch(key, batch))
            else:
                sent = self._send(lambda: desk.ask(key, body))
        except BaseException as error:
            if isinstance(error, UnnamedBatchError):
                self._budget.lose(endpoint, reserved)
            else:
                self._budget.release(reserved)
            raise
        if not isinstance(sent.outcome, NotReachedError):
            self._reached.add(endpoint.place)
        reply = sent.outcome if isinstance(sent.outcome, Reply) else None
        noted = Attempt(
            status=None if reply is None else reply.status,
            fault=None,
            waited_s=waited_s,
            nanoseconds=sent.nanoseconds,
            sent_bytes=len(json.dumps(body, ensure_ascii=False).encode(errors="replace")),
            received_bytes=0 if reply is None else len(reply.content),
        )
        try:
            if isinstance(sent.outcome, AttemptFailedError):
                raise TryAgainError(f"{sent.outcome}", sent.outcome.wait_s)
            decoded = read_reply(endpoint, sent.outcome, self._clock.utc())
        except Exception as error:
            attempts.append(noted._replace(fault=f"{error}"))
            if isinstance(sent.outcome, Reply) or not sent.outcome.is_counted:
                kind = error.kind if isinstance(error, TryAgainError) else f"{error}"
                self._faults[endpoint.provider, kind] += 1
            if reply is not None and reply.status == 429:
                pace.rejected(getattr(error, "wait_s", None) or 0.0, reply.headers)
            if maybe_billed(sent.outcome):
                self._budget.lose(endpoint, reserved)
            else:
                self._budget.release(reserved)
            raise
        attempts.append(noted)
        self._acceptance.accepted(endpoint.place)
        pace.accepted(sent.sent_ns, sent.outcome.headers)
        usage = replace(endpoint.read_usage(decoded), retries=len(attempts) - 1)
        self._budget.settle(endpoint, reserved, usage, in_batch=desk is not None)
        answer = Answer(
            decoded, sent.nanoseconds, sent.started, sent.concurrency, tuple(attempts), usage, estimate.input_tokens
        )
        self._estimates.learn(endpoint, answer)
        return answer

    def _send(self, send: Callable[[], Outcome]) -> Sent:
        with self._lock:
            self._in_flight += 1
            concurrency = self._in_flight
        started = self._clock.utc().isoformat(timespec="milliseconds")
        sent_ns = self._clock.now_ns()
        outcome: Outcome
        try:
            outcome = send()
        except AttemptFailedError as error:
            outcome = error
        except RunStoppingError as error:
            if not isinstance(error, UnnamedBatchError):
                self._check_going()  # what ended the run says more than a batch that was left
            raise
        finally:
            with self._lock:
                self._in_flight -= 1
        nanoseconds = outcome.nanoseconds if isinstance(outcome, Reply) else self._clock.now_ns() - sent_ns
        return Sent(outcome, sent_ns, nanoseconds, started, concurrency)

    def _check_going(self) -> None:
        if self._ended_by is not None:
            raise self._ended_by
        if self._stopped.is_set():
            raise RunStoppingError("the run was stopped")

    def _pace(self, endpoint: Endpoint) -> Pace:
        """Return the pace of the endpoint's address and model, which all rerankers with these share, each with its limits."""
        where, settings = endpoint.place, endpoint.settings
        with self._lock:
            if where not in self._paces:
                self._paces[where] = Pace(self._clock, self._stopped, longest_wait_s=settings.longest_wait_s)
            pace = self._paces[where]
        pace.set_limits(settings.calls_per_minute, settings.tokens_per_minute)
        return pace
