"""Whether two results may be compared at all, and what must be said beside it if they may."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rerank_eval.errors import DataError, NotComparableError, NotEvaluableError, nearest, shortened
from rerank_eval.results.flat_settings import find_differing, flatten
from rerank_eval.results.recorded import Cell, RecordedResult

_SHOWN_SETTINGS = 5


class Pair(NamedTuple):
    """The values of both results for one system, depth and measure, by query_id."""

    cell: Cell
    baseline: Mapping[str, float]
    candidate: Mapping[str, float]

    @property
    def common(self) -> list[str]:
        """The queries that both have, in order."""
        return sorted(self.baseline.keys() & self.candidate.keys())

    @property
    def place(self) -> str:
        """System and depth, for a message."""
        return name_place(self.cell.system, self.cell.depth)


def name_place(system: str, depth: int) -> str:
    """Return a system at a depth in words that fit on one line."""
    return f"{shortened(system)} at depth {depth}"


def choose_measures(baseline: RecordedResult, names: Sequence[str]) -> tuple[str, ...]:
    """Return the measures to judge by their full names; without `names` the baseline's first.

    Raises:
        ConfigError: a name is no measure.
        NotComparableError: the baseline lacks one.
    """
    if not names:
        return baseline.measures[:1]
    chosen = []
    for name in names:
        if name not in baseline.measures:
            from rerank_eval.measures import parse_measures  # it loads ir_measures, which exact names do not need

            (full_name,) = parse_measures([name], baseline.dataset["relevance_level"])
            if full_name not in baseline.measures:
                raise NotComparableError(f"{baseline.path} lacks {full_name}; it has {', '.join(baseline.measures)}")
            chosen.append(full_name)
        else:
            chosen.append(name)
    return tuple(dict.fromkeys(chosen))


def pair_values(baseline: RecordedResult, candidate: RecordedResult, measures: Sequence[str]) -> list[Pair]:
    """Return a pair per measure, depth and system of the baseline; the first stage comes once, under the retriever's name.

    Raises:
        NotComparableError: the results differ in what must be equal, or the candidate lacks one of the baseline's cells.
    """
    _check_same(baseline, candidate)
    for measure in measures:
        if measure not in candidate.measures:
            raise NotComparableError(f"{candidate.path} lacks {measure}; it has {', '.join(candidate.measures)}")
    depths = {system.name: {depth.depth for depth in system.depths} for system in candidate.systems}
    for system in baseline.systems:
        if system.name not in depths:
            raise NotComparableError(f"{candidate.path} lacks {shortened(system.name)}: {nearest(system.name, depths)}")
        for depth in system.depths:
            if depth.depth not in depths[system.name]:
                raise NotComparableError(f"{candidate.path} lacks {name_place(system.name, depth.depth)}")
    return list(_pairs(baseline, candidate, measures))


def _check_same(baseline: RecordedResult, candidate: RecordedResult) -> None:
    for result in (baseline, candidate):
        if not result.is_judged:
            raise NotComparableError(f"{result.path} has no judgments, so nothing in it says which ranking is better")
    for what, before, after in (
        ("the dataset", baseline.dataset["name"], candidate.dataset["name"]),
        ("the split", baseline.dataset["split"], candidate.dataset["split"]),
        ("the hash of the data", baseline.dataset["sha256"], candidate.dataset["sha256"]),
        ("the relevance level", baseline.dataset["relevance_level"], candidate.dataset["relevance_level"]),
        (
            "removes_query_document",
            *(result.dataset.get("removes_query_document", False) for result in (baseline, candidate)),
        ),
        ("the first stage's depth", baseline.retriever["depth"], candidate.retriever["depth"]),
    ):
        if before != after:
            raise NotComparableError(
                f"{what} is {shortened(str(before))} in {baseline.path} and {shortened(str(after))} in {candidate.path}; if the change is "
                "meant, renew the baseline: rerank_eval baseline RESULT FILE"
            )


def _pairs(baseline: RecordedResult, candidate: RecordedResult, measures: Sequence[str]) -> Iterator[Pair]:
    for measure in measures:
        before, after = (result.scores[Cell(result.systems[0].name, 0, measure)] for result in (baseline, candidate))
        yield Pair(Cell(baseline.retriever["name"], 0, measure), before, after)
    for system in baseline.systems:
        for depth in system.depths:
            for measure in measures if depth.depth else ():
                cell = Cell(system.name, depth.depth, measure)
                yield Pair(cell, baseline.scores.get(cell, {}), candidate.scores.get(cell, {}))


def check_evaluable(baseline: RecordedResult, candidate: RecordedResult, pairs: Sequence[Pair]) -> None:
    """Check that both results are whole, and that what failed in the candidate is within the baseline's `max_error_rate`.

    Raises:
        NotEvaluableError: it is not.
    """
    for result in (baseline, candidate):
        if result.status != "complete":
            raise NotEvaluableError(
                f"{result.path} is {shortened(str(result.status))}, so nothing can be said of it; run the evaluation again"
            )
    limit = baseline.settings["max_error_rate"]
    for pair in pairs:
        missing = pair.baseline.keys() - pair.candidate.keys()
        if len(missing) > limit * len(pair.baseline):
            raise NotEvaluableError(
                f"{pair.place}: {len(missing)} of the {len(pair.baseline)} queries that the baseline answered are missing in "
                f"{candidate.path}, {shortened(min(missing))} for one; its max_error_rate is {limit}"
            )
        if not pair.common:
            raise NotEvaluableError(f"{pair.place}: there is no query that both results answered")


def note_changes(baseline: RecordedResult, candidate: RecordedResult, pairs: Sequence[Pair]) -> list[str]:
    """Return what a reader must know beside the verdicts."""
    notes = []
    stages = [(result.retriever["name"], result.retriever["sha256"]) for result in (baseline, candidate)]
    if stages[0] != stages[1]:
        before, after = (f"{shortened(str(name))} ({str(digest)[:8]})" for name, digest in stages)
        notes.append(f"the first stage is another one: {before} in the baseline, {after} in the candidate")
    notes += _note_other_systems(baseline, candidate)
    depths = {system.name: {depth.depth for depth in system.depths} for system in baseline.systems}
    for system in candidate.systems:
        if system.name not in depths:
            notes.append(f"{shortened(system.name)} is new, so there is no verdict on it")
        elif new := {depth.depth for depth in system.depths} - depths[system.name]:
            shown = ", ".join(map(str, sorted(new)))
            notes.append(f"{shortened(system.name)} has no verdict where the baseline has no value: depth {shown}")
    for pair in pairs:
        only_before, only_after = (
            len(one.keys() - other.keys())
            for one, other in ((pair.baseline, pair.candidate), (pair.candidate, pair.baseline))
        )
        if only_before or only_after:
            notes.append(
                f"{pair.place} is compared on {len(pair.common)} queries; {only_before} more only in the baseline, "
                f"{only_after} only in the candidate"
            )
    return list(dict.fromkeys(notes))


def _note_other_systems(baseline: RecordedResult, candidate: RecordedResult) -> Iterator[str]:
    """Yield which systems of one name are not the same in both; a baseline file has no settings, only their fingerprint."""
    found = {system.name: system for system in candidate.systems}
    for before in baseline.systems:
        after, name = found[before.name], shortened(before.name)
        configs = [flatten(system.config) for system in (before, after)]
        if differing := find_differing(configs) if all(configs) else []:
            told = [
                f"{setting} is {' in the baseline, '.join(shortened(str(config.get(setting))) for config in configs)} in the candidate"
                for setting in differing[:_SHOWN_SETTINGS]
            ]
            more = f"; {len(differing) - len(told)} more differ" if len(differing) > len(told) else ""
            yield f"{name} has other settings: {'; '.join(told)}{more}"
        elif before.fingerprint and after.fingerprint and before.fingerprint != after.fingerprint:
            yield (
                f"{name} is another one: its settings, model or code differ (fingerprint {before.fingerprint[:8]} in the baseline, "
                f"{after.fingerprint[:8]} in the candidate)"
            )


def check_reportable(results: Sequence[RecordedResult]) -> None:
    """Check that results may stand in one report: one set of measures and depths, and one content per dataset.

    Raises:
        NotComparableError: they have not; the message says what differs where.
        DataError: there is no result.
    """
    if not results:
        raise DataError("there is no result to report")
    first = results[0]
    contents: dict[str, RecordedResult] = {}
    for result in results:
        if result.measures != first.measures:
            raise _refusal(first, result, "measures", first.measures, result.measures)
        if result.depths != first.depths:
            raise _refusal(first, result, "depths", first.depths, result.depths)
        known = contents.setdefault(str(result.dataset["name"]), result)
        for field in ("sha256", "split", "num_queries"):
            if known.dataset[field] != result.dataset[field]:
                raise _refusal(known, result, f"the dataset's {field}", known.dataset[field], result.dataset[field])
        if known.retriever["depth"] != result.retriever["depth"]:
            raise _refusal(
                known, result, "the depth of the first stage", known.retriever["depth"], result.retriever["depth"]
            )


def _refusal(
    one: RecordedResult, other: RecordedResult, what: str, value: object, other_value: object
) -> NotComparableError:
    return NotComparableError(
        f"{what} differ: {_shown(value)} in {one.path}, {_shown(other_value)} in {other.path}; "
        "evaluate both with the same data and settings, or report them apart"
    )


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)[:64]
