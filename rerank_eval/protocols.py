"""The extension points: what a first stage and a reranker must offer, and what they may."""

from collections.abc import Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rerank_eval.calls.types import Calls, Endpoint
from rerank_eval.corpus import Corpus
from rerank_eval.findings import Findings
from rerank_eval.types import Dataset, Request, Run, Scores

Stage = TypeVar("Stage")
"""A first stage or a reranker."""
Stage_co = TypeVar("Stage_co", covariant=True)
Vectors_co = TypeVar("Vectors_co", covariant=True)
"""A float32 NumPy array, or a SciPy CSR array."""


class Retriever(Protocol):
    """A first stage."""

    name: str
    searches: bool
    """Whether `retrieve` does the search now, so that its latency means something; False for a recorded run."""

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` documents, or fewer, of every query of the dataset."""
        ...

    def identity(self) -> Mapping[str, object]:
        """Return everything that can change the run: parameters, versions, the content of a file."""
        ...


@runtime_checkable
class BuildsIndex(Protocol):
    """A first stage that works on the whole corpus before it can search."""

    def build_index(self, corpus: Corpus, progress: "Progress") -> None:
        """Build, or load, what `retrieve` needs for this corpus; long work shows on `progress`.

        Optional for the caller: `retrieve` does the same in silence. Kept on disk, so that the next run only loads it.
        """
        ...


@runtime_checkable
class HasFindings(Protocol):
    """A first stage that has more to say than its run: what reading its file changed, what its model cut, how exact its search was."""

    def findings(self, dataset: Dataset) -> Findings:
        """Return what a reader must know about the run of this dataset; asked for once, after `retrieve`, never while timed."""
        ...


class EncodedTexts(NamedTuple, Generic[Vectors_co]):
    """Vectors whose inner product is the score; one row per text."""

    vectors: Vectors_co
    """A float32 array of (texts, dimensions), or a SciPy CSR array of the same shape."""
    truncated: NDArray[np.bool_]
    """Whether the model did not see all of the text."""


class TextEncoder(Protocol[Vectors_co]):
    """A model that gives queries and documents vectors."""

    def encode_documents(self, texts: Sequence[str]) -> EncodedTexts[Vectors_co]:
        """Return one vector per document."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> EncodedTexts[Vectors_co]:
        """Return one vector per query."""
        ...

    def document_identity(self) -> Mapping[str, object]:
        """Return everything that can change a document's vector; documents are encoded again when it changes."""
        ...

    def identity(self) -> Mapping[str, object]:
        """Return everything that can change a vector."""
        ...


class Reranker(Protocol):
    """A second stage: gives each candidate a score."""

    name: str
    pointwise: bool
    """Whether a document's score does not depend on the other candidates; then one pass serves all depths."""
    concurrency: int
    """How many requests may be in flight at once."""

    def score(self, request: Request) -> Scores:
        """Return one finite score per document of the request, in the order given; higher is better.

        Thread-safe where `concurrency` is above 1. Any exception makes this query fail: it is counted, and the
        run goes on.
        """
        ...


@runtime_checkable
class BatchReranker(Protocol):
    """A reranker for which several queries at once are cheaper; only the quality pass uses it."""

    def score_many(self, requests: Sequence[Request]) -> Sequence[Scores]:
        """Return what `score` would return for each request."""
        ...


@runtime_checkable
class HasIdentity(Protocol):
    """A reranker that says what its scores depend on, so that they can be kept and reused."""

    def identity(self) -> Mapping[str, object]:
        """Return everything that can change a score: model, revision or file hash, parameters, library versions."""
        ...


@runtime_checkable
class AsksByAnswers(Protocol):
    """A reranker whose next questions depend on the answers, so that a dry run can only draw how many there are."""

    def most_questions(self, num_documents: int) -> int:
        """Return how many questions about so many documents there can be."""
        ...


@runtime_checkable
class KeepsOrder(Protocol):
    """A reranker of which it is known without asking it that its ranking is the first stage's."""

    keeps_order: bool


@runtime_checkable
class ReadsFirstStageScores(Protocol):
    """A reranker that may ask for the first stage's scores; others are given none."""

    reads_first_stage_scores: bool
    """Whether it does; its answers are then kept for these very scores, and not reused over another first stage."""


@runtime_checkable
class SeesDataset(Protocol[Stage_co]):
    """A first stage or a reranker that must see the dataset first, like the candidates that came with it, or the oracle."""

    def for_dataset(self, dataset: Dataset) -> Stage_co:
        """Return the one to use on this dataset, of which only a stage that `ReadsJudgments` is shown them; the receiver is not changed."""
        ...


@runtime_checkable
class ReadsJudgments(Protocol):
    """A stage whose `for_dataset` may be shown the judgments, as the oracle is: a bound for others, never a choice."""

    reads_judgments: bool


@runtime_checkable
class AsksInTurn(Protocol):
    """A reranker made of others of which each is asked about what the one before put first."""

    asks_in_turn: bool


@runtime_checkable
class HasParts(Protocol[Stage]):
    """A first stage made of first stages, or a reranker made of rerankers.

    The parts are checked, see the dataset, build their indexes and tell their findings by themselves. What a reranker's parts depend
    on, it depends on, whatever its own `identity()` says; that of a first stage must name its parts'.
    """

    @property
    def parts(self) -> Mapping[str, Stage]:
        """The others by what they are to this one."""
        ...

    def with_parts(self, parts: Mapping[str, Stage]) -> Stage:
        """Return the same made of these; the receiver is not changed."""
        ...


@runtime_checkable
class CallingReranker(Protocol):
    """A reranker that asks a provider: answers, limits and budget are shared with the others of a run.

    What it was answered is kept call by call, as it came, not as scores; its latency is what the answers took when they were asked for.
    """

    endpoint: Endpoint
    """Where it asks; names the provider and the model for the price list."""

    def with_calls(self, calls: Calls) -> Reranker:
        """Return the reranker that asks through `calls`; the receiver is not changed."""
        ...


class Progress(Protocol):
    """Where long work reports to."""

    def start(self, description: str, total: int) -> None:
        """Begin a piece of work of `total` steps; ends the one before."""
        ...

    def advance(self, steps: int = 1) -> None:
        """Count finished steps."""
        ...

    def note(self, message: str) -> None:
        """Tell the user something now."""
        ...


class SilentProgress:
    """A `Progress` that shows nothing."""

    def start(self, description: str, total: int) -> None:
        """Show nothing."""

    def advance(self, steps: int = 1) -> None:
        """Show nothing."""

    def note(self, message: str) -> None:
        """Show nothing."""
