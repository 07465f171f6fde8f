"""What goes to a provider and what comes back: Endpoint + body -> attempts -> Answer."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from typing import Any, NamedTuple, Protocol

from rerank_eval.calls.keys import ApiKey
from rerank_eval.calls.settings import BatchSettings, CallSettings
from rerank_eval.types import CallTiming, Usage

SAMPLES_APART = 1000
"""Questions asked anew differ by multiples of this in `sample`; what is below are tries for one usable answer."""
SCHEMA_VERSION = 1
"""Part of every key: a change of what a kept answer means makes old ones unreachable instead of wrong."""

Body = Mapping[str, Any]
"""The JSON object that is sent; no secrets, those are headers."""


class Reply(NamedTuple):
    """What came over the wire in one attempt, with every occurrence of the key removed; header names in lower case.

    `nanoseconds` is the time from sending the request to having read the whole reply; what an SDK does before and after is not in it.
    It is None for what came in a batch.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    nanoseconds: int | None


class AttemptFailedError(Exception):
    """An attempt without a reply: the connection could not be made or broke, or the time was up.

    `maybe_billed` says whether the provider may have done the work all the same, `wait_s` how long it asks to wait, and `is_counted` that
    the fault is one of several questions, and is counted where they were sent together.
    """

    def __init__(
        self, fault: str, maybe_billed: bool = True, wait_s: float | None = None, is_counted: bool = False
    ) -> None:
        """Say in a few words what went wrong."""
        super().__init__(fault)
        self.maybe_billed, self.wait_s, self.is_counted = maybe_billed, wait_s, is_counted


class NotReachedError(AttemptFailedError):
    """An attempt for which no connection could be made, and that cost nothing."""

    def __init__(self, fault: str) -> None:
        """Say in a few words what went wrong."""
        super().__init__(fault, maybe_billed=False)


Outcome = Reply | AttemptFailedError
"""What came of one attempt."""


class BatchState(Enum):
    """How far a batch is; `GONE`: its results are not kept any more."""

    OPEN = "open"
    ENDED = "ended"
    GONE = "gone"


class Batches(Protocol):
    """How one provider answers many questions together; each of `send`, `look` and `fetch` is one attempt, as `Endpoint.send` is.

    They raise AttemptFailedError.
    """

    settings: BatchSettings
    most_bytes: int
    """The sum of `size` over the questions of a batch is at most this."""

    def size(self, body: Body) -> int:
        """Return what a question takes, in bytes, with its answer."""
        ...

    def send(self, questions: Mapping[str, Body], timeout_s: float) -> Reply:
        """Send a batch; each question has its key."""
        ...

    def look(self, batch: str, timeout_s: float) -> Reply:
        """Ask how far a batch is."""
        ...

    def fetch(self, batch: str, timeout_s: float) -> Reply:
        """Fetch the results of one that has ended."""
        ...

    def read_name(self, decoded: Any) -> str:
        """Return the provider's name for the batch that was sent.

        Raises:
            AttemptFailedError: there is none.
        """
        ...

    def read_state(self, decoded: Any) -> BatchState:
        """Return how far a batch is.

        Raises:
            AttemptFailedError: the reply does not say.
        """
        ...

    def read_size(self, decoded: Any) -> int:
        """Return how many results a batch that has ended has; 0 where the reply does not say."""
        ...

    def read_results(self, content: bytes) -> dict[str, Outcome]:
        """Return what came of each question.

        Raises:
            AttemptFailedError: the content is not whole, or no results.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """How one model of one provider is asked, one attempt at a time: `send` neither retries nor waits.

    `read_usage` says what a decoded answer was billed for, `estimate` what a body will be billed for: input as near as can be told,
    output at most. `imagine` makes an answer of the right form up, for a run in which nothing is sent.

    `send` raises AttemptFailedError.
    """

    provider: str
    model: str
    url: str
    send: Callable[[Body, float], Reply] = field(repr=False)
    read_usage: Callable[[Any], Usage] = field(repr=False)
    estimate: Callable[[Body], Usage] = field(repr=False)
    key: ApiKey | None = None
    settings: CallSettings = field(default_factory=CallSettings)
    imagine: Callable[[Body], Any] | None = field(default=None, repr=False)
    batches: Batches | None = field(default=None, repr=False)
    """For a provider that has them, also where its settings do not ask for them: one that an earlier run sent is fetched all the same."""

    uncounted: tuple[str, ...] = ()
    """Units of the price list that its answers tell no count of."""

    sends_model: bool = True
    """Whether the model's name is in the body; else a 404 is about the path."""
    headers: tuple[tuple[str, str], ...] = ()
    """Those that the settings name, by names in lower case; a server may answer by them."""

    @property
    def place(self) -> tuple[str, str]:
        """What is the same for all who ask the same model at the same address, such as its limits."""
        return self.url, self.model

    @property
    def asks_in_batches(self) -> bool:
        """Whether questions are asked in batches."""
        return self.batches is not None and self.batches.settings.queries is not None

    @property
    def concurrency(self) -> int:
        """How many queries may be in flight at once."""
        queries = None if self.batches is None else self.batches.settings.queries
        return queries or self.settings.concurrency

    def billed_as(self, in_batch: bool) -> str:
        """Return the provider's name in the price list."""
        return f"{self.provider}_batch" if in_batch else self.provider


