"""Across datasets and first stages: the macro average, and the matrix of first stages and rerankers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rerank_eval.report.model import DatasetReport, MacroRow, MatrixCell, NotAveraged, Point, Series


class _Key(NamedTuple):
    """What is the same on every dataset: first stage, reranker and depth; a first stage alone has no reranker."""

    retriever: str
    reranker: str
    depth: int


_Points = Mapping[_Key, tuple[Series, Point]]


def average_over_datasets(datasets: Sequence[DatasetReport], measures: Sequence[str]) -> list[MacroRow]:
    """Return the means over datasets of what every dataset has: each first stage, and each system over it; none for one dataset.

    Only what has the same name and settings on all of them is one first stage or one system. Parts of one collection are averaged
    first, and count as one dataset. Of several runs of one system over one first stage the newest counts. A system that did not answer
    every query somewhere is left out: its mean is over other queries than those beside it.
    """
    if len(datasets) < 2 or not all(dataset.is_judged for dataset in datasets):
        return []
    tables = [_find_points(dataset) for dataset in datasets]
    common = [key for key in tables[0] if all(key in table and _is_whole(*table[key]) for table in tables)]
    has_several = _has_several_first_stages(common)
    rows = []
    for key in common:
        points = [table[key][1] for table in tables]
        means = {
            name: _average([point.estimates[name].mean for point in points], [_collection(one) for one in datasets])
            for name in measures
        }
        rows.append(MacroRow(_label(tables[0][key][0], key, has_several), key.depth, means))
    return rows


def list_not_averaged(datasets: Sequence[DatasetReport]) -> list[NotAveraged]:
    """Return what `average_over_datasets` leaves out of several datasets, and why."""
    if len(datasets) < 2:
        return []
    if unjudged := [dataset.name for dataset in datasets if not dataset.is_judged]:
        return [NotAveraged("every system", f"no judgments on {', '.join(unjudged)}")]
    tables = [_find_points(dataset) for dataset in datasets]
    keys = dict.fromkeys(key for table in tables for key in table)
    has_several = _has_several_first_stages(keys)
    depths: dict[tuple[str, str], list[int]] = {}
    for key in keys:
        having = [dataset.name for dataset, table in zip(datasets, tables, strict=True) if key in table]
        if len(having) < len(datasets):
            series = next(table[key][0] for table in tables if key in table)
            left_out = (_label(series, key, has_several), f"only on {', '.join(having)}")
            depths.setdefault(left_out, []).append(key.depth)
        for dataset, table in zip(datasets, tables, strict=True):
            if key in table and not _is_whole(*table[key]):
                series, point = table[key]
                reason = (
                    f"only {point.num_queries} of {series.first_stage.num_queries} queries of {dataset.name} answered"
                )
                depths.setdefault((_label(series, key, has_several), reason), []).append(key.depth)
    return [
        NotAveraged(label, f"{reason} at depth {', '.join(map(str, found))}" if found != [0] else reason)
        for (label, reason), found in depths.items()
    ]


def count_collections(datasets: Sequence[DatasetReport]) -> int:
    """Return how many datasets count in an average, parts of one collection together."""
    return len({_collection(dataset) for dataset in datasets})


def _collection(dataset: DatasetReport) -> tuple[str, bool]:
    return (dataset.name, False) if dataset.part_of is None else (dataset.part_of, True)


def _average(values: Sequence[float], collections: Sequence[tuple[str, bool]]) -> float:
    """Return the mean of the means of each collection."""
    grouped: dict[tuple[str, bool], list[float]] = {}
    for value, collection in zip(values, collections, strict=True):
        grouped.setdefault(collection, []).append(value)
    return sum(sum(group) / len(group) for group in grouped.values()) / len(grouped)


def cross_first_stages(series: Sequence[Series], measure: str) -> list[MatrixCell]:
    """Return each system over each first stage at its best depth, the newest of several runs; none for one first stage.

    A depth at which not every query was answered is no best one: its mean is over other queries.
    """
    if len({found.retriever_key for found in series}) < 2:
        return []
    cells = {}
    for found in series:
        whole = [point for point in found.points if _is_whole(found, point)]
        if not whole:
            continue
        best = max(whole, key=lambda point: (point.estimates[measure].mean, -point.depth))
        cell = MatrixCell(found.retriever, found.reranker, best.depth, best.estimates[measure])
        cells[found.retriever_key, found.reranker_key] = cell
    return list(cells.values())


def _find_points(dataset: DatasetReport) -> _Points:
    """Return every point with its series; series are in the order of time, so the newest stays."""
    points: dict[_Key, tuple[Series, Point]] = {}
    for series in dataset.series:
        points[_Key(series.retriever_key, "", 0)] = series, series.first_stage
        for point in series.points:
            points[_Key(series.retriever_key, series.reranker_key, point.depth)] = series, point
    return points


def _is_whole(series: Series, point: Point) -> bool:
    return point.num_queries == series.first_stage.num_queries


def _has_several_first_stages(keys: Iterable[_Key]) -> bool:
    return len({key.retriever for key in keys}) > 1


def _label(series: Series, key: _Key, has_several: bool) -> str:
    if key.depth == 0:
        return f"{series.retriever} (first stage)"
    return f"{series.reranker} over {series.retriever}" if has_several else series.reranker
