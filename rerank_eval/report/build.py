"""Recorded results -> the values of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from rerank_eval.errors import NotEvaluableError
from rerank_eval.recorded import RecordedResult
from rerank_eval.report.changes import Choice, find_changes
from rerank_eval.report.comparable import check_comparable, drop_unknown
from rerank_eval.report.comparisons import (
    Column,
    Pair,
    compare_pairs,
    describe_differences,
    find_intervals,
    make_column,
)
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
from rerank_eval.report.describe import describe_run, has_total_latency, make_point, warn
from rerank_eval.report.labels import label_retriever, label_system
from rerank_eval.report.model import (
    DatasetReport,
    Difference,
    Knee,
    Point,
    Report,
    Series,
)
from rerank_eval.report.overview import average_over_datasets, cross_first_stages
from rerank_eval.results import SystemResult

_SHOWN_QUERIES = 60


def build_report(results: Sequence[RecordedResult], constraint: Constraint, seed: int = 13) -> Report:
    """Return the report of one or several results; the first measure of the settings is the one that decides.

    Raises:
        DataError: the results cannot be compared; the message begins with "not comparable".
        NotEvaluableError: no system has a value at any depth.
    """
    check_comparable(results)
    results = sorted(
        results, key=lambda result: (result.dataset["name"], result.provenance["started"], str(result.path))
    )
    by_dataset: dict[str, list[RecordedResult]] = {}
    for result in results:
        by_dataset.setdefault(str(result.dataset["name"]), []).append(result)
    drafts = [_Draft(found) for found in by_dataset.values()]
    pairs = [pair for draft in drafts for pair in draft.pairs]
    differences = describe_differences(pairs, compare_pairs(pairs, seed))
    measures = results[0].measures
    datasets = []
    for draft in drafts:
        own, differences = differences[: len(draft.pairs)], differences[len(draft.pairs) :]
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
        num_comparisons=len(pairs),
        datasets=datasets,
        macro=average_over_datasets(datasets, measures),
        runs=[describe_run(result) for result in results],
        made=max(str(result.provenance["started"]) for result in results),
    )


class _Draft:
    """One dataset's results with the comparisons that they need."""

    def __init__(self, results: Sequence[RecordedResult]) -> None:
        self.results = results
        self.series: list[Series] = []
        self.pairs: list[Pair] = []
        self._sources: list[tuple[RecordedResult, SystemResult]] = []
        self._bounds: set[int] = set()
        self._warnings: list[str] = []
        self._total: Literal["total_latency", "latency"] = (
            "total_latency" if any(has_total_latency(result) for result in results) else "latency"
        )
        for result in results:
            for system in result.systems:
                kept, dropped = drop_unknown(system, result.measures)
                self._warnings += dropped
                if kept is not None:
                    self._add(result, kept)
        if not self.series:
            raise NotEvaluableError(
                f"no system has a value at any depth in {results[0].path}; there is nothing to report"
            )
        self._best = self._find_best()
        self._make_pairs()

    def choices(self) -> Choices:
        """Return what may be chosen."""
        return find_choices(self.series, self._bounds, int(self.results[0].dataset["num_queries"]))

    def finish(self, differences: Sequence[Difference | None], seed: int, num_queries: int) -> DatasetReport:
        """Return the dataset's report, with the differences of `pairs`."""
        to_first: dict[tuple[int, int, str], Difference] = {}
        to_best: dict[tuple[int, int, str], Difference] = {}
        for pair, found in zip(self.pairs, differences, strict=True):
            if found is not None:
                (to_best if pair.reference.key[1] else to_first)[pair.column.key] = found
        self.series = [self._with_differences(series, to_first, to_best) for series in self.series]
        knees = self._find_knees(seed)
        self.series = [replace(series, knees=knees[series.index]) for series in self.series]
        result, measures = self.results[0], self.results[0].measures
        points = self.choices().places()
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
            cost_fronts={name: find_front(points, name, usd_of) for name in measures},
            same_hardware=same_hardware,
            changes=changes,
            warnings=[*warn(self.results, self.series, same_hardware), *self._warnings],
            matrix=cross_first_stages(self.series, measures[0]),
        )

    def _add(self, result: RecordedResult, system: SystemResult) -> None:
        index = len(self.series)
        if system.saw_judgments:
            self._bounds.add(index)
        self._sources.append((result, system))
        self.series.append(
            Series(
                index=index,
                label=label_system(result, system, self.results),
                system=system.name,
                retriever=label_retriever(result, self.results),
                started=str(result.provenance["started"]),
                hardware=result.hardware,
                first_stage=make_point(result, system, system.depths[0], self._total),
                points=[make_point(result, system, depth, self._total) for depth in system.depths[1:]],
                knees={},
                ceiling=result.ceiling,
            )
        )

    def _find_best(self) -> dict[str, tuple[int, int]]:
        """Return measure -> (series, depth) of the highest mean among the choices; among all where there is none."""
        places = [(series.index, point.depth) for series, point in self.choices().points] or [
            (series.index, point.depth) for series in self.series for point in series.points
        ]
        return {
            measure: max(
                places,
                key=lambda place: (self._point(*place).estimates[measure].mean, -place[1], -place[0]),
            )
            for measure in self.results[0].measures
        }

    def _point(self, series: int, depth: int) -> Point:
        return next(point for point in self.series[series].points if point.depth == depth)

    def _make_pairs(self) -> None:
        for measure in self.results[0].measures:
            best = self._column(*self._best[measure], measure)
            for series in self.series:
                first = self._column(series.index, 0, measure)
                for point in series.points:
                    column = self._column(series.index, point.depth, measure)
                    self.pairs.append(Pair(column, first))
                    if column.key != best.key:
                        self.pairs.append(Pair(column, best))

    def _column(self, series: int, depth: int, measure: str) -> Column:
        result, system = self._sources[series]
        return make_column(result, system.name, series, depth, measure)

    def _with_differences(
        self,
        series: Series,
        to_first: Mapping[tuple[int, int, str], Difference],
        to_best: Mapping[tuple[int, int, str], Difference],
    ) -> Series:
        def pick(found: Mapping[tuple[int, int, str], Difference], depth: int) -> dict[str, Difference]:
            keys = {measure: (series.index, depth, measure) for measure in self.results[0].measures}
            return {measure: found[key] for measure, key in keys.items() if key in found}

        points = [
            replace(point, to_first_stage=pick(to_first, point.depth), to_best=pick(to_best, point.depth))
            for point in series.points
        ]
        return replace(series, points=points)

    def _find_knees(self, seed: int) -> dict[int, dict[str, Knee]]:
        wanted: list[tuple[int, str, int, int]] = []
        pairs = []
        for series in self.series:
            for measure in self.results[0].measures:
                best = max(series.points, key=lambda point: (point.estimates[measure].mean, -point.depth)).depth
                for point in series.points:
                    wanted.append((series.index, measure, best, point.depth))
                    pairs.append(
                        Pair(
                            self._column(series.index, best, measure), self._column(series.index, point.depth, measure)
                        )
                    )
        intervals = find_intervals(pairs, seed)
        knees: dict[int, dict[str, Knee]] = {}
        for series in self.series:
            for measure in self.results[0].measures:
                own = {
                    (best, depth): interval
                    for (index, name, best, depth), interval in zip(wanted, intervals, strict=True)
                    if (index, name) == (series.index, measure)
                }
                best = next(iter(own))[0]
                knees.setdefault(series.index, {})[measure] = find_knee(
                    best, {depth: interval for (_, depth), interval in own.items()}
                )
        return knees

    def _shown_choices(self, source: RecordedResult, measure: str) -> list[Choice]:
        return [
            Choice(series.index, series.system, series.knees[measure].cheapest)
            for series, (result, _) in zip(self.series, self._sources, strict=True)
            if result is source
        ]
