"""The HTML report as a reader meets it: in Chromium, by mouse and by keyboard, wide and narrow, light and dark, on paper."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rerank_eval.report.model import Report
from tests.report.examples import HOSTILE, HOSTILE_NAMES, make_report
from tests.report.layout import CLIPPED, OVERLAPS

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.report.browser import Open

pytest_plugins = ["tests.report.browser"]
pytestmark = pytest.mark.browser

PageOf = Callable[[str, Report], Path]


@pytest.fixture(scope="session")
def simple(page_of: PageOf) -> Path:
    return page_of("simple", make_report(num_changes=8, with_cost=True))


@pytest.fixture(scope="session")
def several(page_of: PageOf) -> Path:
    return page_of("several", make_report(num_datasets=2, same_hardware=False))


@pytest.fixture(scope="session")
def hostile(page_of: PageOf) -> Path:
    report = make_report(
        num_systems=12,
        depths=(5, 10, 20, 50, 100, 200),
        names=HOSTILE_NAMES,
        text=HOSTILE + "a" * 300,
        num_changes=24,
        with_cost=True,
    )
    return page_of("hostile", report)


def _press_until_focused(page: "Page", selector: str) -> None:
    """Press Tab as a reader does until the element has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


def _first_table(page: "Page") -> "Locator":
    return page.locator("table.sortable:visible").first


def _column(page: "Page", number: int) -> list[str]:
    found: list[str] = (
        _first_table(page)
        .locator("tbody tr:visible")
        .evaluate_all("(rows, number) => rows.map(row => row.children[number].firstChild.textContent.trim())", number)
    )
    return found


def _numbers(column: list[str]) -> list[float]:
    return [float(value.replace("−", "-")) for value in column if value != "n/a"]  # noqa: RUF001


def test_hostile_texts_do_nothing(open_page: "Open", hostile: Path) -> None:
    page = open_page(hostile).page
    page.locator("details.change summary").first.click()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert HOSTILE in page.locator("details.change").first.inner_text()


def test_a_header_sorts_by_mouse(open_page: "Open", simple: Path) -> None:
    page = open_page(simple).page
    header = _first_table(page).locator("thead th").nth(2)
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    values = _numbers(_column(page, 2))
    assert values == sorted(values, reverse=True)
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert _numbers(_column(page, 2)) == sorted(values)
    assert page.locator("#status").inner_text() == "Sorted by nDCG@10, ascending"


def test_a_header_sorts_by_keyboard_and_only_one_at_a_time(open_page: "Open", simple: Path) -> None:
    page = open_page(simple).page
    _press_until_focused(page, "thead button")
    page.keyboard.press("Enter")
    _press_until_focused(page, "thead button")
    page.keyboard.press("Space")
    assert _first_table(page).locator("th[aria-sort]").all_inner_texts() == ["Depth"]
    depths = _numbers(_column(page, 1))
    assert depths == sorted(depths, reverse=True)


def test_unknown_values_are_last_in_both_directions(open_page: "Open", simple: Path) -> None:
    page = open_page(simple).page
    for _ in range(2):
        _first_table(page).locator("thead button").nth(4).click()
        assert _column(page, 4).index("n/a") == len(_column(page, 4)) - 1


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_system_is_hidden_everywhere_and_comes_back(open_page: "Open", simple: Path, by: str) -> None:
    page = open_page(simple).page
    box = page.locator(".check input").nth(1)

    def toggle() -> None:
        if by == "mouse":
            box.click()
        else:
            box.focus()
            page.keyboard.press("Space")

    rows, marks = page.locator("tr[data-series='1']:visible"), page.locator("figure:visible .plot .s1:visible")
    queries = page.locator(".change[data-series='1']:visible")
    before = rows.count(), marks.count(), queries.count()
    assert min(before) > 0
    depths = page.locator("figure:visible").first.locator(".plot text:visible", has_text="20")
    num_depths = depths.count()
    toggle()
    assert (rows.count(), marks.count(), queries.count()) == (0, 0, 0)
    assert depths.count() == num_depths - 1, "the depth beside its mark is hidden with it"
    assert page.locator("tr[data-series='0']:visible").count() > 0
    assert page.locator("#status").inner_text() == "2 of 3 systems shown"
    toggle()
    assert (rows.count(), marks.count(), queries.count()) == before


def test_none_and_all_hide_and_show_every_system(open_page: "Open", simple: Path) -> None:
    page = open_page(simple).page
    _press_until_focused(page, "#none")
    page.keyboard.press("Enter")
    assert page.locator("tr[data-series]:visible").count() == 0
    assert page.locator("tbody tr:visible").count() > 0, "the first stage stays"
    page.locator("#all").click()
    assert page.locator("#status").inner_text() == "3 of 3 systems shown"


def test_one_measure_is_shown_at_a_time(open_page: "Open", simple: Path) -> None:
    page = open_page(simple).page
    assert {block.get_attribute("data-measure") for block in page.locator("[data-measure]:visible").all()} == {
        "nDCG@10"
    }
    _press_until_focused(page, "#measure")
    page.keyboard.press("ArrowDown")
    assert {block.get_attribute("data-measure") for block in page.locator("[data-measure]:visible").all()} == {"RR@10"}
    assert page.locator("#status").inner_text() == "Measure RR@10 shown"
    assert page.locator("figure:visible").count() == 6


def test_one_dataset_or_all_are_shown(open_page: "Open", several: Path) -> None:
    page = open_page(several).page
    sections = page.locator("section.dataset:visible")
    assert sections.count() == 2
    page.locator("#dataset").select_option("d1")
    assert [section.get_attribute("id") for section in sections.all()] == ["d1"]
    page.locator("#dataset").select_option("")
    assert sections.count() == 2


