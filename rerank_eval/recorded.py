"""A result folder or a baseline file, read back: what the report and the comparison work on."""

import gzip
import json
import math
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rerank_eval.errors import DataError, shortened
from rerank_eval.fingerprint import fingerprint
from rerank_eval.results import FORMAT_VERSION, DepthResult, Loss, MeasureResult, SystemResult, Top


class Cell(NamedTuple):
    """One column of per-query values; depth 0 is the first stage alone."""

    system: str
    depth: int
    measure: str


@dataclass(frozen=True)
class RecordedResult:
    """What a run found, as its files say: fields as in `result.json`, with the values of every query.

    `scores` maps cell -> query_id -> value, `samples` maps (system, depth) -> (query_id, repetition) -> nanoseconds; the
    first stage's own samples have the retriever's name and depth 0. A baseline file has no texts and no runs.
    """

    path: Path
    status: str
    dataset: Mapping[str, Any]
    retriever: Mapping[str, Any]
    systems: Sequence[SystemResult]
    ceiling: Mapping[int, Mapping[str, float | None]]
    settings: Mapping[str, Any]
    warnings: Sequence[str]
    failures: Sequence[str]
    provenance: Mapping[str, Any]
    scores: Mapping[Cell, Mapping[str, float]] = field(repr=False)
    samples: Mapping[tuple[str, int], Mapping[tuple[str, int], int]] = field(repr=False)

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures in the order of the settings."""
        return tuple(self.settings["measures"])

    @property
    def depths(self) -> tuple[int, ...]:
        """The depths above 0, ascending."""
        return tuple(self.settings["depths"])

    @property
    def hardware(self) -> str:
        """The fingerprint of the machine; latencies compare only where it is the same."""
        return fingerprint(self.provenance["hardware"])


class JudgedQuery(NamedTuple):
    """A query's text and the grades of its judged documents."""

    text: str
    grades: Mapping[str, int]


def read_recorded(path: Path) -> RecordedResult:
    """Return the result in a folder, or in a baseline file.

    Raises:
        DataError: there is none, it is of another format version, or a line of it cannot be read.
    """
    if path.is_dir():
        document = _read_json(path / "result.json")
        scores = _read_scores(path / "scores.jsonl")
        samples = _read_samples(path / "latency.jsonl")
    else:
        document = _read_json(path)
        if document.get("kind") != "baseline":
            raise DataError(
                "this is no baseline; give a result folder, or a file made by: rerank_eval baseline RESULT FILE", path
            )
        scores, samples = _unpack_scores(document, path), _unpack_samples(document, path)
    try:
        result = RecordedResult(
            path=path,
            status=document["status"],
            dataset=document["dataset"],
            retriever=document["retriever"],
            systems=[_read_system(system) for system in document["systems"]],
            ceiling={row["depth"]: row["measures"] for row in document["ceiling"]},
            settings=document["settings"],
            warnings=document["warnings"],
            failures=document["failures"],
            provenance=document["provenance"],
            scores=scores,
            samples=samples,
        )
        _check_content(result)
    except (LookupError, TypeError, AttributeError) as error:
        raise DataError(f"a field is missing or of another kind ({error!r}); run the evaluation again", path) from error
    return result


def find_results(path: Path) -> list[Path]:
    """Return the result folders at or under `path`, the oldest first.

    Raises:
        DataError: there is none.
    """
    if (path / "result.json").is_file():
        return [path]
    found = [file.parent for file in path.glob("**/result.json")] if path.is_dir() else []
    found = [folder for folder in found if not any(part.startswith(".") for part in folder.relative_to(path).parts)]
    if not found:
        raise DataError("there is no result.json here; give the folder that the last line of a run names", path)
    return sorted(found, key=lambda folder: (folder.name, folder))


def read_queries(result: RecordedResult) -> Mapping[str, JudgedQuery]:
    """Return query_id -> text and grades; empty for a result that has none (an older one)."""
    path = result.path / "queries.jsonl.gz"
    return (
        {
            row["query_id"]: JudgedQuery(row["text"], row["grades"])
            for _, row in _rows(path, "query_id", "text", "grades")
        }
        if path.exists()
        else {}
    )


def read_documents(result: RecordedResult) -> Mapping[str, str]:
    """Return doc_id -> the beginning of its text, for the documents of every top 10; empty for a result that has none."""
    path = result.path / "documents.jsonl.gz"
    return {row["doc_id"]: row["text"] for _, row in _rows(path, "doc_id", "text")} if path.exists() else {}


def read_tops(result: RecordedResult, wanted: Collection[tuple[str, int, str]]) -> Mapping[tuple[str, int, str], Top]:
    """Return (system, depth, query_id) -> the top of that ranking, for those wanted; empty for a result that has none."""
    path = result.path / "tops.jsonl.gz"
    if not path.exists():
        return {}
    keys = set(wanted)
    return {
        key: Top(row["query_id"], row["system"], row["depth"], [(str(d), s, int(r)) for d, s, r in row["documents"]])
        for _, row in _rows(path, "query_id", "system", "depth", "documents")
        if (key := (row["system"], row["depth"], row["query_id"])) in keys
    }