class Attempt(NamedTuple):
    """One try of a call; `fault` is None for the one that succeeded, `status` is None where no reply came.

    `waited_s` is the time before it, for a retry or for the rate limit.
    """

    status: int | None
    fault: str | None
    waited_s: float
    nanoseconds: int | None
    sent_bytes: int
    received_bytes: int


@dataclass(frozen=True)
class Answer:
    """A provider's answer: its decoded JSON, how long the successful attempt took (None in a batch), and what it took to get it.

    `started` is the time of day (UTC, ISO 8601) of the successful attempt and `concurrency` how many attempts, it included, were then in
    flight. `reused` marks one that was not asked for now. `provider`, as the price list names it, `model` and `key` are not kept with it,
    since the question names them.
    """

    body: Any
    nanoseconds: int | None
    started: str
    concurrency: int
    attempts: tuple[Attempt, ...]
    usage: Usage
    estimated_tokens: int | None = None
    """What its input was estimated at before it was sent, to compare with what was billed."""
    reused: bool = field(default=False, compare=False)
    provider: str = field(default="", compare=False)
    model: str = field(default="", compare=False)
    key: str = field(default="", compare=False)
    """Its question's, as `call_key` has it."""

    @property
    def in_batch(self) -> bool:
        """Whether it was asked in a batch, which has no latency and a price of its own."""
        return self.nanoseconds is None

    @property
    def timing(self) -> CallTiming:
        """What the recorded latency and the cost are made of."""
        return CallTiming(
            self.nanoseconds,
            self.started,
            self.concurrency,
            self.reused,
            self.provider,
            self.model,
            self.usage,
            self.key,
        )

    def encode(self) -> str:
        """Return the answer as JSON, whole; in ASCII, since a text may have half of a surrogate pair, which UTF-8 cannot hold."""
        kept = [part.name for part in fields(self) if part.name not in ("reused", "provider", "model", "key")]
        return json.dumps({name: getattr(self, name) for name in kept} | {"usage": asdict(self.usage)})

    @classmethod
    def decode(cls, text: str) -> "Answer":
        """Return the answer that `encode` wrote, marked as reused.

        Raises:
            ValueError, TypeError, KeyError: it is none.
        """
        kept = json.loads(text)
        attempts = tuple(Attempt(*attempt) for attempt in kept.pop("attempts"))
        return cls(**kept | {"attempts": attempts, "usage": Usage(**kept["usage"]), "reused": True})


class Calls(Protocol):
    """Where rerankers ask; shared by all of them in a run."""

    def ask(self, endpoint: Endpoint, body: Body, check: Callable[[Any], object], sample: int = 0) -> Answer:
        """Return the provider's answer to `body`, the kept one where the same was asked before. Thread-safe.

        `check` raises RerankerError for an answer that cannot be used; such a one is not kept. Another `sample` asks the same anew.

        Raises:
            RerankerError: there is no usable answer; this query fails.
            RunStoppingError: asking further makes no sense, or is not allowed.
        """
        ...

    def stop(self) -> None:
        """End all waits: nothing more is sent, what is in flight is still received and kept."""
        ...


def call_key(endpoint: Endpoint, body: Body, sample: int) -> str:
    """Return the key of a question: everything that is sent, and where to; the API key is no part of it."""
    question: list[Any] = [SCHEMA_VERSION, endpoint.provider, endpoint.model, endpoint.url, sample, body]
    if endpoint.headers:
        question.append(endpoint.headers)
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
