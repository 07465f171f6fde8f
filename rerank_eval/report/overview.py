"""Across datasets and first stages: the macro average, and the matrix of first stages and rerankers."""

from collections.abc import Sequence

from rerank_eval.report.model import DatasetReport, MacroRow, MatrixCell, Point, Series


def average_over_datasets(datasets: Sequence[DatasetReport], measures: Sequence[str]) -> list[MacroRow]:
    """Return the means over datasets of the systems that every dataset has, by label; none for one dataset."""
    if len(datasets) < 2:
        return []
    tables = [_points_by_label(dataset) for dataset in datasets]
    rows = []
    for key in tables[0]:
        points = [table[key] for table in tables if key in table]
        if len(points) == len(tables):
            means = {name: sum(point.estimates[name].mean for point in points) / len(points) for name in measures}
            rows.append(MacroRow(*key, means))
    return rows


def cross_first_stages(series: Sequence[Series], measure: str) -> list[MatrixCell]:
    """Return each system over each first stage at its best depth; none for one first stage."""
    if len({found.retriever for found in series}) < 2:
        return []
    cells = []
    for found in series:
        best = max(found.points, key=lambda point: (point.estimates[measure].mean, -point.depth))
        cells.append(MatrixCell(found.retriever, found.system, best.depth, best.estimates[measure]))
    return cells


def _points_by_label(dataset: DatasetReport) -> dict[tuple[str, int], Point]:
    return {
        (series.label, point.depth): point
        for series in dataset.series
        for point in [series.first_stage, *series.points]
    }
