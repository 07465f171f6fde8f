"""Recorded results -> the values of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from rerank_eval.errors import NotEvaluableError
from rerank_eval.paired import Column, Difference, compare_family, count_comparisons, find_intervals
from rerank_eval.report.changes import Choice, find_changes
from rerank_eval.report.decision import (
    Choices,
    Constraint,
    answer,
    answer_constraint,
    find_choices,
    find_front,
    find_knee,
    p95_of,
    usd_of,
)
from rerank_eval.report.describe import describe_run, drop_unknown, has_total_latency, make_point, warn
from rerank_eval.report.labels import SystemName, name_systems
from rerank_eval.report.model import DatasetReport, Knee, Place, Report, Series
from rerank_eval.report.overview import average_over_datasets, cross_first_stages, list_not_averaged
from rerank_eval.report.selections import point_at
from rerank_eval.results.comparability import check_reportable
from rerank_eval.results.experiment import SystemResult
from rerank_eval.results.recorded import Cell, RecordedResult

_SHOWN_QUERIES = 60


def build_report(results: Sequence[RecordedResult], constraint: Constraint, seed: int = 13) -> Report:
    """Return the report of one or several results; the first measure of the settings is the one that decides.

    Raises:
        DataError: the results cannot be compared; the message begins with "not comparable".
        NotEvaluableError: no system has a value at any depth.
    """
    check_reportable(results)
    results = sorted(
        results, key=lambda result: (result.dataset["name"], result.provenance["started"], str(result.path))
    )
    names = iter(name_systems(results))
    by_dataset: dict[str, list[_Source]] = {}
    for result in results:
        own_names = [next(names) for _ in result.systems]
        by_dataset.setdefault(str(result.dataset["name"]), []).append(_Source(result, own_names))
    drafts = [_Draft(found) for found in by_dataset.values()]
    comparisons = [(draft, key, column) for draft in drafts for key, column in draft.comparisons.items()]
    differences = compare_family([column for _, _, column in comparisons], seed)
    measures = results[0].measures
    datasets = []
    for draft in drafts:
        own = {key: found for (owner, key, _), found in zip(comparisons, differences, strict=True) if owner is draft}
        shown = max(2, _SHOWN_QUERIES // (len(drafts) * len(draft.series)))
        datasets.append(draft.finish(own, seed, shown))
    answers = [answer(dataset, measures[0], draft.choices()) for draft, dataset in zip(drafts, datasets, strict=True)]
    limits = [
        answer_constraint(dataset, measures[0], constraint, draft.choices())
        for draft, dataset in zip(drafts, datasets, strict=True)
    ]
    return Report(
        title=f"Rerankers on {', '.join(dataset.name for dataset in datasets)}",
        answer=" ".join(answers),
        constraint=" ".join(limits) if constraint.is_set else None,
        measures=measures,
        num_comparisons=count_comparisons([column for _, _, column in comparisons]),
        datasets=datasets,
        macro=average_over_datasets(datasets, measures),
        not_averaged=list_not_averaged(datasets),
        runs=[describe_run(result) for result in results],
        made=max(str(result.provenance["started"]) for result in results),
    )


class _Key(NamedTuple):
    """A comparison of a point by one measure: with the best point, or with the first stage."""

    place: Place
    measure: str
    with_best: bool


class _Source(NamedTuple):
    """A result with the name of each of its systems."""

    result: RecordedResult
    names: Sequence[SystemName]


class _Draft:
    """One dataset's results with the comparisons that they need."""

    def __init__(self, sources: Sequence[_Source]) -> None:
        self.results = results = [source.result for source in sources]
        self.series: list[Series] = []
        self.comparisons: dict[_Key, Column] = {}
        self._sources: list[tuple[RecordedResult, SystemResult]] = []
        self._bounds: set[int] = set()
        self._warnings: list[str] = []
        self._total: Literal["total_latency", "latency"] = (
            "total_latency" if any(has_total_latency(result) for result in results) else "latency"
        )
        for result, names in sources:
            for system, name in zip(result.systems, names, strict=True):
                kept, dropped = drop_unknown(system, result.measures)
                self._warnings += dropped
                if kept is not None:
                    self._add(result, kept, name)
        if not self.series:
            raise NotEvaluableError(
                f"no system has a value at any depth in {results[0].path}; there is nothing to report"
            )
        self._is_judged = all(result.is_judged for result in results)
        if self._is_judged:
            self._make_comparisons(self._find_best())

    def choices(self) -> Choices:
        """Return what may be chosen: without judgments nothing."""
        if not self._is_judged:
            return Choices([], [])
        return find_choices(self.series, self._bounds, int(self.results[0].dataset["num_queries"]))

    def finish(self, differences: Mapping[_Key, Difference | None], seed: int, num_queries: int) -> DatasetReport:
        """Return the dataset's report, with the differences of `comparisons`."""
        self.series = [self._with_differences(series, differences) for series in self.series]
        knees = self._find_knees(seed)
        self.series = [replace(series, knees=knees[series.index]) for series in self.series]
        result, measures = self.results[0], self.results[0].measures
        points = self.choices().places()
        is_paid = any(usd_of(point) for point in points.values())
        same_hardware = len({series.hardware for series in self.series}) == 1
        changes = [
            change
            for source in self.results
            for change in find_changes(source, self._shown_choices(source, measures[0]), measures[0], num_queries)
        ]
        return DatasetReport(
            name=str(result.dataset["name"]),
            split=str(result.dataset["split"]),
            num_documents=int(result.dataset["num_documents"]),
            num_queries=int(result.dataset["num_queries"]),
            series=self.series,
            fronts={name: find_front(points, name, p95_of) if same_hardware else [] for name in measures},
            cost_fronts={name: find_front(points, name, usd_of) if is_paid else [] for name in measures},
            same_hardware=same_hardware,
            changes=changes,
            warnings=[*warn(self.results, self.series, same_hardware), *self._warnings],
            matrix=cross_first_stages(self.series, measures[0]) if self._is_judged else (),
            is_judged=self._is_judged,
            part_of=None if (part_of := result.dataset.get("part_of")) is None else str(part_of),
        )

    def _add(self, result: RecordedResult, system: SystemResult, name: SystemName) -> None:
        index = len(self.series)
        if system.saw_judgments:
            self._bounds.add(index)
        self._sources.append((result, system))
        self.series.append(
            Series(
                index=index,
                label=name.label,
                whole_label=name.whole,
                system=system.name,
                reranker=name.reranker.label,
                reranker_key=name.reranker.key,
                retriever=name.retriever.label,
                retriever_key=name.retriever.key,
                started=str(result.provenance["started"]),
                hardware=result.hardware,
                first_stage=make_point(result, system, system.depths[0], self._total),
                points=[make_point(result, system, depth, self._total) for depth in system.depths[1:]],
                knees={},
                ceiling=result.ceiling,
            )
        )

    def _find_best(self) -> dict[str, Place]:
        """Return measure -> place of the highest mean among the choices; among all where there is none."""
        places = [Place(series.index, point.depth) for series, point in self.choices().rivals()] or [
            Place(series.index, point.depth) for series in self.series for point in series.points
        ]
        return {
            measure: max(
                places,
                key=lambda place: (
                    point_at(self.series, place).estimates[measure].mean,
                    -place.depth,
                    -place.series,
                ),
            )
            for measure in self.results[0].measures
        }

    def _make_comparisons(self, best_places: Mapping[str, Place]) -> None:
        for measure in self.results[0].measures:
            best = best_places[measure]
            for series, _ in self.choices().first_stages if len(self.choices().first_stages) > 1 else ():
                place = Place(series.index, 0)
                if place != best:
                    values = self._values(place, measure)
                    self.comparisons[_Key(place, measure, True)] = Column.difference(
                        values, self._values(best, measure)
                    )
            for series in self.series:
                first = self._values(Place(series.index, 0), measure)
                for point in series.points:
                    place = Place(series.index, point.depth)
                    values = self._values(place, measure)
                    self.comparisons[_Key(place, measure, False)] = Column.difference(values, first)
                    if place != best:
                        self.comparisons[_Key(place, measure, True)] = Column.difference(
                            values, self._values(best, measure)
                        )

    def _values(self, place: Place, measure: str) -> Mapping[str, float]:
        result, system = self._sources[place.series]
        return result.scores[Cell(system.name, place.depth, measure)]

    def _with_differences(self, series: Series, differences: Mapping[_Key, Difference | None]) -> Series:
        stands_for = {first.retriever: first.index for first, _ in self.choices().first_stages}

        def pick(depth: int, with_best: bool) -> dict[str, Difference]:
            place = Place(series.index if depth else stands_for.get(series.retriever, series.index), depth)
            keys = {name: _Key(place, name, with_best) for name in self.results[0].measures}
            return {name: found for name, key in keys.items() if (found := differences.get(key)) is not None}

        points = [
            replace(point, to_first_stage=pick(point.depth, False), to_best=pick(point.depth, True))
            for point in (series.first_stage, *series.points)
        ]
        return replace(series, first_stage=points[0], points=points[1:])

    def _find_knees(self, seed: int) -> list[dict[str, Knee]]:
        """Return measure -> knee for each series; none without judgments."""
        if not self._is_judged:
            return [{} for _ in self.series]
        return [
            {measure: self._find_knee(series, measure, seed) for measure in self.results[0].measures}
            for series in self.series
        ]

    def _find_knee(self, series: Series, measure: str, seed: int) -> Knee:
        best = max(series.points, key=lambda point: (point.estimates[measure].mean, -point.depth)).depth
        reference = self._values(Place(series.index, best), measure)
        columns = {
            point.depth: Column.difference(reference, self._values(Place(series.index, point.depth), measure))
            for point in series.points
        }
        return find_knee(best, dict(zip(columns, find_intervals(list(columns.values()), seed), strict=True)))

    def _shown_choices(self, source: RecordedResult, measure: str) -> list[Choice]:
        return [
            Choice(
                series.index,
                series.system,
                series.knees[measure].cheapest if self._is_judged else series.points[-1].depth,
            )
            for series, (result, _) in zip(self.series, self._sources, strict=True)
            if result is source
        ]
