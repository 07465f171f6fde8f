"""A report as PDF, set by typst in matplotlib's fonts and its own: the same report gives the same bytes on every machine."""

import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from rerank_eval.errors import MissingExtraError
from rerank_eval.report.canvas import Plot
from rerank_eval.report.cells import show
from rerank_eval.report.drawings import Drawing, draw_report
from rerank_eval.report.formats import shorten, shorten_names
from rerank_eval.report.model import DatasetReport, Report
from rerank_eval.report.reading_tables import (
    ReadingTables,
    make_matrix,
    make_means,
    make_reading_tables,
    make_systems,
)
from rerank_eval.report.svg import to_svg
from rerank_eval.report.tables import Table

# The last one has a box for every script; it shows what a character is that the others lack.
_FONTS = ("DejaVu Sans", "Libertinus Serif", "New Computer Modern", "Last Resort High-Efficiency")
_WIDTH_POINTS, _HEIGHT_POINTS = 487.0, 600.0  # of an A4 page within its margins, less a caption
_HALF_PAGE_POINTS = 285.0
_LONGEST_CAPTION = 240  # characters; the whole description is the figure's alternative text
_SHORT_TABLE = 20  # rows of one line; such a table is kept on one page
_NARROW = 20  # characters; a column of words that are no longer keeps them on one line
_TOO_LONG = re.compile(r"[^\s/-]{17,}")  # for the narrowest column that wraps; typst itself breaks after / and -
# overrides of the writing direction, which would leave their text
_DIRECTIONS = (range(0x202A, 0x202F), range(0x2066, 0x206A))

_DATE_PARTS = ("year", "month", "day", "hour", "minute", "second")

Content = str | float | bool | None | Sequence["Content"] | dict[str, "Content"]


def render_pdf(report: Report, drawings: Sequence[Drawing] | None = None) -> bytes:
    """Return the report as PDF, its creation date the time of the newest result.

    No text of the report is read as markup: all of it reaches the template as JSON. `drawings` are what `draw_report` returns,
    for a caller that has them already.

    Raises:
        MissingExtraError: typst, matplotlib or pandas is not installed.
    """
    try:
        import matplotlib
        import typst
    except ImportError as error:
        raise MissingExtraError(error.name or "typst", "report") from error
    font_folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    made = _read_time(report.made)
    content = _describe(report, draw_report(report) if drawings is None else drawings)
    content |= {
        "fonts": _FONTS,
        "date": None if made is None else {part: getattr(made, part) for part in _DATE_PARTS},
        "note": _note_missing(content, font_folder / "DejaVuSans.ttf"),
    }
    return typst.compile(
        files("rerank_eval.report").joinpath("templates/report.typ").read_bytes(),
        font_paths=typst.Fonts(include_system_fonts=False, font_paths=[str(font_folder)]),
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(content, allow_nan=False)},
        timestamp=0 if made is None else int(made.timestamp()),
    )


def break_text(text: str) -> str:
    """Return `text` without control characters, and with places to break in runs of letters too long for a column."""
    clean = "".join(" " if unicodedata.category(letter) == "Cc" else _visible(letter) for letter in text)
    return _TOO_LONG.sub(_add_places, clean)


def _visible(letter: str) -> str:
    if unicodedata.category(letter) == "Cs":
        return "\ufffd"
    return "" if any(ord(letter) in directions for directions in _DIRECTIONS) else letter


def _add_places(run: re.Match[str]) -> str:
    broken: list[str] = []
    for number, letter in enumerate(run[0]):
        joins_before = unicodedata.combining(letter) or letter in "\u200d\ufe0f" or (broken and broken[-1] == "\u200d")
        if number % 8 == 0 and number and not joins_before:
            broken.append("\u200b")
        broken.append(letter)
    return "".join(broken)


def _describe(report: Report, drawings: Sequence[Drawing]) -> dict[str, Content]:
    """Return what the template shows, every text of it clean."""
    tables = make_reading_tables(report)
    return {
        "document_title": break_text(shorten(report.title, 200)),
        "title": break_text(report.title),
        "running": break_text(shorten(report.title, 80)),
        "made": break_text(report.made),
        "answer": break_text(report.answer),
        "constraint": None if report.constraint is None else break_text(report.constraint),
        "facts": [break_text(line) for line in _state_facts(report)],
        "overview": _lay_out_all(*make_means(report), make_matrix(report)),
        "datasets": [
            _describe_dataset(dataset, report, [drawing for drawing in drawings if drawing.dataset == number], made)
            for number, (dataset, made) in enumerate(zip(report.datasets, tables, strict=True))
        ],
        "systems": _lay_out(make_systems(report)),
        "runs": [
            {
                "title": break_text(run.title),
                "lines": [[break_text(name), break_text(value)] for name, value in run.lines],
            }
            for run in report.runs
        ],
    }


