"""What an evaluation found, and the folder it is written to.

Unknown is None (`null`), never 0. Field names may grow, not change, within a `FORMAT_VERSION`.
"""

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from rerank_eval.depth_results import DepthResult
from rerank_eval.errors import NotEvaluableError
from rerank_eval.latency import LatencySample
from rerank_eval.trec import format_run
from rerank_eval.types import Run

FORMAT_VERSION = 1

Status = Literal["complete", "incomplete", "not_evaluable"]


class ScoreRow(NamedTuple):
    """One value of one measure for one query."""

    query_id: str
    system: str
    depth: int
    measure: str
    value: float


@dataclass(frozen=True)
class SystemResult:
    """A reranker over the first stage, at every depth.

    `saw_judgments` marks one that was given the dataset, as the oracle is: a bound, not a choice.
    """

    name: str
    config: Mapping[str, object]
    fingerprint: str | None
    load_seconds: float | None
    tie_rate: float | None
    reused_answers: int
    depths: Sequence[DepthResult]
    saw_judgments: bool = False

    @property
    def has_no_value(self) -> bool:
        """Whether a measure at some depth has no query left to be the mean of."""
        return any(measure.mean is None for depth in self.depths for measure in depth.measures.values())


class Top(NamedTuple):
    """The first documents of one ranking, as (doc_id, score, rank in the first stage counted from 1).

    The score is the model's own, None for a document that was not reranked at this depth.
    """

    query_id: str
    system: str
    depth: int
    documents: Sequence[tuple[str, float | None, int]]


class AnswerRow(NamedTuple):
    """What a language model answered to one query from these documents, and how right that is.

    `answer` is empty where the documents do not hold it, None where there is no usable one; the measures are None where the call failed.
    """

    query_id: str
    system: str
    depth: int
    doc_ids: Sequence[str]
    answer: str | None
    exact_match: float | None
    token_f1: float | None
    nanoseconds: int | None


class Excerpts(NamedTuple):
    """query_id -> text; the grades of the documents shown; doc_id -> beginning of the text; the tops of all rankings."""

    queries: Mapping[str, str]
    grades: Mapping[str, Mapping[str, int]]
    documents: Mapping[str, str]
    tops: Sequence[Top]


@dataclass(frozen=True)
class ExperimentResult:
    """Everything that a result folder holds, except the resolved configuration."""

    status: Status
    dataset: Mapping[str, object]
    retriever: Mapping[str, object]
    systems: Sequence[SystemResult]
    ceiling: Mapping[int, Mapping[str, float | None]]
    settings: Mapping[str, object]
    warnings: Sequence[str]
    failures: Sequence[str]
    provenance: Mapping[str, object]
    scores: Sequence[ScoreRow] = field(repr=False)
    latency: Sequence[LatencySample] = field(repr=False)
    runs: Mapping[tuple[str, int], Run] = field(repr=False)
    excerpts: Excerpts | None = field(default=None, repr=False)
    answers: Sequence[AnswerRow] = field(default=(), repr=False)

    def as_json(self) -> dict[str, object]:
        """Return the content of `result.json`."""
        return {
            "format_version": FORMAT_VERSION,
            "status": self.status,
            "dataset": dict(self.dataset),
            "retriever": dict(self.retriever),
            "systems": [
                {**{name: value for name, value in vars(system).items() if name != "depths"}}
                | {"depths": [depth.as_json() for depth in system.depths]}
                for system in self.systems
            ],
            "ceiling": [{"depth": depth, "measures": dict(means)} for depth, means in self.ceiling.items()],
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
            "failures": list(self.failures),
            "provenance": dict(self.provenance),
        }


def write_result(result: ExperimentResult, parent: Path, config: str | None = None) -> Path:
    """Write the result folder under `parent`, named by the time it started, and return it; it appears whole or not at all.

    `config` is the resolved configuration as YAML.

    Raises:
        NotEvaluableError: the disk is full or the folder cannot be written.
    """
    name = str(result.provenance["started"]).replace(":", "").replace("-", "")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=parent))
        try:
            unfinished.chmod(0o755)
            _write_files(result, unfinished, config)
            return _rename_to_free_name(unfinished, parent, name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise NotEvaluableError(
            f"the result cannot be written to {parent}: {error}; the answers are in the store, run the command again"
        ) from error


def _rename_to_free_name(folder: Path, parent: Path, name: str) -> Path:
    for number in range(1, 1000):
        target = parent / (name if number == 1 else f"{name}-{number}")
        try:
            target.mkdir()  # fails if another process has it; renaming onto an empty folder then replaces it
        except FileExistsError:
            continue
        folder.replace(target)
        return target
    raise OSError(f"{parent / name} exists a thousand times")


def _write_files(result: ExperimentResult, folder: Path, config: str | None) -> None:
    if config is not None:
        (folder / "config.yaml").write_text(config, encoding="utf-8")
    text = json.dumps(result.as_json(), indent=2, allow_nan=False, ensure_ascii=False, default=str)
    (folder / "result.json").write_text(text + "\n", encoding="utf-8")
    _write_rows(folder / "scores.jsonl", (row._asdict() for row in result.scores))
    _write_rows(folder / "latency.jsonl", (sample._asdict() for sample in result.latency))
    if result.answers:
        _write_rows(folder / "answers.jsonl", (row._asdict() for row in result.answers))
    if result.excerpts is not None:
        _write_excerpts(folder, result.excerpts)
    (folder / "runs").mkdir()
    for (system, depth), run in result.runs.items():
        (folder / "runs" / f"{system}.{depth}.trec.gz").write_bytes(format_run(run, system))


def _write_excerpts(folder: Path, excerpts: Excerpts) -> None:
    _write_rows(
        folder / "queries.jsonl.gz",
        (
            {"query_id": query_id, "text": text, "grades": excerpts.grades[query_id]}
            for query_id, text in excerpts.queries.items()
        ),
    )
    _write_rows(
        folder / "documents.jsonl.gz",
        ({"doc_id": doc_id, "text": text} for doc_id, text in excerpts.documents.items()),
    )
    _write_rows(folder / "tops.jsonl.gz", (top._asdict() for top in excerpts.tops))


def _write_rows(path: Path, rows: Iterator[Mapping[str, object]]) -> None:
    """Write a JSON line per row, compressed where the name ends with .gz; equal rows give equal bytes."""
    with path.open("wb") as raw:
        compressed = gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) if path.suffix == ".gz" else None
        with compressed or nullcontext(raw) as file:
            for row in rows:
                file.write(json.dumps(row, allow_nan=False, ensure_ascii=False).encode() + b"\n")
