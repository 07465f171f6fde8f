"""Names of first stages and systems that are told apart by what differs: their settings, and only then the time of the run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rerank_eval.results.experiment import SystemResult
from rerank_eval.results.recorded import RecordedResult

_LONGEST = 60


def label_retriever(result: RecordedResult, results: Sequence[RecordedResult]) -> str:
    """Return the name of the first stage, with the settings in which others of this name differ, e.g. `bm25 (k1=0.3)`."""
    name = str(result.retriever["name"])
    others = [other for other in results if other.retriever["name"] == name]
    return name + _differing(
        result.retriever.get("identity") or {}, [other.retriever.get("identity") or {} for other in others]
    )


def label_system(result: RecordedResult, system: SystemResult, results: Sequence[RecordedResult]) -> str:
    """Return the shortest name that is unique in the dataset: system, settings that differ, first stage, time."""
    twins = [(other, found) for other in results for found in other.systems if found.name == system.name]
    label = system.name + _differing(system.config, [found.config for _, found in twins])
    twins = [(other, found) for other, found in twins if found.config == system.config]
    retriever = label_retriever(result, results)
    if len({label_retriever(other, results) for other in results}) > 1:
        label += f" over {retriever}"
        twins = [(other, found) for other, found in twins if label_retriever(other, results) == retriever]
    if len(twins) > 1:
        label += f" ({result.provenance['started']})"
        same_time = [other for other, _ in twins if other.provenance["started"] == result.provenance["started"]]
        if len(same_time) > 1:
            label += f" #{[other is result for other in same_time].index(True) + 1}"
    return label


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted name and value of every setting, those inside of others too."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _differing(own: Mapping[str, Any], all_settings: Sequence[Mapping[str, Any]]) -> str:
    """Return the own values of the settings that are not the same in all, in brackets; nothing where all are the same."""
    flat = [dict(_flatten(settings)) for settings in all_settings]
    names = sorted({name for settings in flat for name in settings})
    values = {name: {json.dumps(settings.get(name), sort_keys=True) for settings in flat} for name in names}
    differing = [name for name in names if len(values[name]) > 1]
    common = [name for name in differing if all(name in settings for settings in flat)]
    told = ", ".join(f"{name}={dict(_flatten(own)).get(name)}" for name in common or differing)
    shown = told if len(told) <= _LONGEST else told[: _LONGEST - 1] + "…"
    return f" ({shown})" if shown else ""
