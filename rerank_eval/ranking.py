"""Reorders a list of texts: a reranker in use, without an evaluation around it."""

from collections.abc import Sequence
from typing import NamedTuple

from rerank_eval.candidates import check_scores
from rerank_eval.corpus import replace_surrogates
from rerank_eval.integers import check_integer
from rerank_eval.protocols import Reranker
from rerank_eval.types import Document, Query, Ranking, Request


class RankedText(NamedTuple):
    """A text, its place in the list that was given (from 0), and its score."""

    position: int
    score: float
    text: str


def rank(reranker: Reranker, query: str, documents: Sequence[str], top_k: int | None = None) -> list[RankedText]:
    """Return the `top_k` best documents, or all, best first; equal scores keep the order given.

    Raises:
        ConfigError: `top_k` is below 1.
        RerankerError: the reranker returned something that is no list of finite scores.
    """
    check_integer("top_k", top_k, 1, may_be_none=True)
    if not documents:
        return []
    # ids that fall with the position: the one sorting rule (score, doc_id) then keeps the order of equal scores
    width = len(str(len(documents)))
    ids = [str(len(documents) - index).zfill(width) for index in range(len(documents))]
    texts = map(replace_surrogates, documents)  # as a corpus does when it is loaded
    request = Request(Query("query", replace_surrogates(query)), tuple(map(Document, ids, texts)))
    values = check_scores(reranker.name, request, reranker.score(request)).values
    positions = {doc_id: index for index, doc_id in enumerate(ids)}
    ranking = Ranking(zip(ids, values, strict=True))
    return [RankedText(positions[doc.doc_id], doc.score, documents[positions[doc.doc_id]]) for doc in ranking[:top_k]]
