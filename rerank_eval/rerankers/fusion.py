"""A reranker's scores fused with the first stage's."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Self

from rerank_eval.candidates import check_scores, reads_first_stage_scores, shown_to
from rerank_eval.errors import ConfigError, RerankerError
from rerank_eval.protocols import Reranker
from rerank_eval.rank_fusion import FusionRule
from rerank_eval.types import Ranking, Request, Scores


class Fusion:
    """Scores by `alpha` times what the reranker gives plus `1 - alpha` times what the first stage gives.

    Both are brought to one scale per query, over its candidates, as `rank_fusion.FusionRule` says; `rrf` takes the two orders alone.
    A candidate's score thus depends on the others. Usage, truncation and failures are those of the reranker.
    """

    pointwise = False

    def __init__(
        self,
        reranker: Reranker,
        name: str = "fusion",
        method: str = "min_max",
        alpha: float = 0.5,
        rrf_k: int = 60,
    ) -> None:
        """Take the reranker; an `alpha` of 1 is its order alone, 0 the first stage's.

        Raises:
            ConfigError: the method is unknown, `alpha` is not between 0 and 1 or `rrf_k` is below 1.
        """
        if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not 0 <= alpha <= 1:
            raise ConfigError(f"alpha is {alpha!r}; it must be a number between 0 and 1")
        self.name = name
        self.concurrency = getattr(reranker, "concurrency", 1)  # what is no reranker is told when all parts are checked
        self.reads_first_stage_scores = method != "rrf" or reads_first_stage_scores(reranker)
        self._reranker = reranker
        self._rule = FusionRule(method, rrf_k)
        self._alpha = float(alpha)

    @property
    def parts(self) -> Mapping[str, Reranker]:
        """The reranker."""
        return {"reranker": self._reranker}

    def with_parts(self, parts: Mapping[str, Reranker]) -> Self:
        """Return the fusion with another reranker."""
        return type(self)(parts["reranker"], self.name, self._rule.method, self._alpha, self._rule.rrf_k)

    def identity(self) -> Mapping[str, object]:
        """Return method, `alpha` and `rrf_k`."""
        return {**asdict(self._rule), "alpha": self._alpha}

    def score(self, request: Request) -> Scores:
        """Return one fused score per document.

        Raises:
            RerankerError: the reranker's answer is wrong, or the request lacks the first stage's scores.
        """
        reranker = self._reranker
        answer = check_scores(reranker.name, request, reranker.score(shown_to(reranker, request)))
        doc_ids = [document.doc_id for document in request.documents]
        rankings = [Ranking(zip(doc_ids, answer.values, strict=True)), self._rank_as_found(request, doc_ids)]
        fused = dict(self._rule.fuse(rankings, (self._alpha, 1 - self._alpha)))
        return replace(answer, values=[fused[doc_id] for doc_id in doc_ids])

    def _rank_as_found(self, request: Request, doc_ids: list[str]) -> Ranking:
        if self._rule.method == "rrf":
            return Ranking.from_order(doc_ids)
        if len(request.first_stage_scores) != len(doc_ids):
            raise RerankerError(
                f"{self.name} was given no first-stage scores for query {request.query.query_id}; method=rrf does without"
            )
        return Ranking(zip(doc_ids, request.first_stage_scores, strict=True))
