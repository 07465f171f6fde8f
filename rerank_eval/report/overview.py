"""Across datasets and first stages: the macro average, and the matrix of first stages and rerankers."""

from collections.abc import Sequence

from rerank_eval.report.model import DatasetReport, MacroRow, MatrixCell, Point, Series


def average_over_datasets(datasets: Sequence[DatasetReport], measures: Sequence[str]) -> list[MacroRow]:
    """Return the means over datasets of what every dataset has: each first stage, and each system over it; none for one dataset.

    Parts of one collection are averaged first, and count as one dataset.
    Of several runs of one system over one first stage the newest counts.
    """
    if len(datasets) < 2 or not all(dataset.is_judged for dataset in datasets):
        return []
    tables = [_points_by_name(dataset) for dataset in datasets]
    common = [key for key in tables[0] if all(key in table for table in tables)]
    num_first_stages = len({retriever for retriever, _, _ in common})
    rows = []
    for retriever, system, depth in common:
        points = [table[retriever, system, depth] for table in tables]
        means = {
            name: _average([point.estimates[name].mean for point in points], [_collection(one) for one in datasets])
            for name in measures
        }
        label = (
            f"{retriever} (first stage)"
            if depth == 0
            else f"{system} over {retriever}"
            if num_first_stages > 1
            else system
        )
        rows.append(MacroRow(label, depth, means))
    return rows


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
    """Return each system over each first stage at its best depth; none for one first stage."""
    if len({found.retriever for found in series}) < 2:
        return []
    cells = []
    for found in series:
        best = max(found.points, key=lambda point: (point.estimates[measure].mean, -point.depth))
        cells.append(MatrixCell(found.retriever, found.system, best.depth, best.estimates[measure]))
    return cells


def _points_by_name(dataset: DatasetReport) -> dict[tuple[str, str, int], Point]:
    """Return (retriever, system, depth) -> point; a first stage has no system. Series are in the order of time."""
    points: dict[tuple[str, str, int], Point] = {}
    for series in dataset.series:
        points[series.retriever, "", 0] = series.first_stage
        points |= {(series.retriever, series.system, point.depth): point for point in series.points}
    return points
