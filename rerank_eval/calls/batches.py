"""Questions asked in batches: gathered from the threads that wait for them, sent together, and fetched, also by a later run."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

from rerank_eval.calls.kept_answers import AnswerKeeper, encode_batch
from rerank_eval.calls.retry import NotAcceptedError, TryAgainError, read_reply
from rerank_eval.calls.types import AttemptFailedError, Batches, BatchState, Body, Endpoint, Outcome, Reply
from rerank_eval.clock import Clock
from rerank_eval.errors import ConfigError, ProviderBusyError, RefusedError, RunStoppingError

_UNKNOWN = (404, 410)


def check_has_store(endpoint: Endpoint, keeps: bool) -> None:
    """Check that questions are asked in batches only where it is kept in which.

    Raises:
        ConfigError: they would be paid for again after an interrupt.
    """
    if endpoint.asks_in_batches and not keeps:
        raise ConfigError(
            f"{endpoint.model} is to be asked in batches (batch.queries), and store.path is null; batches need a store, "
            "or an interrupted run would pay for them twice"
        )


class UnnamedBatchError(RefusedError):
    """The provider took a batch, may bill it, and does not say which it is."""


@dataclass
class _Group:
    """Questions of one batch; the thread that asked the first of them sends and fetches it for all."""

    questions: dict[str, Body] = field(default_factory=dict)
    size: int = 0
    is_closed: threading.Event = field(default_factory=threading.Event)
    outcomes: Future[dict[str, Outcome]] = field(default_factory=Future)


class BatchDesk:
    """Asks one endpoint in batches. Thread-safe: every question is one thread's, which waits for its answer.

    In which batch a question is out is on the disk before it is waited for, in the place of its answer.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        batches: Batches,
        keeper: AnswerKeeper,
        clock: Clock,
        stopped: threading.Event,
        note: Callable[[str], None],
    ) -> None:
        """Take the endpoint with its batches, where answers are kept, and who is told of every batch."""
        self._endpoint, self._batches, self._keeper = endpoint, batches, keeper
        self._clock, self._stopped, self._note = clock, stopped, note
        self._lock = threading.Lock()
        self._gathering: _Group | None = None
        self._earlier: dict[str, Future[dict[str, Outcome]]] = {}
        self.faults: Counter[str] = Counter()
        """Why batches could not be sent or looked at."""
        self.waiting: Counter[str] = Counter()
        """How many questions are out in each batch, as far as this run knows."""

    def stop(self) -> None:
        """Gather no more."""
        with self._lock:
            if self._gathering is not None:
                self._gathering.is_closed.set()

    def ask(self, key: str, body: Body) -> Outcome:
        """Return what came of a question in a batch with others that are asked at about the same time.

        Raises:
            RunStoppingError: the run was stopped before the question was sent, or while it is out.
            RefusedError: the provider refuses the batch, or to be asked how far it is.
            ProviderBusyError: it does not tell, or asks for a longer wait than the settings allow.
        """
        group, is_first = self._join(key, body)
        if is_first:
            try:
                self._gather(group)
                group.outcomes.set_result(self._send(group.questions))
            except BaseException as error:
                group.outcomes.set_exception(error)
        return self._take(key, group.outcomes.result())

    def fetch(self, key: str, batch: str) -> Outcome:
        """Return what came of a question that was sent before; its batch is fetched once for all its questions.

        Raises:
            RunStoppingError, RefusedError, ProviderBusyError: as `ask`.
        """
        with self._lock:
            is_first = batch not in self._earlier
            outcomes = self._earlier.setdefault(batch, Future())
            if not outcomes.done():
                self.waiting[batch] += 1
        if is_first:
            try:
                self._note(f"{self._endpoint.provider}: waiting for the batch {batch}, which was sent before")
                outcomes.set_result(self._wait_for(batch, is_earlier=True))
            except BaseException as error:
                outcomes.set_exception(error)
        outcome = self._take(key, outcomes.result())
        if isinstance(outcome, Reply) and outcome.status != 200:  # what was wrong then need not be now: asked again
            return AttemptFailedError(f"answered {outcome.status} in its batch", maybe_billed=False)
        return outcome

    def _take(self, key: str, outcomes: dict[str, Outcome]) -> Outcome:
        """Return the outcome of a question and forget it: a batch may have thousands.

        One without an answer is out no more, or every later run would fetch the same for it.
        """
        outcome = outcomes.pop(key, None) or AttemptFailedError("its batch has no result for it")
        if isinstance(outcome, AttemptFailedError) or outcome.status != 200:
            self._keeper.drop_calls([key])
        return outcome

    def _join(self, key: str, body: Body) -> tuple[_Group, bool]:
        """Return the group that the question is in now, and whether it is the first there."""
        size = self._batches.size(body)
        with self._lock:
            group = self._gathering
            if group is not None and group.size + size > self._batches.most_bytes:
                group.is_closed.set()
            is_first = group is None or group.is_closed.is_set()
            if group is None or is_first:
                group = self._gathering = _Group()
            group.questions[key] = body
            group.size += size
            if len(group.questions) == self._batches.settings.queries:
                group.is_closed.set()
            return group, is_first

    def _gather(self, group: _Group) -> None:
        """Return when no question has come for a while, or no more may come."""
        num_seen = 0
        while num_seen < len(group.questions) and not group.is_closed.is_set():
            num_seen = len(group.questions)
            self._clock.wait(self._batches.settings.gather_s, group.is_closed)
        with self._lock:
            group.is_closed.set()

    def _send(self, questions: dict[str, Body]) -> dict[str, Outcome]:
        """Return what came of the questions; where the batch itself is not accepted, that came of each."""
        if self._stopped.is_set():
            raise RunStoppingError("the run was stopped")
        try:
            reply = self._batches.send(questions, self._endpoint.settings.timeout_s)
        except AttemptFailedError as error:
            return self._fail(questions, f"{error}", error.maybe_billed)
        asked = f"batches (batch.queries) beside {self._endpoint.url}"
        try:
            batch = self._batches.read_name(read_reply(self._endpoint, reply, self._clock.utc(), asked))
        except (AttemptFailedError, TryAgainError) as error:
            if 200 <= reply.status < 300:
                raise UnnamedBatchError(
                    f"{self._endpoint.provider} took a batch of {len(questions)} questions, and does not say which it is ({error}); it may be "
                    "billed, so it is not sent again now: look at the batches of the account before the next run, which would send it again"
                ) from None
            return self._fail(questions, f"{error}", False, getattr(error, "wait_s", None))
        except NotAcceptedError:  # the thread of each question reads the reply again, and does what it says
            return dict.fromkeys(questions, reply)
        self._keeper.put_calls(
            self._endpoint.provider, self._endpoint.model, dict.fromkeys(questions, encode_batch(batch))
        )
        with self._lock:
            self.waiting[batch] = len(questions)
        self._note(f"{self._endpoint.provider}: sent {len(questions)} questions in the batch {batch}")
        return self._wait_for(batch, is_earlier=False)

    def _fail(
        self, questions: Iterable[str], fault: str, maybe_billed: bool, wait_s: float | None = None
    ) -> dict[str, Outcome]:
        """Return that a batch was not sent, for each of its questions, and count that once."""
        with self._lock:
            self.faults[f"{fault}, sending a batch"] += 1
        return dict.fromkeys(questions, AttemptFailedError(fault, maybe_billed, wait_s, is_counted=True))

    def _wait_for(self, batch: str, is_earlier: bool) -> dict[str, Outcome]:
        """Return what came of the questions of a batch when it has ended; a failed look loses nothing."""
        num_failed = 0
        while not self._stopped.is_set():
            pause_s = self._batches.settings.poll_s
            try:
                outcomes = self._look(batch, is_earlier, num_failed + 1 == self._endpoint.settings.attempts)
                num_failed = 0
            except (AttemptFailedError, TryAgainError) as error:
                outcomes = None
                num_failed += 1
                self._count_fault(f"{error}", batch, num_failed)
                pause_s = max(pause_s, getattr(error, "wait_s", None) or 0.0)
            if outcomes is not None:
                with self._lock:
                    del self.waiting[batch]
                return outcomes
            self._clock.wait(pause_s, self._stopped)
        raise RunStoppingError("the run was stopped")

    def _count_fault(self, fault: str, batch: str, num_failed: int) -> None:
        with self._lock:
            self.faults[f"{fault}, asked how far a batch is"] += 1
        if num_failed == self._endpoint.settings.attempts:
            raise ProviderBusyError(
                f"{self._endpoint.provider} did not tell {num_failed} times how far the batch {batch} is; the last time: {fault}"
            )

    def _look(self, batch: str, is_earlier: bool, is_last: bool) -> dict[str, Outcome] | None:
        """Return what came of the questions, None while the batch has not ended, and nothing of one that is not known any more.

        Results that are not all there are those of a reply cut off at the end of a line, unless it `is_last`, and they never come.
        """
        timeout_s = self._endpoint.settings.timeout_s
        reply = self._batches.look(batch, timeout_s)
        if is_earlier and reply.status in _UNKNOWN:
            return {}
        decoded = read_reply(self._endpoint, reply, self._clock.utc(), f"batch {batch!r}")
        state = self._batches.read_state(decoded)
        if state is not BatchState.ENDED:
            return None if state is BatchState.OPEN else {}
        reply = self._batches.fetch(batch, timeout_s)
        if is_earlier and reply.status in _UNKNOWN:
            return {}
        if not 200 <= reply.status < 300:
            read_reply(self._endpoint, reply, self._clock.utc(), f"results of the batch {batch!r}")
        outcomes = self._batches.read_results(reply.content)
        if len(outcomes) < self._batches.read_size(decoded) and not is_last:
            raise AttemptFailedError(f"{len(outcomes)} of the {self._batches.read_size(decoded)} results of a batch")
        return outcomes


