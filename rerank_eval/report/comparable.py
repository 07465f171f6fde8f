"""Whether results may stand in one report, and which of their points have a value."""

from collections.abc import Sequence
from dataclasses import replace

from rerank_eval.errors import DataError
from rerank_eval.recorded import RecordedResult
from rerank_eval.results import SystemResult


def check_comparable(results: Sequence[RecordedResult]) -> None:
    """Check that the results have one set of measures and depths, and one content per dataset.

    Raises:
        DataError: they have not; the message begins with "not comparable" and says what differs where.
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


def drop_unknown(system: SystemResult, measures: Sequence[str]) -> tuple[SystemResult | None, list[str]]:
    """Return the system with the depths that have a mean of every measure, and a warning for each that has not."""
    kept = [depth for depth in system.depths if all(depth.measures[name].mean is not None for name in measures)]
    warnings = [
        f"{system.name} at depth {depth.depth}: no query has an answer; it is not shown"
        for depth in system.depths
        if depth not in kept
    ]
    if len(kept) < 2 or kept[0].depth != 0:
        return None, warnings
    return replace(system, depths=kept), warnings


def _refusal(one: RecordedResult, other: RecordedResult, what: str, value: object, other_value: object) -> DataError:
    return DataError(
        f"not comparable: {what} differ: {_shown(value)} in {one.path}, {_shown(other_value)} in {other.path}; "
        "evaluate both with the same data and settings, or report them apart"
    )


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)[:64]
