"""Answers from reranked context in the tables of all formats: every column explained, unknown as n/a, names escaped."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rerank_eval.report.html import render_html
from rerank_eval.report.html_context import make_chain_table, make_context_table
from rerank_eval.report.model import Report
from rerank_eval.report.pdf import render_pdf
from rerank_eval.report.reading_tables import list_reading_tables
from rerank_eval.report.short_labels import shorten_labels
from rerank_eval.report.tables import make_tables
from tests.report.examples import HOSTILE, make_report

REPORT = make_report(num_systems=2, depths=(5, 20), num_changes=0, names=("minilm", HOSTILE), with_answers=True)


def without_answers() -> Report:
    return make_report(num_systems=2, depths=(5, 20), num_changes=0)


def test_there_is_a_row_for_the_first_stage_and_each_depth_that_was_answered_at() -> None:
    table = make_context_table(REPORT.datasets[0], shorten_labels(REPORT))
    cells = [[cell.text for cell in row.cells] for row in table.rows]
    shared = ["0.480", "0.710", "0.777"]
    assert [row.name for row in table.rows][:2] == ["bm25 (first stage)", "minilm"]
    assert cells[0] == ["0", "5", "63", "n/a", *shared, "n/a", "22.2%"]
    assert cells[1] == ["20", "5", "63", "0.410", *shared, "−0.048", "22.2%"]  # noqa: RUF001
    assert len(table.rows) == 3
    assert {len(row.cells) + 1 for row in table.rows} == {len(table.headings)}
    details = [cell.detail for cell in table.rows[2].cells]
    assert details[2] == "2 failed"
    assert details[7] == "[−0.143, +0.048]"  # noqa: RUF001
    took = make_chain_table(REPORT.datasets[0], shorten_labels(REPORT))
    assert [row.name for row in took.rows] == [row.name for row in table.rows]
    cells = [[cell.text for cell in row.cells] for row in took.rows]
    assert cells[:2] == [["0", "1,234", "0.12", "431", "1,190", "1,950"], ["20", "n/a", "n/a", "431", "n/a", "n/a"]]
    assert {len(row) + 1 for row in cells} == {len(took.headings)}
    assert took.rows[2].cells[-1].detail == "[1,700, n/a]"


def test_the_page_has_two_tables_that_explain_their_columns_and_none_where_nothing_was_answered() -> None:
    page = render_html(REPORT, [])
    assert page.count("Answers from reranked context") == 1
    (quality,) = re.findall(r"Precision: the share .*?</p>", page)
    (took,) = re.findall(r"Tokens and cost: .*?</p>", page)
    for word in ("Precision", "Recall", "Exact match", "token F1", "No answer"):
        assert word in quality
    for word in ("Tokens and cost", "Answer:", "Chain:"):
        assert word in took
    assert HOSTILE not in page
    assert "Answers from reranked context" not in render_html(without_answers(), [])


def test_the_tables_to_read_and_those_for_programs_have_it() -> None:
    (read,) = [table for table in list_reading_tables(REPORT) if table.name == "answers-data0"]
    assert list(read.rows()[1])[4:] == [
        *(0.41, 0.48, 0.71, "0.7770 [0.6670, 0.8730]", "-0.0480 [-0.1430, +0.0480]", "22.2%", 2, None),
        *("n/a", "431 [400, 470]", "n/a", "n/a"),
    ]
    (whole,) = [table for table in make_tables(REPORT) if table.name == "answers-data0"]
    row = dict(zip(whole.columns, whole.rows()[-1], strict=True))
    assert (row["gain mean"], row["chain p95 ms"], row["chain p95 ms high"]) == (-0.048, 1950, None)
    assert not [table for table in make_tables(without_answers()) if table.name.startswith("answers")]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_the_pdf_has_it(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(render_pdf(REPORT, []))
    text = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True).stdout.decode()
    assert "Answers on data0 from the first k documents" in text
    assert "0.7770" in text
