"""Figures: what they show, in drawing and in words, and that no name or missing value breaks them."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from matplotlib.text import Text

from rerank_eval.report.canvas import COLOURS, Plot, cue_of
from rerank_eval.report.depth_plots import draw_latency, draw_quality_depth
from rerank_eval.report.difference_plots import draw_differences, draw_losses
from rerank_eval.report.model import DatasetReport, Estimate, Point
from rerank_eval.report.svg import to_inline_svg, to_png, to_svg
from rerank_eval.report.tradeoff_plots import draw_cost, draw_quality_latency
from tests.report.examples import HOSTILE, HOSTILE_NAMES, MEASURES, make_report

MEASURE = MEASURES[0]
DRAW: Mapping[str, Callable[[DatasetReport], Plot | None]] = {
    "quality-latency": lambda dataset: draw_quality_latency(dataset, MEASURE),
    "quality-depth": lambda dataset: draw_quality_depth(dataset, MEASURE),
    "latency": draw_latency,
    "differences": lambda dataset: draw_differences(dataset, MEASURE),
    "losses": lambda dataset: draw_losses(dataset, MEASURE),
    "cost": lambda dataset: draw_cost(dataset, MEASURE),
}
every_kind = pytest.mark.parametrize("kind", DRAW)


def _dataset(**settings: Any) -> DatasetReport:
    return make_report(**{"with_cost": True} | settings).datasets[0]


def _change_points(dataset: DatasetReport, **changes: Any) -> DatasetReport:
    def change(point: Point) -> Point:
        return replace(point, **changes)

    series = [
        replace(one, first_stage=change(one.first_stage), points=[change(point) for point in one.points])
        for one in dataset.series
    ]
    return replace(dataset, series=series)


def _draw(kind: str, dataset: DatasetReport) -> Plot:
    plot = DRAW[kind](dataset)
    assert plot is not None
    return plot


def _titles(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter() if element.tag.endswith("title")]


@every_kind
def test_the_same_values_give_the_same_bytes(kind: str) -> None:
    one, other = _draw(kind, _dataset()), _draw(kind, _dataset())
    assert to_svg(one, True) == to_svg(other, True) == to_svg(one, True)
    assert to_svg(one, False) == to_svg(other, False)
    assert to_inline_svg(one, "f1") == to_inline_svg(other, "f1")
    assert to_png(one, 50) == to_png(other, 50)


@every_kind
def test_hostile_names_are_only_text(kind: str) -> None:
    plot = _draw(kind, _dataset(num_systems=5, names=HOSTILE_NAMES))
    for svg in (to_svg(plot, True), to_svg(plot, False), to_inline_svg(plot, "f1")):
        tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(svg).iter()}
        assert tags <= {"svg", "g", "defs", "path", "use", "text", "tspan", "title", "clipPath", "rect", "pattern"}
        for name in HOSTILE_NAMES:
            assert any(name in title for title in _titles(svg)), "the whole name is in the details of a mark"
    assert "$x_{" in to_svg(plot, False), "and it is no mathematics"


@every_kind
def test_no_text_is_parsed_as_mathematics(kind: str) -> None:
    plot = _draw(kind, _dataset(names=("$x_{",)))
    to_svg(plot, True)
    assert not any(text.get_parse_math() for text in plot.figure.findobj(Text) if isinstance(text, Text))


def test_names_that_xml_or_the_font_lack_are_drawn() -> None:
    plot = _draw("losses", _dataset(names=("a\x00b", "\ud800c", "検索 モデル", "שלום", "🙂")))
    assert "検索" in to_svg(plot, False)
    ET.fromstring(to_svg(plot, True).encode("utf-8"))
    to_png(plot, 50)


@every_kind
def test_ids_of_two_figures_on_a_page_differ_and_lead_somewhere(kind: str) -> None:
    plot = _draw(kind, _dataset())
    both = to_inline_svg(plot, "f1") + to_inline_svg(plot, "f2")
    ids = re.findall(r' id="([^"]+)"', both)
    assert len(ids) == len(set(ids)) > 0
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', both)) == set(ids)


@every_kind
def test_an_inline_figure_has_neither_style_nor_colour_of_its_own(kind: str) -> None:
    svg = to_inline_svg(_draw(kind, _dataset(num_systems=12)), "f1")
    assert "style" not in svg
    assert "http" not in svg
    drawn = {colour.lower() for colour in re.findall(r'(?:fill|stroke)="(#[0-9a-fA-F]+)"', svg)}
    assert drawn <= {"#fefefe"}, "what is left is of the paper, which the page's style sheet overrides"


@every_kind
def test_each_system_can_be_hidden(kind: str) -> None:
    svg = ET.fromstring(to_inline_svg(_draw(kind, _dataset(num_systems=4)), "f1"))
    classes = {name for element in svg.iter() for name in element.get("class", "").split()}
    assert {"s0", "s1", "s2", "s3"} <= classes


@pytest.mark.parametrize("kind", ["quality-latency", "quality-depth", "latency", "differences", "losses"])
def test_every_point_has_a_mark_with_its_values(kind: str) -> None:
    dataset = _dataset(num_systems=12, depths=(5, 10, 20, 50, 100, 200))
    titles = _titles(to_inline_svg(_draw(kind, dataset), "f1"))
    for series in dataset.series:
        for point in series.points:
            assert any(title.startswith(f"{series.label}, depth {point.depth}:") for title in titles)


def test_words_say_what_quality_against_latency_shows() -> None:
    alt = _draw("quality-latency", _dataset()).alt
    assert alt == (
        "First stage bm25: nDCG@10 0.550 [0.510, 0.590] (n = 84 queries), p95 0.46 ms [0.24, n/a]. "
        "Highest: system2 at depth 50 with 0.652 [0.612, 0.692] (n = 84 queries), p95 520 ms [480, 640]. "
        "Cheapest reranker: system0 at depth 5 with 0.586 [0.546, 0.626] (n = 84 queries), p95 13.2 ms [12.0, n/a]. "
        "On the Pareto front: bm25 alone, system0 at depth 5, system0 at depth 10, system0 at depth 20, system0 at depth 50."
    )


@pytest.mark.parametrize("kind", ["quality-latency", "latency"])
def test_machines_share_no_latency_axis(kind: str) -> None:
    plot = _draw(kind, _dataset(same_hardware=False))
    assert plot.title.endswith("(2 machines, a panel each)")
    assert "do not compare between panels" in plot.alt
    assert "Cheapest" not in plot.alt
    assert len(plot.figure.axes) == 2
    assert "front" not in plot.alt.replace("no common front", "")


def test_points_without_a_p95_are_counted_and_not_drawn() -> None:
    dataset = _dataset(num_systems=2)
    first, second = dataset.series
    unknown = [replace(point, total_p95=None) for point in second.points]
    plot = _draw("quality-latency", replace(dataset, series=[first, replace(second, points=unknown)]))
    assert "Not drawn, because the value is unknown: 4 of 8 points." in plot.alt
    assert not any(title.startswith("system1, depth") for title in _titles(to_inline_svg(plot, "f1")))


def test_a_difference_within_the_noise_is_hollow() -> None:
    dataset = _dataset(num_systems=1, depths=(10,))
    (series,) = dataset.series
    (point,) = series.points
    noise = {MEASURE: point.to_first_stage[MEASURE]._replace(p=0.3)}
    plot = _draw(
        "differences", replace(dataset, series=[replace(series, points=[replace(point, to_first_stage=noise)])])
    )
    assert "0 are above and 0 below zero" in plot.alt
    assert plot.marks["s0.filled"] == []
    assert len(plot.marks["s0.hollow"]) == 1


@pytest.mark.parametrize(
    ("kind", "unknown"),
    [
        ("quality-latency", {"total_p95": None}),
        ("quality-depth", {"estimates": {}}),
        ("latency", {"own_samples_ms": ()}),
        ("differences", {"to_first_stage": {}}),
        ("losses", {"losses": {}}),
        ("cost", {"usd_per_1000": None}),
    ],
)
def test_nothing_is_drawn_of_what_is_unknown(kind: str, unknown: Mapping[str, Any]) -> None:
    assert DRAW[kind](_change_points(_dataset(), **unknown)) is None


@every_kind
def test_one_query_and_one_depth_are_drawn(kind: str) -> None:
    """No intervals, equal values, a tiny cost and zero latency."""
    dataset = _change_points(
        _dataset(num_systems=1, depths=(10,)),
        estimates={MEASURE: Estimate(0.5, None, None)},
        usd_per_1000=1e-9,
        own_samples_ms=(0.0,),
        num_queries=1,
    )
    plot = _draw(kind, dataset)
    ET.fromstring(to_svg(plot, True))
    assert plot.alt


def test_what_is_free_is_drawn_at_zero_beside_what_is_paid_for() -> None:
    paid = _dataset(num_systems=2, depths=(5, 10))
    free = replace(paid.series[0], points=[replace(point, usd_per_1000=0.0) for point in paid.series[0].points])
    plot = _draw("cost", replace(paid, series=[free, paid.series[1]]))
    (axes,) = plot.figure.axes
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks[0] == "0"
    assert all(float(tick) > 1 for tick in ticks[1:])  # the least that is paid is 7.5
    assert "bm25: nDCG@10 0.550 [0.510, 0.590] (n = 84 queries), 0 US dollars" in plot.alt
    assert "Not drawn" not in plot.alt
    assert DRAW["cost"](replace(paid, series=[free])) is None


def test_twelve_systems_differ_in_more_than_colour() -> None:
    cues = [cue_of(index) for index in range(12)]
    assert len({(cue.colour, cue.marker) for cue in cues}) == 12
    assert len({cue.marker for cue in cues}) == 12
    for index, cue in enumerate(cues):
        for other in cues[index + 1 :]:
            assert cue.colour != other.colour or cue.linestyle != other.linestyle


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_stand_out_from_white(colour: str) -> None:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    )
    assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 3


@every_kind
def test_a_long_name_is_cut_in_the_figure(kind: str) -> None:
    svg = to_svg(_draw(kind, _dataset(names=("a" * 300, HOSTILE))), False)
    texts = [element.text or "" for element in ET.fromstring(svg).iter() if element.tag.endswith("}text")]
    assert max(len(text) for text in texts) < 90
    assert any(re.fullmatch("a+…a+", text) for text in texts)


def test_figures_of_different_datasets_have_different_names() -> None:
    dataset = _dataset()
    names = {
        _draw("losses", replace(dataset, name=name, split=split)).name
        for name, split in [("a b", "test"), ("a_b", "test"), ("a b", "dev"), ("a/b", "test"), ("ü", "test")]
    }
    assert len(names) == 5
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)
