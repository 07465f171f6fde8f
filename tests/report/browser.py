"""Chromium and axe-core, for the tests of what a reader meets."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rerank_eval.report.html import render_html
from rerank_eval.report.model import Report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

AXE = "axe-core@4.14.1"


@dataclass
class Visit:
    """A page that is open, and what must stay empty: messages, dialogs, requests for anything but the file."""

    page: "Page"
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Open = Callable[..., Visit]


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Report], Path]:
    """Write the page of a report once per name."""
    folder = tmp_path_factory.mktemp("pages")

    def write(name: str, report: Report) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_text(render_html(report), encoding="utf-8")
        return path

    return write


@pytest.fixture
def open_page(chromium: "Browser") -> Iterator[Open]:
    """Open a file and fail the test if its page says anything, asks for anything or loads anything."""
    visits: list[Visit] = []

    def open_file(path: Path, width: int = 1440, **settings: Any) -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": 900}, **settings)
        visit = Visit(context.new_page())
        visits.append(visit)
        own = path.as_uri()

        def route(handler: Any) -> None:
            url = handler.request.url
            if url.partition("#")[0] == own or url.startswith("data:"):
                handler.continue_()
            else:
                visit.requests.append(url)
                handler.abort()

        context.route("**/*", route)
        visit.page.on("console", lambda message: visit.messages.append(message.text))
        visit.page.on("pageerror", lambda error: visit.messages.append(str(error)))

        def refuse(dialog: Any) -> None:
            visit.messages.append(f"dialog {dialog.message}")
            dialog.dismiss()

        visit.page.on("dialog", refuse)
        visit.page.goto(own)
        return visit

    yield open_file
    for visit in visits:
        visit.page.context.close()
    assert [visit.messages for visit in visits] == [[] for _ in visits]
    assert [visit.requests for visit in visits] == [[] for _ in visits]


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> Callable[["Page"], list[Mapping[str, Any]]]:
    """Return a function that gives the serious and critical violations of a page; axe-core comes from npm into pytest's cache."""
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("axe-core")
    source = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed, and axe-core comes from it")
        command = [npm, "install", "--prefix", str(folder), "--no-save", "--ignore-scripts", "--no-audit", AXE]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if finished.returncode or not source.exists():
            pytest.skip(f"npm cannot fetch {AXE}: {finished.stderr[-200:]}")
    script = source.read_text(encoding="utf-8")

    def violations(page: "Page") -> list[Mapping[str, Any]]:
        page.evaluate(script)  # not a script element: the page's CSP would refuse it
        found = page.evaluate("async () => (await axe.run(document)).violations")
        return [violation for violation in found if violation["impact"] in ("serious", "critical")]

    return violations
