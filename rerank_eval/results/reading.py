"""The files of a result folder, and a baseline file, read back; whatever is in them, the answer is a result or a `DataError`."""

import gzip
import json
import math
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from rerank_eval.errors import DataError, shortened
from rerank_eval.results.checks import check_result, is_number
from rerank_eval.results.depth_results import (
    AnswerResult,
    DepthResult,
    Loss,
    MeasureResult,
    Reliability,
    Spread,
    Stability,
)
from rerank_eval.results.experiment import FORMAT_VERSION, SystemResult, Top
from rerank_eval.results.recorded import Cell, JudgedQuery, RecordedResult


def read_recorded(path: Path) -> RecordedResult:
    """Return the result in a folder, or in a baseline file.

    Raises:
        DataError: there is none, it is of another format version, or a line of it cannot be read.
    """
    if _is(path, Path.is_dir):
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
        check_result(result)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"a field is missing or of another kind ({error!r}); run the evaluation again", path) from error
    return result


def find_results(path: Path) -> list[Path]:
    """Return the result folders at or under `path`, the oldest first.

    Raises:
        DataError: there is none.
    """
    if _is(path / "result.json", Path.is_file):
        return [path]
    found = [file.parent for file in path.glob("**/result.json")] if _is(path, Path.is_dir) else []
    found = [folder for folder in found if not any(part.startswith(".") for part in folder.relative_to(path).parts)]
    if not found:
        raise DataError("there is no result.json here; give the folder that the last line of a run names", path)
    return sorted(found, key=lambda folder: (folder.name, folder))


def read_queries(result: RecordedResult) -> Mapping[str, JudgedQuery]:
    """Return query_id -> text and grades; empty for a result that has none (an older one)."""
    queries = {}
    for number, row in _rows_if_any(path := result.path / "queries.jsonl.gz", "query_id", "text", "grades"):
        grades = row["grades"]
        if (
            not _are_texts(row["query_id"], row["text"])
            or not isinstance(grades, dict)
            or not all(map(_is_grade, grades.values()))
        ):
            raise DataError("this is no query with its grades", path, number)
        queries[row["query_id"]] = JudgedQuery(row["text"], grades)
    return queries


def read_documents(result: RecordedResult) -> Mapping[str, str]:
    """Return doc_id -> the beginning of its text, for the documents of every top 10; empty for a result that has none."""
    documents = {}
    for number, row in _rows_if_any(path := result.path / "documents.jsonl.gz", "doc_id", "text"):
        if not _are_texts(row["doc_id"], row["text"]):
            raise DataError("this is no document", path, number)
        documents[row["doc_id"]] = row["text"]
    return documents


def read_tops(result: RecordedResult, wanted: Collection[tuple[str, int, str]]) -> Mapping[tuple[str, int, str], Top]:
    """Return (system, depth, query_id) -> the top of that ranking, for those wanted; empty for a result that has none."""
    tops, keys = {}, set(wanted)
    for number, row in _rows_if_any(path := result.path / "tops.jsonl.gz", "query_id", "system", "depth", "documents"):
        key = row["system"], row["depth"], row["query_id"]
        if not _are_texts(key[0], key[2]) or not _is_grade(key[1]):
            raise DataError("this is no top of a ranking", path, number)
        if key in keys:
            tops[key] = Top(key[2], key[0], key[1], _read_ranked(row["documents"], path, number))
    return tops


def _read_ranked(documents: object, path: Path, number: int) -> list[tuple[str, float | None, int]]:
    try:
        ranked = [(doc_id, score, rank) for doc_id, score, rank in documents]  # type: ignore[attr-defined] # checked below
    except (TypeError, ValueError) as error:
        raise DataError("these are no ranked documents", path, number) from error
    for doc_id, score, rank in ranked:
        if not _are_texts(doc_id) or not (score is None or is_number(score)) or not _is_grade(rank):
            raise DataError("these are no ranked documents", path, number)
    return ranked


