"""The HTML report: whole, alone, small, the same every time, and indifferent to what names and texts contain."""

import base64
import hashlib
import itertools
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from rerank_eval.errors import MissingExtraError
from rerank_eval.report.html import LARGEST_BYTES, render_html
from rerank_eval.report.model import Report
from tests.report.examples import HOSTILE, HOSTILE_NAMES, MEASURES, make_report

ONE = MEASURES[:1]
VOID = {"meta", "link", "input", "br", "img", "hr"}


class _Page(HTMLParser):
    """The elements of a page, and whether each one that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def simple() -> str:
    return render_html(make_report(num_changes=4, with_cost=True))


def _change_first_dataset(report: Report, **changes: Any) -> Report:
    return replace(report, datasets=[replace(report.datasets[0], **changes)])


def test_the_same_report_gives_the_same_bytes(simple: str) -> None:
    assert render_html(make_report(num_changes=4, with_cost=True)) == simple


def test_the_page_is_alone(simple: str) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", simple)
    page = _Page(simple)
    for name, attributes in page.elements:
        for reference in (attributes.get("src"), attributes.get("href"), attributes.get("action")):
            assert reference is None or reference.startswith(("#", "data:")), name


def test_the_policy_allows_this_script_and_this_style_and_nothing_else(simple: str) -> None:
    (policy,) = [found["content"] for found in _Page(simple).all("meta") if "http-equiv" in found]
    allowed = dict(part.strip().split(" ", 1) for part in str(policy).split(";"))
    assert allowed["default-src"] == "'none'"
    for name in ("script", "style"):
        (content,) = re.findall(rf"<{name}>(.*?)</{name}>", simple, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert allowed[f"{name}-src"] == f"'sha256-{digest}'"
    assert not any(name == "style" or name.startswith("on") for _, found in _Page(simple).elements for name in found)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_name_is_text_wherever_it_is(name: str) -> None:
    report = make_report(num_systems=2, names=(name,), text=name, measures=ONE)
    (dataset,) = report.datasets
    run = report.runs[0]._replace(title=name, lines=[(name, name)])
    page = _Page(
        render_html(
            replace(
                report,
                title=name,
                answer=name,
                constraint=name,
                runs=[run],
                datasets=[replace(dataset, name=name, split=name, warnings=[name])],
            )
        )
    )
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert page.text.count(name) >= 10
    assert {found.get("title") for found in page.all("th")} <= {None, name, f"{name} 1"}


def test_texts_that_html_has_no_place_for_are_replaced() -> None:
    page = render_html(make_report(measures=ONE, names=("a\x00b\ud800c",), text="\x1b[31m \udfff"))
    page.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f]", page)


@pytest.mark.parametrize("num_datasets", [1, 2])
def test_headings_are_in_order_and_ids_unique(num_datasets: int, simple: str) -> None:
    several = make_report(num_datasets=num_datasets, num_systems=2, depths=(5, 10), measures=MEASURES[:2])
    page = _Page(simple if num_datasets == 1 else render_html(several))
    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(next_level <= level + 1 for level, next_level in itertools.pairwise(levels))
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    for _, found in page.elements:
        named = (found.get("aria-labelledby") or "").split() + [found["for"] for _ in [0] if found.get("for")]
        assert set(named) <= set(ids)


def test_the_answer_comes_first_and_sections_in_order(simple: str) -> None:
    order = [
        *("Answer", "data0", "Quality against latency", "Quality against depth", "Latency distribution"),
        *("Differences to the first stage", "Where quality is lost", "Quality against cost"),
        *("Quality per system and depth", "Knees and decay", "Failure browser", "Runs"),
    ]
    headings = re.findall(r"<h[23][^>]*>(.*?)</h[23]>", simple)
    found = [next(number for number, text in enumerate(headings) if name in text) for name in order]
    assert found == sorted(found)


def test_every_table_has_a_caption_and_scopes(simple: str) -> None:
    page = _Page(simple)
    assert len(page.all("table")) == len(page.all("caption")) > 0
    assert all(found.get("scope") in ("col", "row") for found in page.all("th"))


def test_every_figure_says_what_it_shows(simple: str) -> None:
    page = _Page(simple)
    pictures = [found for found in page.all("div") if found.get("role") == "img"]
    assert len(pictures) == 5 * 3 + 1
    for picture in pictures:
        title, alt = (re.escape(part) for part in str(picture["aria-labelledby"]).split())
        assert re.search(rf'id="{title}">[^<]+</p>', simple)
        assert re.search(rf'<figcaption id="{alt}">[^<]{{40,}}</figcaption>', simple)


def test_unknown_is_not_zero() -> None:
    page = render_html(make_report(num_systems=1, depths=(10,), measures=ONE))
    (table,) = re.findall(r"<table[^>]*>(?:(?!</table>).)*Own p50.*?</table>", page, re.DOTALL)
    headings = re.findall(r'<th scope="col".*?<span class="name">(.*?)</span>', table)
    first_stage, system = (
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr.*?</tr>", table)[-2:]
    )
    assert dict(zip(headings, system, strict=True))["Cost"] == "n/a", "no price is known"
    assert dict(zip(headings, first_stage, strict=True))["Own p50"] == "n/a", "there is no reranker"
    assert dict(zip(headings, system, strict=True))["Failed"] == "0"


def test_caveats_stand_beside_the_numbers_they_qualify() -> None:
    report = make_report(num_systems=1, depths=(10,), measures=ONE)
    (series,) = report.datasets[0].series
    points = [replace(point, failures=7, truncated_share=0.25, judged_at_10=0.5) for point in series.points]
    page = render_html(_change_first_dataset(report, series=[replace(series, points=points)]))
    row = next(row for row in re.findall(r"<tr data-series=\"0\">.*?</tr>", page) if "0.598" in row)
    assert "7 failed; 25.0% truncated; 3.0% tied; 50.0% unjudged" in row


def _size(page: str) -> int:
    return len(page.encode())


@pytest.mark.slow
def test_twelve_systems_at_six_depths_fit() -> None:
    report = make_report(num_systems=12, depths=(5, 10, 20, 50, 100, 200), with_cost=True, num_changes=120)
    page = render_html(report)
    assert _size(page) < LARGEST_BYTES
    assert page.count('<details class="change"') == 120


def _left_out(page: str) -> Sequence[str]:
    found = re.search(r"not everything is in it:</p><ul>(.*?)</ul>", page)
    return re.findall(r"<li>(.*?)</li>", found[1]) if found else []


def test_nothing_is_left_out_of_a_small_report(simple: str) -> None:
    assert _left_out(simple) == []


@pytest.mark.slow
def test_figures_of_secondary_measures_are_left_out_first() -> None:
    report = make_report(
        num_systems=12, depths=(5, 10, 20, 50, 100, 200), measures=("nDCG@10", "RR@10", "R@10", "AP", "P@5", "R@100")
    )
    page = render_html(report)
    assert _size(page) < LARGEST_BYTES
    (sentence,) = _left_out(page)
    assert sentence.startswith("The figures of RR@10, R@10, AP, P@5, R@100 were left out")
    assert page.count('<details class="change"') == 4
    assert "The figure of RR@10 was left out to keep this file under 2 MB." in page


def test_entries_of_the_failure_browser_are_left_out_next() -> None:
    page = render_html(make_report(num_changes=900, text="how do I get my money back " * 15))
    assert _size(page) < LARGEST_BYTES
    figures, changes = _left_out(page)
    assert figures.startswith("The figures of RR@10, R@10 were left out")
    shown = page.count('<details class="change"')
    assert 0 < shown < 900
    assert changes.startswith(f"The failure browser shows the {shown} largest of 900 changed queries")


def test_several_datasets_have_a_table_of_means(simple: str) -> None:
    assert "Means over 2 datasets, each counting the same" in render_html(make_report(num_datasets=2, measures=ONE))
    assert "Means over" not in simple


def test_a_report_without_latency_changes_or_losses_is_whole() -> None:
    report = make_report(num_changes=0, measures=ONE)
    unknown: dict[str, Any] = {"total_p50": None, "total_p95": None, "own_p50": None, "own_p95": None}
    series = [
        replace(
            one,
            first_stage=replace(one.first_stage, **unknown, losses={}),
            points=[replace(point, **unknown, own_samples_ms=(), losses={}) for point in one.points],
            knees={},
            ceiling={},
        )
        for one in report.datasets[0].series
    ]
    page = _Page(render_html(_change_first_dataset(report, series=series, fronts={}, warnings=())))
    assert "Quality against latency" not in page.text
    assert "No changed query is recorded here." in page.text
    assert "Nothing to show: no value is known." in page.text


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"'{package}'.*rerank-eval\[report\]"):
        render_html(make_report())


def test_hostile_text_is_shown_as_it_is() -> None:
    page = _Page(render_html(make_report(text=HOSTILE, measures=ONE)))
    assert page.text.count(HOSTILE) == 4 * 11
