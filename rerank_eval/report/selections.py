"""Parts of a dataset's report that figures and their descriptions pick out."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rerank_eval.report.formats import UNKNOWN, format_interval, format_score, shorten_name
from rerank_eval.report.model import DatasetReport, Place, Point, Series

SMALLEST = 1e-4  # a log axis has no zero


def point_at(series: Sequence[Series], place: Place) -> Point:
    """Return the point at a place."""
    found = series[place.series]
    return next(point for point in (found.first_stage, *found.points) if point.depth == place.depth)


def name_place(dataset: DatasetReport, place: Place) -> str:
    """Return a place in words."""
    series = dataset.series[place.series]
    return (
        f"{name_series(series)} at depth {place.depth}"
        if place.depth
        else f"{shorten_name(series.retriever, 48)} alone"
    )


def name_series(series: Series) -> str:
    """Return the label of a series, shortened for a sentence."""
    return shorten_name(series.label, 48)


def distinct_first_stages(series: Sequence[Series]) -> list[Series]:
    """Return one series for each first stage that differs from the others in name or in values."""
    found: list[Series] = []
    for one in series:
        if not any(one.retriever == other.retriever and one.first_stage == other.first_stage for other in found):
            found.append(one)
    return found


def distinct_ceilings(dataset: DatasetReport, measure: str) -> list[tuple[str, Mapping[int, float]]]:
    """Return first stage and depth -> ceiling, once for each that differs; only depths at which it is known."""
    found: list[tuple[str, Mapping[int, float]]] = []
    for series in dataset.series:
        depths = [point.depth for point in series.points]
        ceiling = {
            depth: value
            for depth in sorted(depths)
            if (value := series.ceiling.get(depth, {}).get(measure)) is not None
        }
        if ceiling and (series.retriever, ceiling) not in found:
            found.append((series.retriever, ceiling))
    return found


def group_by_machine(dataset: DatasetReport) -> dict[str, list[Series]]:
    """Return hardware fingerprint -> its series, in the order of the series."""
    groups: dict[str, list[Series]] = {}
    for series in dataset.series:
        groups.setdefault(series.hardware[:8] or "unknown", []).append(series)
    return groups


def write_estimate(point: Point, measure: str) -> str:
    """Return a mean with its interval and the number of queries it is over."""
    estimate = point.estimates.get(measure)
    if estimate is None:
        return UNKNOWN
    interval = format_interval(estimate)
    return f"{format_score(estimate.mean)} {interval} (n = {point.num_queries} queries)"


def make_name(kind: str, dataset: DatasetReport, measure: str = "") -> str:
    """Return a name for a figure that may name a file: letters, digits and hyphens, distinct for distinct names."""
    parts = [kind, *(_slug(part) for part in (dataset.name, dataset.split, measure) if part)]
    return "-".join(parts)


def _slug(text: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:40].lower()
    is_plain = re.fullmatch(r"[a-z0-9-]+|[A-Za-z]+@[0-9]+", text) is not None and len(text) <= 40
    return slug if is_plain else f"{slug or 'x'}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:6]}"


class Spread(NamedTuple):
    """Samples in five numbers."""

    least: float
    low: float
    median: float
    high: float
    most: float


def spread_of(samples: Sequence[float]) -> Spread:
    """Return the extremes, quartiles and median, none of them below what a log axis can show."""
    least, *quartiles, most = np.quantile(np.maximum(samples, SMALLEST), [0, 0.25, 0.5, 0.75, 1])
    low, median, high = quartiles
    return Spread(float(least), float(low), float(median), float(high), float(most))


def is_significant(point: Point, measure: str) -> bool:
    """Return whether there is a difference to the first stage beyond the noise."""
    difference = point.to_first_stage.get(measure)
    return difference is not None and difference.is_significant