def _are_texts(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_grade(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is(path: Path, claim: Callable[[Path], bool]) -> bool:
    """Return what `claim` says of a path that may be too long, or in a folder that may not be read."""
    try:
        return claim(path)
    except OSError as error:
        raise DataError(f"it cannot be read ({error.strerror})", shortened(str(path))) from error


def _read_system(found: Mapping[str, Any]) -> SystemResult:
    depths = []
    for row in found["depths"]:
        known = _known_fields(DepthResult, row)
        known["judged_at_10"] = row["judged@10"]
        known["measures"] = _read_measures(row["measures"])
        known["losses"] = {name: Loss(**_known_fields(Loss, value)) for name, value in row.get("losses", {}).items()}
        if known.get("reliability") is not None:
            known["reliability"] = Reliability(**_known_fields(Reliability, row["reliability"]))
        if known.get("answer") is not None:
            known["answer"] = _read_answer(row["answer"])
        known["stability"] = {kind: _read_stability(value) for kind, value in row.get("stability", {}).items()}
        depths.append(DepthResult(**known))
    return SystemResult(**_known_fields(SystemResult, found) | {"depths": depths})


def _read_measures(found: Mapping[str, Any]) -> dict[str, MeasureResult]:
    return {name: MeasureResult(**_known_fields(MeasureResult, value)) for name, value in found.items()}


def _read_answer(found: Mapping[str, Any]) -> AnswerResult:
    return AnswerResult(**_known_fields(AnswerResult, found) | {"measures": _read_measures(found["measures"])})


def _read_stability(found: Mapping[str, Any]) -> Stability:
    measures = {name: Spread(**_known_fields(Spread, value)) for name, value in found["measures"].items()}
    return Stability(**_known_fields(Stability, found) | {"measures": measures})


def _known_fields(kind: type, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that this version knows; a later one may have written others."""
    return {name: value for name, value in found.items() if name in {field.name for field in fields(kind)}}


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        document = _DECODER.decode(path.read_text(encoding="utf-8"))
        json.dumps(document, ensure_ascii=False).encode()  # a lone surrogate could not be written again
    except FileNotFoundError:
        hint = "; give one result folder: the last line of a run names it" if path.name == "result.json" else ""
        raise DataError(f"there is no such file{hint}", path) from None
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


def _read_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number that can be told from infinity")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_read_float)


def _rows_if_any(path: Path, *fields: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the rows of a file that a result may lack."""
    return _rows(path, *fields) if path.exists() else iter(())


def _rows(path: Path, *fields: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield line number and row of a JSONL file, plain or gzip; a row has the `fields`."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    row = _DECODER.decode(line)
                except (ValueError, RecursionError) as error:
                    raise DataError(f"no JSON ({error}): {shortened(line)}", path, number) from error
                if not isinstance(row, dict) or not row.keys() >= set(fields):
                    raise DataError(f"no row: {shortened(line)}", path, number)
                yield number, row
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise DataError(f"it cannot be read ({error})", path) from error


def _finite(value: object) -> float:
    if not is_number(value):
        raise ValueError(f"{shortened(repr(value))} is no finite number")
    return float(value)  # type: ignore[arg-type] # it is a number


def _nanoseconds(value: object) -> int:
    if not is_number(value) or int(value) < 0:  # type: ignore[call-overload] # it is a number
        raise ValueError(f"{shortened(repr(value))} is no time")
    return int(value)  # type: ignore[call-overload,no-any-return]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{shortened(repr(value))} is no text")
    return value


def _read_scores(path: Path) -> dict[Cell, dict[str, float]]:
    scores: dict[Cell, dict[str, float]] = {}
    for number, row in _rows(path):
        try:
            values = scores.setdefault(Cell(row["system"], row["depth"], row["measure"]), {})
            if row["query_id"] in values:
                raise DataError("this value was there already", path, number)
            values[_text(row["query_id"])] = _finite(row["value"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"a field is missing or no number ({error!r})", path, number) from error
    return scores


def _read_samples(path: Path) -> dict[tuple[str, int], dict[tuple[str, int], int]]:
    samples: dict[tuple[str, int], dict[tuple[str, int], int]] = {}
    for number, row in _rows(path):
        try:
            own = samples.setdefault((row["system"], row["depth"]), {})
            own[_text(row["query_id"]), row["repetition"]] = _nanoseconds(row["nanoseconds"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"a field is missing or no number ({error!r})", path, number) from error
    return samples


def _unpack_scores(document: Mapping[str, Any], path: Path) -> dict[Cell, dict[str, float]]:
    try:
        query_ids = document["query_ids"]
        return {
            Cell(row["system"], row["depth"], row["measure"]): {
                _text(query_id): _finite(value)
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
                (_text(query_id), repetition): _nanoseconds(value) for query_id, repetition, value in row["samples"]
            }
            for row in document["latency"]
        }
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"its latency samples cannot be read ({error!r}); make the baseline anew", path) from error
