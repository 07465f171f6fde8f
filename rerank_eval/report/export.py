"""A report written to a folder, in the formats asked for: all files of it, or none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from rerank_eval.errors import ConfigError, NotEvaluableError, nearest
from rerank_eval.files.whole_files import write_whole
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
        write_whole({out / name: content for name, content in made.items()})
    except OSError as error:
        raise NotEvaluableError(f"the report cannot be written to {out}: {error}") from error
    return [out / name for name in made]


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
