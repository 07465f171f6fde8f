"""The report as one HTML file that needs no network: inline figures, style and script, the last two allowed by their hashes."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rerank_eval.errors import MissingExtraError
from rerank_eval.report.drawings import Drawing, draw_report
from rerank_eval.report.formats import without_controls
from rerank_eval.report.html_changes import ChangeView, make_changes
from rerank_eval.report.html_context import make_chain_table, make_context_table
from rerank_eval.report.html_reliability import make_reliability_table, make_stability_table
from rerank_eval.report.html_tables import (
    TableView,
    make_cost_table,
    make_knee_table,
    make_loss_table,
    make_macro_table,
    make_matrix_table,
    make_not_averaged_table,
    make_quality_table,
)
from rerank_eval.report.model import DatasetReport, Report
from rerank_eval.report.short_labels import shorten_labels
from rerank_eval.report.svg import to_inline_svg

if TYPE_CHECKING:
    from jinja2 import Template

LARGEST_BYTES = 2_000_000

_TEMPLATES = Path(__file__).parent / "templates"


class Extent(NamedTuple):
    """How much is shown: the measures that have figures and tables, and the number of entries in each failure browser."""

    figures: Sequence[str]
    tables: Sequence[str]
    most_changes: int


class FigureView(NamedTuple):
    """A figure as an `<svg>` element with its title and what it shows; `measure` is None for latency alone."""

    kind: str
    measure: str | None
    identifier: str
    title: str
    alt: str
    svg: str


class FigureKind(NamedTuple):
    """A section of figures; `purpose` says what to look for."""

    name: str
    title: str
    purpose: str


class SystemView(NamedTuple):
    """A system in the list of those that can be hidden; `places` are "dataset:series", `colour` as in the figures."""

    label: str
    places: str
    colour: int


class MeasureTables(NamedTuple):
    """The tables of one measure on one dataset."""

    measure: str
    quality: TableView
    knees: TableView
    losses: TableView
    matrix: TableView | None


class DatasetView(NamedTuple):
    """What is shown of one dataset."""

    report: DatasetReport
    figures: Sequence[FigureView]
    measures: Sequence[MeasureTables]
    costs: TableView
    answers: Sequence[tuple[str, TableView]]
    changes: Sequence[ChangeView]


KINDS = (
    FigureKind(
        "quality-latency", "Quality against latency", "Up and to the left is better. Numbers beside marks are depths."
    ),
    FigureKind("quality-depth", "Quality against depth", "How much each system gains from more candidates."),
    FigureKind("latency", "Latency distribution", "How long the reranker alone takes; lower is better."),
    FigureKind(
        "differences",
        "Differences to the first stage",
        "Whether a gain is more than noise: intervals that leave out 0.",
    ),
    FigureKind("losses", "Where quality is lost", "What a better reranker, or a better first stage, could still win."),
    FigureKind("cost", "Quality against cost", "Up and to the left is better. Numbers beside marks are depths."),
)


def render_html(report: Report, drawings: Sequence[Drawing] | None = None) -> str:
    """Return the page, under 2 MB as long as its primary measure's tables are; the same bytes for the same report.

    What does not fit is left out in this order, and the page says so: figures of secondary measures, entries of the failure
    browser, tables of secondary measures, the remaining figures. `drawings` are what `draw_report` returns, for a caller that has
    them already.

    Raises:
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    template = _load_template()
    labels = shorten_labels(report)
    figures = _view_figures(report, draw_report(report) if drawings is None else drawings)
    page = ""
    for extent in _extents(report):
        page = _render(template, report, extent, labels, figures)
        if len(page.encode()) < LARGEST_BYTES:
            break
    return page


def _extents(report: Report) -> Iterator[Extent]:
    """Yield ever smaller extents."""
    everything, primary = report.measures, report.measures[:1]
    most = max((len(dataset.changes) for dataset in report.datasets), default=0)
    yield Extent(everything, everything, most)
    yield Extent(primary, everything, most)
    fewer = most // 2
    while fewer:
        yield Extent(primary, everything, fewer)
        fewer //= 2
    yield Extent(primary, everything, 0)
    yield Extent(primary, primary, 0)
    yield Extent((), primary, 0)


