from rerank_eval.candidates import rerank
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.types import Ranking
from tests.fakes import make_request


def test_it_keeps_the_first_stage_order() -> None:
    request = make_request(documents=[("b", "one"), ("a", "two"), ("c", "three")])
    values = NoReranker().score(request).values
    first_stage = Ranking.from_order(["b", "a", "c", "tail"])
    assert values == [3.0, 2.0, 1.0]
    assert rerank(first_stage, values).doc_ids == first_stage.doc_ids