def test_a_system_of_several_datasets_is_hidden_in_each(open_page: "Open", several: Path) -> None:
    page = open_page(several).page
    page.locator(".check input").first.click()
    assert page.locator("tr[data-series='0']:visible").count() == 0
    assert page.locator("#d1 .plot .s0:visible").count() == 0


def test_the_failure_browser_filters_and_counts(open_page: "Open", simple: Path) -> None:
    page = open_page(simple).page
    count, shown = page.locator(".count"), page.locator(".change:visible")
    assert count.inner_text() == "8 of 8 changes shown"
    page.locator("[data-filter=direction]").select_option("lost")
    assert {entry.get_attribute("data-direction") for entry in shown.all()} == {"lost"}
    assert count.inner_text() == "4 of 8 changes shown"
    page.locator("[data-filter=direction]").select_option("")
    page.locator("[data-filter=system]").select_option("2")
    assert {entry.get_attribute("data-series") for entry in shown.all()} == {"2"}
    page.locator("[data-filter=system]").select_option("")
    page.locator("[data-filter=search]").fill("QUERY Q3")
    assert shown.count() == 1
    page.locator("[data-filter=search]").fill("no such words")
    assert count.inner_text() == "0 of 8 changes shown"


def test_the_failure_browser_works_by_keyboard(open_page: "Open", simple: Path) -> None:
    page = open_page(simple).page
    _press_until_focused(page, "[data-filter=direction]")
    page.keyboard.press("ArrowDown")
    assert page.locator(".change[data-direction=lost]:visible").count() == 0
    _press_until_focused(page, "[data-filter=search]")
    page.keyboard.type("money")
    assert page.locator(".count").inner_text() == "4 of 8 changes shown"
    _press_until_focused(page, ".change summary")
    page.keyboard.press("Enter")
    opened = page.locator(".change[open]")
    assert opened.locator("h5").all_inner_texts() == ["Before: first stage", "After: system0"]
    assert "up 4 from rank 5" in opened.inner_text()
    page.keyboard.press("Enter")
    assert page.locator(".change[open]").count() == 0


def test_a_mark_that_is_pointed_at_says_its_values(open_page: "Open", simple: Path) -> None:
    page = open_page(simple).page
    figure = page.locator("figure:visible").first
    figure.locator(".s0 use").first.hover(force=True)
    assert "system0, depth 5: nDCG@10 0.586 [0.546, 0.626] (n = 84 queries)" in figure.locator(".readout").inner_text()


def test_the_skip_link_leads_to_the_results(open_page: "Open", simple: Path) -> None:
    page = open_page(simple).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_everything_is_there_without_script(open_page: "Open", simple: Path) -> None:
    page = open_page(simple, java_script_enabled=False).page
    assert page.locator("figure:visible").count() == 5 * 3 + 1
    assert page.locator("select:visible, input:visible, button:visible").count() == 0
    page.locator("details.change summary").first.click()
    assert page.locator("details.change[open] .documents:visible").count() == 2


def test_paper_has_every_query_open_and_no_control(open_page: "Open", simple: Path) -> None:
    page = open_page(simple).page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("select:visible, input:visible").count() == 0
    assert page.locator(".change .documents:visible").count() == 2 * 8
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".change[open]").count() == 0


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("name", ["simple", "several", "hostile"])
def test_nothing_overlaps_or_sticks_out(
    open_page: "Open", request: pytest.FixtureRequest, name: str, width: int
) -> None:
    page = open_page(request.getfixturevalue(name), width).page
    for entry in page.locator("details.change summary").all()[:2]:
        entry.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate(CLIPPED) == []


def test_no_table_is_cut_on_a_laptop(open_page: "Open", page_of: PageOf) -> None:
    report = make_report(3, (100, 1000), names=("cohere_v4_fast", "claude_listwise"), with_cost=True, with_answers=True)
    tables = open_page(page_of("laptop", report), 1280).page.locator(".scroll:has(table):visible").all()
    assert len(tables) >= 6
    assert not [one.inner_text() for one in tables if one.evaluate("one => one.scrollWidth > one.clientWidth")]


def test_wide_tables_scroll_by_keyboard(open_page: "Open", simple: Path) -> None:
    page = open_page(simple, 360).page
    region = page.locator(".scroll:has(table):visible").first
    assert region.get_attribute("aria-labelledby")
    region.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("element => element.scrollLeft > 0", arg=region.element_handle())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["several", "hostile"])
def test_axe_finds_no_serious_violation(
    open_page: "Open",
    axe: Callable[["Page"], list[Mapping[str, Any]]],
    request: pytest.FixtureRequest,
    name: str,
    scheme: str,
) -> None:
    page = open_page(request.getfixturevalue(name), color_scheme=scheme).page
    page.locator("details.change summary").first.click()
    assert [(found["id"], found["nodes"][0]["html"]) for found in axe(page)] == []


def test_dark_mode_draws_light_ink_on_dark_paper(open_page: "Open", simple: Path) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        page = open_page(simple, color_scheme=scheme).page
        colours[scheme] = page.evaluate(
            """() => [getComputedStyle(document.body).backgroundColor,
                     getComputedStyle(document.querySelector('.plot text')).fill]"""
        )
    assert colours["light"] == list(reversed(["rgb(27, 27, 27)", "rgb(254, 254, 254)"]))
    assert colours["dark"] == ["rgb(20, 23, 26)", "rgb(233, 233, 230)"]
