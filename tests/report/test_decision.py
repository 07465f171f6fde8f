"""Knees, fronts and answers on numbers small enough to check by eye."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from rerank_eval.paired import Difference
from rerank_eval.report.decision import (
    Choices,
    Constraint,
    answer,
    answer_constraint,
    find_choices,
    find_front,
    find_knee,
    p95_of,
)
from rerank_eval.report.model import (
    DatasetReport,
    Estimate,
    Milliseconds,
    Place,
    Point,
    Series,
)
from rerank_eval.statistics import Interval
from tests.report.examples import make_report

M = "nDCG@10"


def interval(mean: float, half: float = 0.02) -> Interval:
    return Interval(mean, mean - half, mean + half, 84)


@pytest.mark.parametrize(
    ("best", "to_best", "cheapest", "decayed"),
    [
        (50, {5: interval(0.1), 10: interval(0.03), 20: interval(0.01), 50: interval(0, 0)}, 20, []),
        (10, {5: interval(0.01), 10: interval(0, 0), 20: interval(0.01), 50: interval(0.05)}, 5, [50]),
        (5, {5: interval(0, 0)}, 5, []),
        (20, {5: Interval(0.3, None, None, 1), 20: Interval(0, None, None, 1)}, 5, []),
    ],
)
def test_the_knee_is_the_cheapest_depth_within_the_noise(
    best: int, to_best: Mapping[int, Interval], cheapest: int, decayed: list[int]
) -> None:
    knee = find_knee(best, to_best)
    assert (knee.best, knee.cheapest, knee.decayed) == (best, cheapest, decayed)


def point(
    depth: int, mean: float, p95: float | None, to_best: Difference | None = None, usd: float | None = None
) -> Point:
    base = make_report(1, (5,)).datasets[0].series[0].points[0]
    gain = Difference(mean - 0.5, mean - 0.52, mean - 0.48, 0.001, 40, 20, 24, 0.04)
    return replace(
        base,
        depth=depth,
        estimates={M: Estimate(mean, mean - 0.02, mean + 0.02)},
        to_first_stage={M: gain} if depth else {},
        to_best={} if to_best is None else {M: to_best},
        total_p95=None if p95 is None else Milliseconds(p95, None, None),
        usd_per_1000=usd,
    )


def difference(mean: float, half: float) -> Difference:
    return Difference(mean, mean - half, mean + half, 0.5, 1, 1, 1, 0.1)


def dataset(*systems: list[Point]) -> DatasetReport:
    base = make_report(1, (5,)).datasets[0]
    series: list[Series] = [
        replace(base.series[0], index=i, label=f"s{i}", points=points, first_stage=point(0, 0.5, 1.0, usd=0.0))
        for i, points in enumerate(systems)
    ]
    return replace(base, series=series)


def choices(found: DatasetReport) -> Choices:
    return find_choices(found.series, (), found.num_queries)


def test_the_front_drops_what_is_beaten_and_what_has_no_latency() -> None:
    points = {
        Place(0, 0): point(0, 0.5, 1),
        Place(0, 5): point(5, 0.6, 50),
        Place(1, 5): point(5, 0.55, 60),
        Place(1, 10): point(10, 0.7, 100),
        Place(2, 10): point(10, 0.7, 100),
        Place(2, 20): point(20, 0.9, None),
    }
    assert find_front(points, M, p95_of) == [Place(0, 0), Place(0, 5), Place(1, 10)]


CHOICE = dataset(
    [point(5, 0.60, 50, difference(-0.1, 0.05)), point(20, 0.68, 200, difference(-0.02, 0.03))],
    [point(5, 0.62, 400, difference(-0.08, 0.05)), point(20, 0.70, 900)],
)


def test_the_answer_is_the_cheapest_within_the_noise_of_the_best() -> None:
    text = answer(CHOICE, M, choices(CHOICE))
    assert "s0 at depth 20 is the cheapest choice within the noise of the best: nDCG@10 0.680, +0.180" in text
    assert "The highest mean is 0.700, s1 at depth 20, at 900 ms (p95)" in text


def test_no_gain_beyond_the_noise_is_said() -> None:
    weak = replace(
        CHOICE.series[0].points[0], to_first_stage={M: Difference(0.01, -0.01, 0.03, 0.4, 3, 2, 1, 0.1)}, to_best={}
    )
    assert "no reranker is better than the first stage beyond the noise" in answer(
        dataset([weak]), M, choices(dataset([weak]))
    )


def test_a_reranker_that_leaves_the_order_as_it_is_is_not_named_best() -> None:
    found = dataset([replace(point(5, 0.5, 1), to_first_stage={M: difference(0, 0)})], [point(5, 0.45, 50)])
    text = answer(found, M, choices(found))
    assert text.endswith("beyond the noise: bm25 has nDCG@10 0.500; none has a higher mean.")


@pytest.mark.parametrize(
    ("constraint", "text"),
    [
        (
            Constraint(100),
            "within 100 ms (p95) is nDCG@10 0.600, s0 at depth 5, with p95 50 ms. The next higher, s0 at depth 20, is 0.680",
        ),
        (Constraint(1000), "is nDCG@10 0.700, s1 at depth 20, with p95 900 ms."),
        (Constraint(10), "is nDCG@10 0.500, bm25 alone, with p95 1.00 ms. The next higher, s0 at depth 5"),
        (Constraint(0.5), "none fits within 0.5 ms (p95). The fastest, bm25 alone, has p95 1.00 ms."),
        (Constraint(None, 2.0), "no system has a known cost, so the limit of 2 USD per 1000 queries cannot be checked"),
    ],
)
def test_a_constraint_is_answered_with_the_next_price(constraint: Constraint, text: str) -> None:
    assert text in answer_constraint(CHOICE, M, constraint, choices(CHOICE))


def test_an_unknown_latency_or_cost_keeps_no_limit() -> None:
    assert not Constraint(1000).allows(point(5, 0.9, None))
    assert not Constraint(None, 1.0).allows(point(5, 0.9, 10))
    assert Constraint(1000, 1.0).allows(point(5, 0.9, 10, usd=0.5))


def test_only_what_beats_the_first_stage_is_chosen() -> None:
    """Guards an answer that said that nothing helps, because the cheapest point within the noise of the best does not."""
    weak = replace(
        point(10, 0.53, 20, difference(-0.03, 0.05)),
        to_first_stage={M: Difference(0.03, -0.01, 0.07, 0.3, 3, 2, 1, 0.1)},
    )
    found = dataset(
        [weak, replace(point(100, 0.56, 200), to_first_stage={M: Difference(0.06, 0.03, 0.09, 0.001, 3, 2, 1, 0.1)})]
    )
    assert "s0 at depth 100 is the cheapest choice" in answer(found, M, choices(found))


def test_means_over_some_of_the_queries_are_no_choice() -> None:
    partial = replace(point(5, 0.9, 10), num_queries=60)
    found = dataset([point(5, 0.6, 50)], [partial])
    assert [series.label for series, _ in choices(found).points] == ["s0"]
    assert "s1" not in answer(found, M, choices(found))
    assert "s1" not in answer_constraint(found, M, Constraint(100), choices(found))
    alone = dataset([partial])
    assert "no reranker answered every query" in answer(alone, M, choices(alone))


def test_a_limit_considers_every_first_stage() -> None:
    found = dataset([point(5, 0.7, 50)], [point(5, 0.65, 60)])
    dense = replace(found.series[1], retriever="dense", first_stage=point(0, 0.6, 5))
    found = replace(found, series=[found.series[0], dense])
    assert "is nDCG@10 0.600, dense alone, with" in answer_constraint(found, M, Constraint(6), choices(found))


def test_bounds_are_no_choice() -> None:
    found = dataset([point(5, 0.6, 50)], [point(5, 0.95, 1)])
    assert [series.label for series, _ in find_choices(found.series, {1}, 84).points] == ["s0"]


def test_a_reranker_that_changes_nothing_is_not_listed_among_those_of_no_use() -> None:
    """Guards an answer that ended in "not better than the first stage at any depth: none", which reads as "there is no such reranker"."""
    weak = point(10, 0.5, 5.0, difference(-0.1, 0.05))
    weak = replace(weak, to_first_stage={M: Difference(0.001, -0.1, 0.1, 0.9, 2, 80, 2, 0.1)})
    same = replace(weak, to_first_stage={M: Difference(0.0, 0.0, 0.0, 1.0, 0, 84, 0, 0.0)})
    found = dataset([point(10, 0.7, 20.0)], [weak], [same])
    assert answer(found, M, choices(found)).endswith("at any depth: s1.")
    found = dataset([point(10, 0.7, 20.0)], [same])
    assert "Not better" not in answer(found, M, choices(found))


def test_a_handful_of_queries_has_no_answer() -> None:
    assert "too few queries to say" in answer(replace(CHOICE, num_queries=5), M, choices(CHOICE))


def test_a_known_cost_is_checked() -> None:
    found = dataset([point(5, 0.6, 50, usd=0.5), point(20, 0.7, 200, usd=3.0)])
    text = answer_constraint(found, M, Constraint(None, 1.0), choices(found))
    assert "is nDCG@10 0.600, s0 at depth 5, with p95 50 ms and 0.50 USD" in text
    assert "The next higher, s0 at depth 20, is 0.700 with p95 200 ms and 3.00 USD" in text


def test_what_is_not_known_of_the_next_higher_is_named() -> None:
    found = dataset([point(5, 0.6, 50, usd=0.0), point(20, 0.7, None)], [point(5, 0.65, 40)])
    text = answer_constraint(found, M, Constraint(None, 1.0), choices(found))
    assert "s0 at depth 5, with p95 50 ms and 0 USD per 1000 queries. The next higher, s0 at depth 20," in text
    assert text.endswith("is 0.700 with an unknown cost.")
    text = answer_constraint(found, M, Constraint(45), choices(found))
    assert "s1 at depth 5, with p95 40 ms. The next higher, s0 at depth 20, is 0.700 with an unknown p95." in text


def test_a_first_stage_alone_is_chosen_where_it_is_better_and_cheaper_than_a_reranker_over_another() -> None:
    """Guards a report that named a reranker over BM25, a hundred times dearer and beyond the noise below dense alone."""
    base = dataset([point(30, 0.69, 5000, to_best=difference(-0.06, 0.04))], [point(5, 0.747, 39)])
    bm25, dense = (
        replace(one, retriever=name, label=f"{one.label} over {name}")
        for one, name in zip(base.series, ("bm25", "dense"), strict=True)
    )
    bm25 = replace(bm25, first_stage=point(0, 0.56, 1, to_best=difference(-0.18, 0.04)))
    dense = replace(
        dense,
        first_stage=point(0, 0.747, 39),
        points=[replace(point(5, 0.747, 39), to_first_stage={M: difference(0, 0)})],
    )
    text = answer(found := replace(base, series=[bm25, dense]), M, choices(found))
    assert "dense alone is the cheapest choice within the noise of the best: nDCG@10 0.747, at 39 ms (p95)." in text
    assert "5000" not in text


def test_a_reranker_that_only_beats_its_first_stage_is_not_said_to_be_within_the_noise_of_the_best() -> None:
    unsure = replace(point(50, 0.9, 100), to_first_stage={M: difference(0.4, 0.5)})
    found = dataset([point(10, 0.6, 50, to_best=difference(-0.3, 0.1)), unsure])
    text = answer(found, M, choices(found))
    assert "s0 at depth 10 is the best that beats its first stage" in text
    assert "it does not beat its own first stage beyond the noise" in text
