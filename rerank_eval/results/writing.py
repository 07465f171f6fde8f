"""The folder that a result is written to."""

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path

from rerank_eval.errors import NotEvaluableError
from rerank_eval.results.experiment import Excerpts, ExperimentResult
from rerank_eval.trec import format_run


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
