"""Whether what was read back is what a run writes: kinds of fields, ranges, and files that belong together."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from rerank_eval.errors import DataError, shortened
from rerank_eval.integers import LARGEST_INTEGER
from rerank_eval.results.depth_results import AnswerResult, DepthResult, Loss, MeasureResult, Stability
from rerank_eval.results.experiment import SystemResult
from rerank_eval.results.recorded import Cell, RecordedResult

_TOLERANCE = 1e-9
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_STATUSES = ("complete", "incomplete", "not_evaluable")


def check_result(result: RecordedResult) -> None:
    """Check all that readers rely on.

    Raises:
        DataError: a field is of another kind or out of range, something comes twice, or the means are not those of the values.
    """
    for name, holds in _claims(result):
        if not holds:
            raise DataError(f"{name}; run the evaluation again", result.path)
    for system in result.systems:
        for depth in system.depths:
            for measure in result.measures:
                _check_mean(result, Cell(system.name, depth.depth, measure), depth.measures[measure])


def is_number(value: object) -> bool:
    """Return whether `value` is a finite number of a sensible size."""
    # NaN is not
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_INTEGER


def _claims(result: RecordedResult) -> Iterator[tuple[str, bool]]:
    """Yield what is wrong if it does not hold; those that need others come after them."""
    dataset, retriever, settings, provenance = result.dataset, result.retriever, result.settings, result.provenance
    yield f"the status is {_shown(result.status)}", result.status in _STATUSES
    names = {f"dataset {name}": dataset[name] for name in ("name", "split", "sha256")}
    names |= {f"retriever {name}": retriever[name] for name in ("name", "sha256")}
    for name, value in names.items():
        yield f"{name} is {_shown(value)} where text must be", isinstance(value, str) and bool(value)
    yield f"started is {_shown(provenance['started'])} where a time must be", _is_time(provenance["started"])
    yield "hardware is no mapping", isinstance(provenance["hardware"], dict)
    for name in ("num_queries", "relevance_level", "num_documents"):
        value = dataset[name] if name != "num_documents" else dataset.get(name, 0)
        yield f"dataset {name} is {_shown(value)} where an integer must be", _is_integer(value)
    yield "the depth of the retriever is no integer", _is_integer(retriever["depth"])
    yield (
        "a setting depths is no list of integers above 0",
        _is_list(settings["depths"], lambda d: _is_integer(d) and d > 0),
    )
    yield "a setting measures is no list of names", _is_list(settings["measures"], lambda name: isinstance(name, str))
    yield (
        "the setting max_error_rate is no share",
        is_number(settings["max_error_rate"]) and 0 <= settings["max_error_rate"] <= 1,
    )
    for what, messages in (("warnings", result.warnings), ("failures", result.failures)):
        yield f"{what} are no list of texts", isinstance(messages, list) and all(isinstance(m, str) for m in messages)
    for depth, means in result.ceiling.items():
        yield (
            f"the ceiling at depth {_shown(depth)} is no mapping of numbers",
            _is_integer(depth) and _is_numbers(means),
        )
    yield "there is no system", bool(result.systems)
    for system in result.systems:
        yield from _claims_of_system(system, result.measures)
    system_names = [system.name for system in result.systems]
    yield "a system comes twice", len(set(system_names)) == len(system_names)


def _claims_of_system(system: SystemResult, measures: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    yield f"the name of a system is {_shown(system.name)}", isinstance(system.name, str) and bool(system.name)
    where = f"system {system.name}"
    yield f"{where}: config is no mapping", isinstance(system.config, dict)
    yield f"{where}: load_seconds is no number", system.load_seconds is None or is_number(system.load_seconds)
    yield f"{where}: saw_judgments is no boolean", isinstance(system.saw_judgments, bool)
    yield f"{where}: asks_provider is no boolean", isinstance(system.asks_provider, bool)
    depths = [depth.depth for depth in system.depths]
    yield f"{where}: a depth is no integer", all(map(_is_integer, depths))
    yield f"{where}: its depths do not rise from 0", depths[:1] == [0] and sorted(set(depths)) == depths
    for depth in system.depths:
        for claim, holds in _claims_of_depth(depth, measures):
            yield f"{where}, depth {depth.depth}: {claim}", holds


def _claims_of_depth(depth: DepthResult, measures: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    yield "a measure is missing", set(measures) <= set(depth.measures)
    yield from _claims_of_measures(depth.measures)
    for name, loss in depth.losses.items():
        values = {field.name: getattr(loss, field.name) for field in fields(Loss)}
        needed = is_number(loss.first_stage) and is_number(loss.ordering)
        yield f"the loss of {name} is no number", needed and _is_numbers(values)
    for name in ("latency", "total_latency"):
        yield f"{name} is no mapping of numbers", _is_latency(getattr(depth, name))
    yield "usage is no mapping of numbers", depth.usage is None or _is_numbers(depth.usage)
    yield "reliability is no mapping of numbers", depth.reliability is None or _is_numbers(vars(depth.reliability))
    for kind, found in depth.stability.items():
        yield f"the stability by {kind} is no set of numbers", _is_stability(found)
    if depth.answer is not None:
        for claim, holds in _claims_of_answer(depth.answer):
            yield f"answer: {claim}", holds
    for name in ("judged_at_10", "failures", "repairs", "truncated_pairs", "num_pairs", "tie_rate"):
        value = getattr(depth, name)
        may_lack = name not in ("failures", "num_pairs")
        yield f"{name} is {_shown(value)}", is_number(value) or (value is None and may_lack)


def _claims_of_measures(measures: Mapping[str, MeasureResult]) -> Iterator[tuple[str, bool]]:
    for name, measure in measures.items():
        counted = _is_integer(measure.num_queries) and measure.num_queries >= 0
        yield f"{name} has no number of queries", counted
        bounds = (measure.mean, measure.low, measure.high)
        yield f"{name} is no number", all(bound is None or is_number(bound) for bound in bounds)
        yield f"{name} has a mean of no query", (measure.mean is None) == (measure.num_queries == 0)
        yield (
            f"{name}: its difference is no mapping of numbers",
            measure.difference is None or _is_numbers(measure.difference),
        )


def _claims_of_answer(answer: AnswerResult) -> Iterator[tuple[str, bool]]:
    for name in ("context", "num_queries", "unanswered", "unusable", "failures"):
        yield f"{name} is no number", _is_integer(getattr(answer, name)) and getattr(answer, name) >= 0
    yield "a measure is missing", {"exact_match", "token_f1"} <= set(answer.measures)
    yield from _claims_of_measures(answer.measures)
    for name in ("usage", "chain"):
        yield f"{name} is no mapping of numbers", _is_numbers(getattr(answer, name))
    for name in ("latency", "chain_latency"):
        yield f"{name} is no mapping of numbers", _is_latency(getattr(answer, name))


def _is_latency(latency: object) -> bool:
    numbers = {name: value for name, value in latency.items() if name != "source"} if isinstance(latency, dict) else {}
    return latency is None or (isinstance(latency, dict) and _is_numbers(numbers))


def _is_stability(found: Stability) -> bool:
    counts = {"count": found.count, "queries": found.num_queries, "failures": found.failures}
    spreads = [
        number
        for spread in found.measures.values()
        for number in (*spread.means, spread.standard_deviation, spread.per_query)
    ]
    curves = (*found.position_bias, *found.position_bias_low, *found.position_bias_high)
    rest = {str(place): value for place, value in enumerate((found.tau, found.usd, *curves))}
    return all(map(_is_integer, counts.values())) and all(map(is_number, spreads)) and _is_numbers(rest)


def _check_mean(result: RecordedResult, cell: Cell, measure: MeasureResult) -> None:
    """Check that the values in `scores.jsonl` are those that `result.json` is about."""
    values = result.scores.get(cell, {})
    place = f"{cell.system} at depth {cell.depth}, {cell.measure}"
    if len(values) != measure.num_queries:
        raise DataError(
            f"{place}: {len(values)} values where result.json counts {measure.num_queries}; the files do not belong together",
            result.path,
        )
    if measure.mean is not None:
        mean = math.fsum(values.values()) / len(values)
        if abs(mean - measure.mean) > _TOLERANCE * max(1.0, abs(mean)):
            raise DataError(
                f"{place}: the values have the mean {mean:.6g} where result.json says {measure.mean:.6g}; "
                "the files do not belong together",
                result.path,
            )


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_INTEGER


def _is_time(value: object) -> bool:
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def _is_list(value: object, holds: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(map(holds, value))


def _is_numbers(value: object) -> bool:
    """Return whether it is a mapping of names to numbers or None."""
    return isinstance(value, Mapping) and all(found is None or is_number(found) for found in value.values())


def _shown(value: object) -> str:
    return shortened(repr(value))