def _load_template() -> "Template":
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("jinja2", "report") from error
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.j2")


def _view_figures(report: Report, drawings: Sequence[Drawing]) -> list[list[FigureView]]:
    """Return the figures of each dataset, in the order of `draw_report`."""
    figures: list[list[FigureView]] = [[] for _ in report.datasets]
    for number, drawing in enumerate(drawings):
        plot, identifier = drawing.plot, f"f{number}"
        kind = next(kind.name for kind in KINDS if plot.name.startswith(f"{kind.name}-"))
        svg = to_inline_svg(plot, identifier)
        figures[drawing.dataset].append(FigureView(kind, drawing.measure, identifier, plot.title, plot.alt, svg))
    return figures


def _render(
    template: "Template",
    report: Report,
    extent: Extent,
    labels: Mapping[str, str],
    figures: Sequence[Sequence[FigureView]],
) -> str:
    from markupsafe import Markup

    style, script = ((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    page = template.render(
        report=report,
        kinds=KINDS,
        datasets=[
            _view_dataset(dataset, extent, labels, drawn)
            for dataset, drawn in zip(report.datasets, figures, strict=True)
        ],
        systems=_list_systems(report, labels),
        macro=make_macro_table(report, labels),
        not_averaged=make_not_averaged_table(report, labels),
        left_out=_say_left_out(report, extent),
        shown_figures=extent.figures,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        markup=Markup,
    )
    return without_controls(page)


def _view_dataset(
    dataset: DatasetReport, extent: Extent, labels: Mapping[str, str], figures: Sequence[FigureView]
) -> DatasetView:
    shown = set(extent.figures)
    return DatasetView(
        report=dataset,
        figures=[figure for figure in figures if shown and (figure.measure is None or figure.measure in shown)],
        measures=[
            MeasureTables(
                measure,
                make_quality_table(dataset, measure, labels),
                make_knee_table(dataset, measure, labels),
                make_loss_table(dataset, measure, labels),
                make_matrix_table(dataset, measure) if number == 0 else None,
            )
            for number, measure in enumerate(extent.tables)
        ],
        costs=make_cost_table(dataset, labels),
        answers=[
            ("Answers from reranked context", make_context_table(dataset, labels)),
            ("What the answers took", make_chain_table(dataset, labels)),
            ("Reliability per system and depth", make_reliability_table(dataset, labels)),
            *(
                ("Stability per system and depth", make_stability_table(dataset, measure, labels))
                for measure in extent.tables[:1]
            ),
        ],
        changes=make_changes(dataset, labels, extent.most_changes),
    )


def _list_systems(report: Report, labels: Mapping[str, str]) -> list[SystemView]:
    places: dict[str, list[str]] = {}
    colours: dict[str, int] = {}
    for dataset_number, dataset in enumerate(report.datasets):
        for number, series in enumerate(dataset.series):
            places.setdefault(series.label, []).append(f"{dataset_number}:{number}:{series.index}")
            colours.setdefault(series.label, series.index)
    return [SystemView(labels[label], " ".join(found), colours[label] % 8) for label, found in places.items()]


def _say_left_out(report: Report, extent: Extent) -> list[str]:
    """Return what was left out to keep the page small, a sentence each."""
    sentences = []
    if missing := [measure for measure in report.measures if measure not in extent.figures]:
        sentences.append(f"The figures of {', '.join(missing)} were left out; --format svg writes each to a file.")
    total = sum(len(dataset.changes) for dataset in report.datasets)
    shown = sum(min(extent.most_changes, len(dataset.changes)) for dataset in report.datasets)
    if shown < total:
        sentences.append(
            f"The failure browser shows the {shown} largest of {total} changed queries; --format csv writes all of them."
        )
    if missing := [measure for measure in report.measures if measure not in extent.tables]:
        sentences.append(f"The tables of {', '.join(missing)} were left out; --format csv writes them to files.")
    return sentences


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