def _state_facts(report: Report) -> list[str]:
    lines = []
    for dataset in report.datasets:
        retrievers = ", ".join(shorten_names((series.retriever for series in dataset.series), 60).values())
        lines.append(
            f"{shorten(dataset.name, 80)} ({dataset.split}): {dataset.num_documents} documents, {dataset.num_queries} "
            f"{'judged queries' if dataset.is_judged else 'queries without judgments'}; {len(dataset.series)} systems; first stage {retrievers}"
        )
    return [
        *lines,
        f"Measures: {', '.join(report.measures)}. Intervals are 95% over queries. Differences are paired by query; their "
        f"p-values are adjusted by Holm over {report.num_comparisons} comparisons.",
        "Depth 0 is the first stage alone. Latency is per query, one at a time; the total is first stage and reranker.",
    ]


def _describe_dataset(
    dataset: DatasetReport, report: Report, drawings: Sequence[Drawing], made: ReadingTables
) -> dict[str, Content]:
    sections: list[Content] = [
        {
            "title": break_text(measure or "Latency"),
            "figures": [_describe_figure(drawing) for drawing in drawings if drawing.measure == measure],
        }
        for measure in dict.fromkeys(drawing.measure for drawing in drawings)
    ]
    return {
        "title": break_text(f"{dataset.name} ({dataset.split})" if len(report.datasets) > 1 else "Figures and tables"),
        "warnings": [break_text(warning) for warning in dataset.warnings],
        "choices": _lay_out_all(made.choices, made.knees),
        "sections": sections,
        "tables": _lay_out_all(*made.qualities, made.costs, *made.answers, *made.losses, made.changes),
    }


def _describe_figure(drawing: Drawing) -> Content:
    width, height = drawing.plot.figure.get_size_inches() * 72
    scale = min(_WIDTH_POINTS / width, _HEIGHT_POINTS / height)
    if _HALF_PAGE_POINTS < height * scale < 1.3 * _HALF_PAGE_POINTS:
        scale = _HALF_PAGE_POINTS / height  # so that two stand on a page
    return {
        "svg": to_svg(drawing.plot, text_as_paths=True),
        "title": break_text(drawing.plot.title),
        "alt": break_text(drawing.plot.alt),
        "caption": break_text(_make_caption(drawing.plot)),
        "width": round(float(width * scale), 1),
    }


def _make_caption(plot: Plot) -> str:
    """Return the first sentences of a figure's description, and what it must be read with."""
    return f"{_first_sentences(plot.alt.removesuffix(plot.caveat).rstrip())} {plot.caveat}".rstrip()


def _first_sentences(text: str) -> str:
    """Return as many whole sentences of `text` as make a caption, at least one."""
    first, *others = re.split(r"(?<=\.) ", text)
    for sentence in others:
        if len(first) + len(sentence) >= _LONGEST_CAPTION:
            break
        first = f"{first} {sentence}"
    return shorten(first, 2 * _LONGEST_CAPTION)


def _lay_out_all(*tables: Table) -> list[Content]:
    return [laid_out for table in tables if (laid_out := _lay_out(table)) is not None]


def _lay_out(table: Table) -> Content:
    """Return a table's cells as text, and for each column how it is set; rows of every other system are shaded.

    None for a table without rows.
    """
    if not len(table.frame):
        return None
    rows = [[show(value) for value in row] for row in table.rows()]
    columns: list[Content] = []
    for number, name in enumerate(table.columns):
        longest = max(len(row[number]) for row in rows)
        is_words = table.is_words(name)
        share = min(longest, 60) if is_words and longest > _NARROW else 0
        columns.append({"name": break_text(name), "is_words": is_words, "share": share})
    system = table.columns.index("system")
    groups = list(dict.fromkeys(row[system] for row in rows))
    return {
        "title": break_text(table.title),
        "columns": columns,
        "rows": [[break_text(cell) for cell in row] for row in rows],
        "is_whole": len(rows) <= _SHORT_TABLE and all(len(cell) <= 60 for row in rows for cell in row),
        "shaded": [groups.index(row[system]) % 2 == 1 for row in rows],
    }


def _note_missing(content: Content, font: Path) -> str | None:
    """Return a note on the characters of the report that `font` lacks; None where it has all."""
    from matplotlib.ft2font import FT2Font

    glyphs = FT2Font(str(font)).get_charmap()
    ignored = {0x200B, 0x200D, 0xFE0F}
    text = json.dumps(content, ensure_ascii=False)
    missing = sorted({letter for letter in text if ord(letter) not in glyphs and ord(letter) not in ignored})
    missing = [letter for letter in missing if not letter.isspace()]
    if not missing:
        return None
    shown = ", ".join(f"U+{ord(letter):04X}" for letter in missing[:10]) + (", …" if len(missing) > 10 else "")
    return (
        f"{len(missing)} characters of the report ({shown}) are not in the main font of this PDF and may be drawn as boxes; the "
        "HTML report shows them."
    )


def _read_time(made: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(made)
    except ValueError:
        return None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return time.astimezone(UTC) if 1970 < time.year < 9999 else None
