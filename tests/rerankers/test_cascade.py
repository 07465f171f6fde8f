"""Stages that each order what the one before has kept."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.components import make_component
from rerank_eval.errors import ConfigError, RerankerError
from rerank_eval.evaluation.systems import System, make_systems
from rerank_eval.rerankers.cascade import Cascade
from rerank_eval.rerankers.fusion import Fusion
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Document, Query, Ranking, Request, Scores, Usage
from tests.conftest import Compose
from tests.fakes import FixedRetriever, Hashed, make_dataset

DATASET = make_dataset()


class Scored:
    """Gives each document the score told for its id; remembers what it was asked."""

    pointwise = True

    def __init__(
        self, scores: Sequence[float], usage: Usage | None = None, cut: Sequence[int] | None = (), concurrency: int = 1
    ) -> None:
        self.name = "scored"
        self.scores = scores
        self.usage = usage or Usage(calls=1)
        self.cut = cut
        self.concurrency = concurrency
        self.asked: list[Request] = []

    def score(self, request: Request) -> Scores:
        self.asked.append(request)
        numbers = [int(document.doc_id[1:]) for document in request.documents]
        truncated = None if self.cut is None else [number in self.cut for number in numbers]
        return Scores([self.scores[number] for number in numbers], self.usage, truncated)


def ask(count: int, scores: tuple[float, ...] = ()) -> Request:
    return Request(Query("q1", "how"), tuple(Document(f"d{i}", f"text {i}") for i in range(count)), scores)


def order_of(request: Request, scores: Scores) -> list[int]:
    pairs = zip(request.documents, scores.values, strict=True)
    return [int(doc_id[1:]) for doc_id in Ranking((document.doc_id, value) for document, value in pairs).doc_ids]


score_lists = st.lists(st.sampled_from([0.0, 1.0, 2.0]) | st.floats(-9, 9), min_size=9, max_size=9)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    stages=st.lists(score_lists, min_size=2, max_size=4),
    keep=st.lists(st.integers(1, 12), min_size=3, max_size=3, unique=True),
    count=st.integers(0, 9),
)
def test_it_orders_as_written_out_and_loses_no_document(stages: list[list[float]], keep: list[int], count: int) -> None:
    keep = sorted(keep, reverse=True)[: len(stages) - 1]
    expected = list(range(count))
    for scores, most in zip(stages, [count, *keep], strict=True):
        head = sorted(expected[:most], key=lambda number: (scores[number], f"d{number}"), reverse=True)
        expected = head + expected[most:]
    cascade = Cascade({f"s{i}": Scored(scores) for i, scores in enumerate(stages)}, keep)
    answer = cascade.score(ask(count))
    assert sorted(answer.values) == [float(n) for n in range(1, count + 1)]
    # a stage that would keep all is not asked; the last orders all that is left, so that its order does not matter
    assert order_of(ask(count), answer) == expected


def test_each_stage_is_asked_for_what_the_one_before_kept_in_its_order_and_with_its_scores() -> None:
    first, second, third = Scored([0, 1, 2, 3, 4, 5]), Scored([9, 9, 5, 9, 7, 6]), Scored([0] * 6)
    cascade = Cascade({"a": first, "b": Fusion(second, alpha=1.0), "c": third}, [4, 2])
    assert order_of(ask(6), cascade.score(ask(6))) == [4, 3, 5, 2, 1, 0]
    assert [document.doc_id for document in first.asked[0].documents] == ["d0", "d1", "d2", "d3", "d4", "d5"]
    assert [document.doc_id for document in second.asked[0].documents] == ["d5", "d4", "d3", "d2"]
    assert [document.text for document in third.asked[0].documents] == ["text 3", "text 4"]
    assert third.asked[0].first_stage_scores == ()
    reading = Cascade({"a": first, "b": Fusion(second, alpha=0.0)}, [4])
    assert order_of(ask(6), reading.score(ask(6, (6, 5, 4, 3, 2, 1)))) == [5, 4, 3, 2, 1, 0]


def test_a_stage_that_would_keep_every_candidate_is_not_asked() -> None:
    cheap, dear = Scored([0, 1, 2]), Scored([5, 9, 7])
    answer = Cascade({"cheap": cheap, "dear": dear}, [3]).score(ask(3))
    assert (len(cheap.asked), len(dear.asked)) == (0, 1)
    assert order_of(ask(3), answer) == [1, 2, 0]
    assert answer.usage.calls == 1


def test_usage_is_the_sum_and_unknown_where_a_stage_does_not_know() -> None:
    usages = [
        Usage(calls=3, input_tokens=10, output_tokens=0, search_units=0, retries=1, cached_tokens=4),
        Usage(calls=1, input_tokens=7, output_tokens=2, search_units=1, repairs=2, cached_tokens=1),
    ]
    cascade = Cascade({f"s{i}": Scored([0, 1], usage) for i, usage in enumerate(usages)}, [1])
    assert cascade.score(ask(2)).usage == Usage(4, 17, 2, 1, retries=1, repairs=2, cached_tokens=5)
    unknown = Cascade({"a": Scored([0, 1]), "b": Scored([0, 1], usages[0])}, [1]).score(ask(2)).usage
    assert (unknown.calls, unknown.input_tokens) == (4, None)


def test_a_text_is_truncated_where_any_stage_cut_it_and_unknown_where_one_does_not_know() -> None:
    cascade = Cascade({"a": Scored([0, 1, 2], cut=[0]), "b": Scored([0, 1, 2], cut=[2])}, [2])
    assert cascade.score(ask(3)).truncated == [True, False, True]
    assert Cascade({"a": Scored([0, 1, 2], cut=None), "b": Scored([0, 1, 2])}, [2]).score(ask(3)).truncated is None


def test_a_wrong_answer_of_a_stage_names_the_stage_and_the_query() -> None:
    with pytest.raises(RerankerError, match=r"^dear returned NaN for query q1, document d2$"):
        Cascade({"cheap": Scored([0, 1, 2]), "dear": Scored([0, 1, float("nan")])}, [2]).score(ask(3))


def test_as_many_requests_at_once_as_the_stage_that_allows_fewest() -> None:
    stages = {"a": Scored([], concurrency=8), "b": Scored([], concurrency=2)}
    assert Cascade(stages, [1]).concurrency == 2
    assert not Cascade(stages, [1]).pointwise


@pytest.mark.parametrize(
    ("count", "keep", "message"),
    [
        (1, [], "stages must be a mapping of two rerankers or more"),
        (2, [], r"keep is \[\]; with 2 stages it is a list of 1: one for each but the last"),
        (2, 100, "keep is 100; with 2 stages it is a list of 1"),
        (2, "1", "keep is '1'; with 2 stages"),
        (3, [10, 10], r"keep is \[10, 10\]; every stage must keep fewer than the one before"),
        (3, [10, 20], "every stage must keep fewer"),
        (2, [0], "keep has 0; each must be an integer of at least 1"),
        (2, [1.5], "keep has 1.5"),
        (2, [None], "keep has None"),
    ],
)
def test_a_wrong_setting_is_refused(count: int, keep: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Cascade({f"s{i}": Hashed() for i in range(count)}, keep)


def test_stages_that_are_no_mapping_or_no_reranker_are_refused() -> None:
    with pytest.raises(ConfigError, match="stages must be a mapping"):
        Cascade([Hashed(), Hashed()], [3])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"the reranker cascade\.dear has no method score"):
        make_systems([Cascade({"cheap": Hashed(), "dear": "minilm"}, [3])])  # type: ignore[dict-item]


def test_stages_their_order_and_what_they_keep_change_the_fingerprint() -> None:
    a, b = Hashed(), Hashed(bias=1.0)
    cascades = [
        Cascade({"x": a, "y": b}, [3]),
        Cascade({"y": b, "x": a}, [3]),
        Cascade({"x": b, "y": a}, [3]),
        Cascade({"x": a, "y": b}, [4]),
        Cascade({"x": a, "y": a}, [3]),
        Cascade({"x": a, "y": b, "z": b}, [3, 2]),
    ]
    assert len({System("x", cascade).fingerprint for cascade in cascades}) == len(cascades)
    assert System("x", Cascade({"x": a, "y": Scored([])}, [3])).fingerprint is None


def test_an_oracle_as_a_stage_sees_the_dataset() -> None:
    settings = Settings(depths=(4, 12), latency=LatencySettings(queries=0))
    cascade = Cascade({"cheap": Hashed(), "dear": Oracle()}, [11])
    result = evaluate(DATASET, FixedRetriever(), [cascade, Oracle()], settings)
    by_name = {system.name: system.depths for system in result.systems}
    assert [d.measures for d in by_name["cascade"][:2]] == [d.measures for d in by_name["oracle"][:2]]


def test_stages_are_chosen_from_the_command_line(compose: Compose) -> None:
    component = compose(
        "reranker=[none,cascade]",
        "reranker@rerankers.cascade.stages.cheap=random",
        "rerankers.cascade.stages.cheap.seed=7",
        "reranker@rerankers.cascade.stages.dear=fusion",
        "reranker@rerankers.cascade.stages.dear.reranker=oracle",
        "+reranker@rerankers.cascade.stages.dearest=oracle",
        "rerankers.cascade.keep=[8,3]",
    )["rerankers"]["cascade"]
    made = make_component(component, "rerankers.cascade")
    assert [type(part).__name__ for part in made.parts.values()] == ["RandomReranker", "Fusion", "Oracle"]
    assert made.identity() == {"stages": ["cheap", "dear", "dearest"], "keep": [8, 3]}
    assert made.reads_first_stage_scores
