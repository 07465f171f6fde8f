"""A report written to a folder, in the formats asked for: all files of it, or none."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from rerank_eval.errors import ConfigError, NotEvaluableError, nearest
from rerank_eval.report.drawings import Drawing, draw_report
from rerank_eval.report.model import Report
from rerank_eval.report.reading_tables import list_reading_tables
from rerank_eval.report.svg import to_png, to_svg
from rerank_eval.report.table_formats import to_csv, to_latex, to_markdown
from rerank_eval.report.tables import make_tables

FORMATS = ("html", "pdf", "svg", "png", "csv", "md", "tex")

_Files = Iterator[tuple[str, bytes]]


def write_report(report: Report, out: Path, formats: Sequence[str]) -> Sequence[Path]:
    """Write `report.html`, `report.pdf`, `figures/*.svg|png` and `tables/*.csv|md|tex`, and return their paths.

    All is made before a file is written, and all files are written before one gets its name, so a report from before stays
    whole if this one cannot be made or written.

    Raises:
        ConfigError: there is no such format, or a package for it is missing.
        NotEvaluableError: the disk is full or the folder cannot be written.
    """
    wanted = list(dict.fromkeys(formats))
    for name in wanted:
        if name not in FORMATS:
            raise ConfigError(f"there is no format {name!r}: {nearest(name, FORMATS)}")
    if not wanted:
        raise ConfigError(f"no format is named; valid: {', '.join(FORMATS)}")
    drawings = draw_report(report) if {"html", "pdf", "svg", "png"} & set(wanted) else []
    made = {path: content for name in wanted for path, content in _make(name, report, drawings)}
    try:
        return _write_whole(made, out)
    except OSError as error:
        raise NotEvaluableError(f"the report cannot be written to {out}: {error}") from error


def _make(name: str, report: Report, drawings: Sequence[Drawing]) -> _Files:
    if name == "html":
        from rerank_eval.report.html import render_html

        yield "report.html", _encode(render_html(report, drawings))
    elif name == "pdf":
        from rerank_eval.report.pdf import render_pdf

        yield "report.pdf", render_pdf(report, drawings)
    elif name in ("svg", "png"):
        for drawing in drawings:
            content = to_png(drawing.plot) if name == "png" else _encode(to_svg(drawing.plot, text_as_paths=True))
            yield f"figures/{drawing.file_name}.{name}", content
    else:
        tables = make_tables(report) if name == "csv" else list_reading_tables(report)
        for table in tables:
            yield f"tables/{table.name}.{name}", _encode(_TABLE_FORMATS[name](table))


_TABLE_FORMATS: Mapping[str, Callable[..., str]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex}


def _encode(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")  # a lone surrogate from a result file cannot be written


def _write_whole(made: Mapping[str, bytes], out: Path) -> Sequence[Path]:
    """Write all files beside their places, then rename each; leave nothing behind on failure."""
    subfolders = sorted({(out / name).parent for name in made} - {out})
    new_folders = [folder for folder in (*subfolders, out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=out))
        try:
            for name, content in made.items():
                _write_synced(unfinished / name, content)
            for folder in subfolders:
                folder.mkdir(exist_ok=True)
            for name in made:
                if (out / name).is_dir():
                    raise IsADirectoryError(f"{out / name} is a folder")
            for name in made:
                (unfinished / name).replace(out / name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError:
        for folder in new_folders:
            _remove_if_empty(folder)
        raise
    return [out / PurePosixPath(name) for name in made]


def _write_synced(path: Path, content: bytes) -> None:
    """Write a file and have the disk take it, so that a full one is noticed before a file gets its name."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # it has something of another's, or was never made
