"""The tables of numbers in README.md and docs/conformance.md are those of the committed baseline and of figures.yaml."""

import re

from rerank_eval.conformance.figures import FIRST_STAGE, read_conformance
from rerank_eval.results.reading import read_recorded
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_the_demo_has_the_values_of_the_committed_baseline() -> None:
    baseline = read_recorded(ROOT / "experiments" / "baselines" / "helpdesk.json")
    (table,) = re.findall(r"^helpdesk \(test\): .*?(?=^```)", README, re.DOTALL | re.MULTILINE)
    shown = {
        (system, int(depth)): re.findall(r"\d\.\d{4}(?: \[[^]]*\])?", cells)[:3]
        for system, depth, cells in re.findall(r"^(\S+)(?: \(first stage\))? +(\d+) (.*)$", table, re.MULTILINE)
    }
    expected = {
        ("bm25" if depth.depth == 0 else system.name, depth.depth): [
            f"{found.mean:.4f} [{found.low:.3f},{found.high:.3f}]".replace("[0.", "[.").replace(",0.", ",.")
            for found in depth.measures.values()
        ]
        for system in baseline.systems
        for depth in system.depths
        if depth.depth == 0 or system.name != "none"
    }
    ceiling = {
        ("(ceiling)", depth): [f"{value:.4f}" for value in found.values()] for depth, found in baseline.ceiling.items()
    }
    assert shown == expected | ceiling


def test_the_table_of_trec_dl_has_the_values_of_figures_yaml_and_marks_those_that_were_published() -> None:
    figures = {
        (configuration.group, figure.depth, figure.measure): figure
        for configuration in read_conformance()
        if configuration.full_name in {f"{group}/{name}" for group in ("dl19", "dl20") for name in ("bm25", "bundled")}
        for figure in configuration.figures
        if figure.system in (FIRST_STAGE, "minilm") and not figure.measure.startswith("R(")
    }
    shown = {}
    for depth, *cells in re.findall(
        r"^\| (\d+)(?: \(BM25\))? " + r"\| ([\d.]+\*?) " * 6 + r"\|$", README, re.MULTILINE
    ):
        for place, cell in enumerate(cells):
            measure = ("nDCG@10", "RR(rel=2)@10", "AP(rel=2)@100")[place % 3]
            shown["dl19" if place < 3 else "dl20", int(depth), measure] = cell
    assert shown == {
        place: f"{figure.value:.4f}" + ("" if figure.source.startswith("reference") else "*")
        for place, figure in figures.items()
    }


def test_the_page_of_conformance_has_the_figures_of_figures_yaml() -> None:
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    rows = [tuple(line.strip("| ").split(" | ")) for line in page.splitlines() if line.startswith("| ")]
    shown = [(*row[:6], float(row[7])) for row in rows if row[0] != "name"]
    assert shown == [
        (
            configuration.name,
            figure.system,
            str(figure.depth),
            figure.measure,
            f"{figure.value:.4f}",
            figure.source,
            figure.tolerance,
        )
        for configuration in read_conformance()
        for figure in configuration.figures
    ]
