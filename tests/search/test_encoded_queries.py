"""Queries are encoded once for the search and for what is said of it, and anew for each search, which may be timed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.protocols import EncodedTexts
from rerank_eval.retrievers.dense import Dense
from rerank_eval.retrievers.sparse import Sparse
from rerank_eval.types import Query
from tests.fakes import make_dataset
from tests.retrievers.hashed_encoder import HashedEncoder

TINY = make_dataset()


class Counting(HashedEncoder):
    """Remembers how many queries each call had."""

    def __init__(self, sparse: bool) -> None:
        super().__init__(sparse=sparse)
        self.asked: list[int] = []

    def encode_queries(self, texts: Sequence[str]) -> EncodedTexts[Any]:
        self.asked.append(len(texts))
        return super().encode_queries(texts)


@pytest.mark.parametrize(("kind", "sparse"), [(Dense, False), (Sparse, True)])
def test_what_is_said_of_a_search_costs_no_second_encoding(
    kind: Callable[..., Dense | Sparse], sparse: bool, tmp_path: Path
) -> None:
    encoder = Counting(sparse)
    retriever = kind(encoder, index_dir=str(tmp_path))
    retriever.retrieve(TINY, 2)
    assert retriever.findings(TINY).truncated_queries == 0
    assert encoder.asked == [6]
    retriever.retrieve(TINY, 2)
    assert encoder.asked == [6, 6]
    # the same ids with other texts are other queries
    longer = replace(TINY, queries=tuple(Query(query.query_id, "a long query " * 9) for query in TINY.queries))
    assert retriever.findings(longer).truncated_queries == 6
    assert encoder.asked == [6, 6, 6]
