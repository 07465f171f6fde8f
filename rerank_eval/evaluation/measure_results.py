"""Means over queries with their intervals, and the differences to depth 0 paired by query."""

from collections.abc import Mapping, Sequence

import numpy as np

from rerank_eval.paired import Column, find_intervals
from rerank_eval.results.depth_results import MeasureResult
from rerank_eval.statistics import Interval


def measure_by_depth(
    values: Mapping[int, Mapping[str, Mapping[str, float]]], seed: int
) -> dict[int, dict[str, MeasureResult]]:
    """Return depth -> measure -> result, from depth -> measure -> query_id -> value; all intervals share their resamples."""
    columns = {}
    for depth, by_measure in values.items():
        for name, own in by_measure.items():
            columns[depth, name, False] = Column.of(own)
            if depth:
                columns[depth, name, True] = Column.difference(own, values[0][name])
    intervals = dict(zip(columns, find_intervals(list(columns.values()), seed), strict=True))
    return {
        depth: {
            name: _measure_result(intervals[depth, name, False], intervals.get((depth, name, True)))
            for name in by_measure
        }
        for depth, by_measure in values.items()
    }


def mean_or_none(values: Sequence[float]) -> float | None:
    """Return the mean; None of nothing."""
    return float(np.mean(values)) if values else None


def _measure_result(interval: Interval | None, difference: Interval | None) -> MeasureResult:
    """Return a mean with its interval, and the difference to depth 0; no mean where no query is left."""
    if interval is None:
        return MeasureResult(None, None, None, 0)
    return MeasureResult(
        interval.mean,
        interval.low,
        interval.high,
        interval.num_queries,
        None if difference is None else {"mean": difference.mean, "low": difference.low, "high": difference.high},
    )
