"""From samples to percentiles: nothing that they cannot support."""

import numpy as np
import pytest

from rerank_eval.latency import LatencySample, summarise


def sample_of(query_id: str, nanoseconds: int) -> LatencySample:
    return LatencySample(query_id, "x", 10, nanoseconds, 0)


@pytest.mark.parametrize(
    ("count", "p50", "p95"), [(1, False, False), (2, True, False), (19, True, False), (20, True, True)]
)
def test_no_percentile_that_the_samples_cannot_support(count: int, p50: bool, p95: bool) -> None:
    summary = summarise([sample_of(f"q{i}", 1_000_000 * (i + 1)) for i in range(count)])
    assert summary is not None
    assert (summary.count, summary.p50 is not None, summary.p95 is not None) == (count, p50, p95)
    assert summary.mean_ms == pytest.approx((count + 1) / 2)


@pytest.mark.parametrize(
    ("queries", "p50", "p95"), [(1, False, False), (2, True, False), (19, True, False), (20, True, True)]
)
def test_repetitions_support_no_percentile_that_their_queries_do_not(queries: int, p50: bool, p95: bool) -> None:
    summary = summarise([sample_of(f"q{i % queries}", 1_000_000 + i) for i in range(30 * queries)])
    assert summary is not None
    assert (summary.count, summary.p50 is not None, summary.p95 is not None) == (30 * queries, p50, p95)


def test_repetitions_make_no_interval_narrower() -> None:
    once = [sample_of(f"q{i}", 1_000_000 * (i + 1)) for i in range(25)]
    alone, repeated = summarise(once), summarise(once * 5)
    assert alone is not None
    assert repeated is not None
    assert alone.p50 is not None
    assert repeated.p50 is not None
    assert repeated.p50[1:] == alone.p50[1:]


def test_percentiles_lie_inside_their_intervals() -> None:
    nanoseconds = [int(n) for n in np.random.default_rng(1).lognormal(15, 1, 200)]
    summary = summarise([sample_of(f"q{i}", time) for i, time in enumerate(nanoseconds)])
    assert summary is not None
    for percentile, percent in ((summary.p50, 50), (summary.p95, 95)):
        assert percentile is not None
        assert percentile.value_ms == pytest.approx(np.percentile(nanoseconds, percent) / 1e6)
        assert percentile.low_ms is not None
        assert percentile.high_ms is not None
        assert percentile.low_ms < percentile.value_ms < percentile.high_ms


def test_no_samples_give_no_summary() -> None:
    assert summarise([]) is None
