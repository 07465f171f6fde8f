"""Rerankers one after the other, each over fewer candidates."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Self

from rerank_eval.candidates import check_scores, reads_first_stage_scores, shown_to
from rerank_eval.errors import ConfigError
from rerank_eval.protocols import Reranker
from rerank_eval.types import NO_USAGE, CallTiming, Ranking, Request, Scores


class Cascade:
    """Each stage orders what the one before has kept; what it does not keep stays below, in its order. No document is lost.

    To a stage the one before is its first stage, scores included. A stage that would keep every candidate is not asked. Scores are
    `n - rank`; usage is the sum over the stages; a text counts as truncated where any stage cut it.
    """

    pointwise = False
    asks_in_turn = True

    def __init__(self, stages: Mapping[str, Reranker], keep: Sequence[int], name: str = "cascade") -> None:
        """Take the stages, first to last, and how many candidates each but the last keeps.

        Raises:
            ConfigError: there are fewer than two stages, or `keep` has not one integer for each but the last, falling and at least 1.
        """
        if not isinstance(stages, Mapping) or len(stages) < 2:
            raise ConfigError("stages must be a mapping of two rerankers or more")
        if not isinstance(keep, list | tuple) or len(keep) != len(stages) - 1:
            raise ConfigError(
                f"keep is {keep!r}; with {len(stages)} stages it is a list of {len(stages) - 1}: one for each but the last"
            )
        for most in keep:
            if not isinstance(most, int) or isinstance(most, bool) or most < 1:
                raise ConfigError(f"keep has {most!r}; each must be an integer of at least 1")
        if any(most <= later for most, later in pairwise(keep)):
            raise ConfigError(f"keep is {list(keep)}; every stage must keep fewer than the one before")
        self.name = name
        # what is no reranker is told when all parts are checked
        self.concurrency = min(getattr(stage, "concurrency", 1) for stage in stages.values())
        self.reads_first_stage_scores = any(reads_first_stage_scores(stage) for stage in stages.values())
        self._stages = dict(stages)
        self._keep = tuple(keep)

    @property
    def parts(self) -> Mapping[str, Reranker]:
        """The stages."""
        return self._stages

    def with_parts(self, parts: Mapping[str, Reranker]) -> Self:
        """Return the cascade of other stages."""
        return type(self)(parts, self._keep, self.name)

    def identity(self) -> Mapping[str, object]:
        """Return the order of the stages and what they keep."""
        return {"stages": list(self._stages), "keep": list(self._keep)}

    def score(self, request: Request) -> Scores:
        """Return n for the best document, n - 1 for the next, … 1.

        Raises:
            RerankerError: a stage's answer is wrong.
        """
        documents = {document.doc_id: document for document in request.documents}
        remaining = request
        below: tuple[str, ...] = ()
        usage = NO_USAGE
        cut: set[str] | None = set()
        calls: list[CallTiming] = []
        is_timed = True
        for (name, stage), most in zip(self._stages.items(), (*self._keep, None), strict=True):
            doc_ids = [document.doc_id for document in remaining.documents]
            if most is not None and len(doc_ids) <= most:
                continue
            answer = check_scores(name, remaining, stage.score(shown_to(stage, remaining)))
            usage += answer.usage
            calls += answer.calls
            is_timed = is_timed and answer.is_timed and bool(answer.calls)
            if cut is None or answer.truncated is None:
                cut = None
            else:
                cut.update(doc_id for doc_id, mark in zip(doc_ids, answer.truncated, strict=True) if mark)
            ranking = Ranking(zip(doc_ids, answer.values, strict=True))
            kept = ranking[:most]
            below = ranking.doc_ids[len(kept) :] + below
            remaining = Request(
                request.query, tuple(documents[doc.doc_id] for doc in kept), tuple(doc.score for doc in kept)
            )
        values = dict(Ranking.from_order([*(document.doc_id for document in remaining.documents), *below]))
        return Scores(
            [values[doc_id] for doc_id in documents],
            usage,
            None if cut is None else [doc_id in cut for doc_id in documents],
            calls,
            is_timed,
        )
