"""The small file that CI compares with: values per query, hashes and provenance of a result; no texts, no runs."""

import json
from pathlib import Path
from typing import Any

from rerank_eval.errors import NotComparableError, NotEvaluableError
from rerank_eval.files.whole_files import write_whole
from rerank_eval.results.experiment import FORMAT_VERSION
from rerank_eval.results.recorded import RecordedResult

_PROVENANCE = ("started", "git", "packages", "hardware")  # without the command, which may hold paths of a machine


def format_baseline(result: RecordedResult) -> str:
    """Return the baseline file of a finished result; equal results give equal text.

    Raises:
        NotEvaluableError: the result is incomplete or not evaluable, so nothing may be compared with it.
        NotComparableError: it has no judgments.
    """
    if result.status != "complete":
        raise NotEvaluableError(f"{result.path} is {result.status}; a baseline must be a complete result")
    if not result.is_judged:
        raise NotComparableError(f"{result.path} has no judgments, so nothing can be compared with it")
    query_ids = sorted({query_id for values in result.scores.values() for query_id in values})
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "kind": "baseline",
        "status": result.status,
        "dataset": dict(result.dataset),
        "retriever": dict(result.retriever),
        "systems": [
            {**vars(system), "config": {}, "depths": [depth.as_json() for depth in system.depths]}
            for system in result.systems
        ],
        "ceiling": [{"depth": depth, "measures": dict(means)} for depth, means in result.ceiling.items()],
        "settings": {name: value for name, value in result.settings.items() if not name.endswith("_path")},
        "warnings": [],
        "failures": [],
        "provenance": {name: result.provenance.get(name) for name in _PROVENANCE},
        "query_ids": query_ids,
    }
    head = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False).removesuffix("\n}")
    scores = [
        {**cell._asdict(), "values": [values.get(query_id) for query_id in query_ids]}
        for cell, values in result.scores.items()
    ]
    latency = [
        {"system": system, "depth": depth, "samples": [[*key, value] for key, value in samples.items()]}
        for (system, depth), samples in result.samples.items()
    ]
    return f"{head},\n{_lines('scores', scores)},\n{_lines('latency', latency)}\n}}\n"


def write_baseline(result: RecordedResult, path: Path) -> None:
    """Write the baseline file whole or not at all, with the folders that lead to it.

    Raises:
        NotEvaluableError: the result is not complete, or the file cannot be written.
    """
    text = format_baseline(result)
    try:
        write_whole({path: text})
    except OSError as error:
        raise NotEvaluableError(f"the baseline cannot be written to {path}: {error}") from error


def _lines(name: str, rows: list[dict[str, Any]]) -> str:
    """Return a JSON member with one row a line, so that a changed baseline shows as a readable diff."""
    written = ",\n".join(f"  {json.dumps(row, allow_nan=False, ensure_ascii=False)}" for row in rows)
    return f' "{name}": [\n{written}\n ]'