class BatchDesks:
    """The desks of all endpoints that a client asks in batches. Thread-safe."""

    def __init__(
        self, keeper: AnswerKeeper | None, clock: Clock, stopped: threading.Event, note: Callable[[str], None]
    ) -> None:
        """Take what every desk takes."""
        self._keeper, self._clock, self._stopped, self._note = keeper, clock, stopped, note
        self._lock = threading.Lock()
        self._desks: dict[Endpoint, BatchDesk] = {}

    def of(self, endpoint: Endpoint) -> BatchDesk | None:
        """Return the endpoint's desk; None where its provider has no batches, or nothing is kept."""
        if endpoint.batches is None or self._keeper is None:
            return None
        with self._lock:
            if endpoint not in self._desks:
                self._desks[endpoint] = BatchDesk(
                    endpoint, endpoint.batches, self._keeper, self._clock, self._stopped, self._note
                )
            return self._desks[endpoint]

    def stop(self) -> None:
        """Gather no more."""
        with self._lock:
            for desk in self._desks.values():
                desk.stop()

    @property
    def faults(self) -> Counter[tuple[str, str]]:
        """How often each (provider, fault) came when a batch was sent or looked at."""
        return self._sum(lambda desk: desk.faults)

    @property
    def waiting(self) -> Counter[tuple[str, str]]:
        """How many questions are out in each (provider, batch)."""
        return self._sum(lambda desk: desk.waiting)

    def _sum(self, counts: Callable[[BatchDesk], Counter[str]]) -> Counter[tuple[str, str]]:
        total: Counter[tuple[str, str]] = Counter()
        with self._lock:
            for endpoint, desk in self._desks.items():
                total.update({(endpoint.provider, name): count for name, count in counts(desk).items()})
        return total