def _check_content(result: RecordedResult) -> None:
    """Check what every reader relies on: names are text, counts are numbers, and the measured cells are there."""
    dataset, retriever, settings, provenance = result.dataset, result.retriever, result.settings, result.provenance
    texts = [
        result.status,
        dataset["name"],
        dataset["split"],
        dataset["sha256"],
        retriever["name"],
        retriever["sha256"],
    ]
    texts += [provenance["started"], *settings["measures"], *(system.name for system in result.systems)]
    integers = [dataset["num_queries"], dataset["relevance_level"], retriever["depth"], *settings["depths"]]
    integers += [depth.depth for system in result.systems for depth in system.depths]
    for value, kind, what in (
        *((text, str, "text") for text in texts),
        *((integer, int, "an integer") for integer in integers),
        (settings["max_error_rate"], int | float, "a number"),
        (provenance["hardware"], dict, "a mapping"),
    ):
        if not isinstance(value, kind) or isinstance(value, bool):
            raise DataError(
                f"{shortened(repr(value))} stands where {what} must be; run the evaluation again", result.path
            )
    if not settings["measures"] or not result.systems or any(system.depths[0].depth for system in result.systems):
        raise DataError("it lacks a measure, a system, or a system's depth 0; run the evaluation again", result.path)
    for system in result.systems:
        for depth in system.depths:
            for measure in result.measures:
                values = result.scores.get(Cell(system.name, depth.depth, measure), {})
                if len(values) != depth.measures[measure].num_queries:
                    raise DataError(
                        f"{system.name} at depth {depth.depth} has {len(values)} values of {measure} where result.json counts "
                        f"{depth.measures[measure].num_queries}; the files do not belong together",
                        result.path,
                    )


def _read_system(fields: Mapping[str, Any]) -> SystemResult:
    depths = []
    for row in fields["depths"]:
        known = {name: value for name, value in row.items() if name in DepthResult.__dataclass_fields__}
        known["judged_at_10"] = row["judged@10"]
        known["measures"] = {
            name: MeasureResult(**{key: value[key] for key in value.keys() & MeasureResult.__dataclass_fields__})
            for name, value in row["measures"].items()
        }
        known["losses"] = {name: Loss(**value) for name, value in row.get("losses", {}).items()}
        depths.append(DepthResult(**known))
    known = {name: value for name, value in fields.items() if name in SystemResult.__dataclass_fields__}
    return SystemResult(**known | {"depths": depths})


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise DataError("there is no such file", path) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"it cannot be read ({error})", path) from error
    if not isinstance(document, dict):
        raise DataError("it is no result of rerank_eval", path)
    if document.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"it has format version {document.get('format_version')!r}, and this rerank_eval reads {FORMAT_VERSION}; make it anew",
            path,
        )
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _rows(path: Path, *fields: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield line number and row of a JSONL file, plain or gzip; a row has the `fields`."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)  # json.loads would make one for every line
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    row = decoder.decode(line)
                except (ValueError, RecursionError) as error:
                    raise DataError(f"no JSON ({error}): {shortened(line)}", path, number) from error
                if not isinstance(row, dict) or not row.keys() >= set(fields):
                    raise DataError(f"no row: {shortened(line)}", path, number)
                yield number, row
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise DataError(f"it cannot be read ({error})", path) from error


def _finite(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    return float(value)


def _read_scores(path: Path) -> dict[Cell, dict[str, float]]:
    scores: dict[Cell, dict[str, float]] = {}
    for number, row in _rows(path):
        try:
            values = scores.setdefault(Cell(row["system"], row["depth"], row["measure"]), {})
            if row["query_id"] in values:
                raise DataError("this value was there already", path, number)
            values[row["query_id"]] = _finite(row["value"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"a field is missing or no number ({error!r})", path, number) from error
    return scores


def _read_samples(path: Path) -> dict[tuple[str, int], dict[tuple[str, int], int]]:
    samples: dict[tuple[str, int], dict[tuple[str, int], int]] = {}
    for number, row in _rows(path):
        try:
            own = samples.setdefault((row["system"], row["depth"]), {})
            own[row["query_id"], row["repetition"]] = int(row["nanoseconds"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"a field is missing or no number ({error!r})", path, number) from error
    return samples


def _unpack_scores(document: Mapping[str, Any], path: Path) -> dict[Cell, dict[str, float]]:
    try:
        query_ids = document["query_ids"]
        return {
            Cell(row["system"], row["depth"], row["measure"]): {
                query_id: _finite(value)
                for query_id, value in zip(query_ids, row["values"], strict=True)
                if value is not None
            }
            for row in document["scores"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"its scores cannot be read ({error!r}); make the baseline anew", path) from error


def _unpack_samples(document: Mapping[str, Any], path: Path) -> dict[tuple[str, int], dict[tuple[str, int], int]]:
    try:
        return {
            (row["system"], row["depth"]): {
                (query_id, repetition): int(value) for query_id, repetition, value in row["samples"]
            }
            for row in document["latency"]
        }
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"its latency samples cannot be read ({error!r}); make the baseline anew", path) from error
