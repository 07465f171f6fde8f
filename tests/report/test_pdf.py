"""The report as PDF, read back by poppler where it is installed."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rerank_eval.report.model import Report, RunDescription
from rerank_eval.report.pdf import break_text, render_pdf
from tests.conftest import RunPython
from tests.report.examples import HOSTILE, HOSTILE_NAMES, MEASURES, make_report

SIX_DEPTHS = (5, 10, 20, 50, 100, 200)
poppler = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")


def read_pages(pdf: bytes, folder: Path, *options: str) -> list[str]:
    """Return the text of each page, without the places to break that are put into long words."""
    path = folder / "report.pdf"
    path.write_bytes(pdf)
    done = subprocess.run(["pdftotext", *options, str(path), "-"], capture_output=True, check=True)
    return done.stdout.decode().replace("\u200b", "").split("\f")[:-1]


def read_words(pdf: bytes, folder: Path) -> list[list[tuple[float, float, float, float, str]]]:
    """Return the box and text of each word, page by page; the page's own size is the first."""
    pages = []
    for page in "".join(read_pages(pdf, folder, "-bbox")).split("<page ")[1:]:
        width, height = re.findall(r'(?:width|height)="([\d.]+)"', page)[:2]
        words = re.findall(r'xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">(.*?)</word>', page)
        boxes = [(float(x0), float(y0), float(x1), float(y1), text) for x0, y0, x1, y1, text in words]
        pages.append([(0.0, 0.0, float(width), float(height), ""), *boxes])
    return pages


@pytest.fixture(scope="module")
def big_pdf() -> bytes:
    names = ["cross-encoder/ms-marco-MiniLM-L-12-v2 of the 3rd of May", "a" * 300, "$x_{" * 20]
    report = make_report(num_systems=12, depths=SIX_DEPTHS, num_changes=60, names=names, measures=MEASURES[:2])
    return render_pdf(report)


def test_equal_reports_give_equal_bytes() -> None:
    report = make_report(num_systems=2, depths=(5, 10), measures=("nDCG@10",))
    pdf = render_pdf(report)
    assert pdf.startswith(b"%PDF-")
    assert pdf == render_pdf(make_report(num_systems=2, depths=(5, 10), measures=("nDCG@10",)))


@poppler
@pytest.mark.parametrize("same_hardware", [True, False])
def test_a_caption_says_what_is_not_drawn_and_what_does_not_compare(same_hardware: bool, tmp_path: Path) -> None:
    report = make_report(num_systems=2, depths=(5, 10), measures=("nDCG@10",), same_hardware=same_hardware)
    first, second = report.datasets[0].series
    unknown = [replace(second.points[0], total_p95=None), *second.points[1:]]
    dataset = replace(report.datasets[0], series=[first, replace(second, points=unknown)], warnings=[])
    text = " ".join(" ".join(read_pages(render_pdf(replace(report, datasets=[dataset])), tmp_path)).split())
    assert "Not drawn, because the value is unknown: 1 of 4 points." in text
    assert ("do not compare between panels" in text) is not same_hardware


def test_the_bytes_do_not_depend_on_the_process(run_python: RunPython, tmp_path: Path) -> None:
    write = (
        "import sys\nfrom pathlib import Path\nfrom tests.report.examples import make_report\n"
        "from rerank_eval.report.pdf import render_pdf\n"
        "Path(sys.argv[1]).write_bytes(render_pdf(make_report(num_systems=1, depths=(5,), measures=('nDCG@10',))))"
    )
    done = run_python("-c", write, str(tmp_path / "other.pdf"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "other.pdf").read_bytes() == render_pdf(
        make_report(num_systems=1, depths=(5,), measures=("nDCG@10",))
    )


@poppler
def test_the_creation_date_is_that_of_the_newest_result(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(render_pdf(make_report(num_systems=1, depths=(5,), measures=("nDCG@10",))))
    done = subprocess.run(["pdfinfo", "-isodates", str(path)], capture_output=True, text=True, check=True)
    assert re.search(r"CreationDate: +2026-11-22T20:00:00", done.stdout)
    assert re.search(r"Title: +Rerankers on data0\n", done.stdout)
    assert re.search(r"Tagged: +yes", done.stdout)


@pytest.mark.parametrize("made", ["", "yesterday", "0001-01-01", "2026-11-22", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_cannot_be_read_is_shown_and_does_no_harm(made: str) -> None:
    report = replace(make_report(num_systems=1, depths=(5,), measures=("nDCG@10",)), made=made)
    assert render_pdf(report, drawings=[]) == render_pdf(report, drawings=[])


@poppler
def test_it_says_the_answer_first_and_has_every_part(tmp_path: Path) -> None:
    report = make_report(num_systems=2, depths=(5, 10), num_datasets=2, with_cost=True, measures=MEASURES[:1])
    pages = read_pages(render_pdf(report), tmp_path)
    first = " ".join(pages[0].split())
    assert (
        first.index("The answer") < first.index("minilm at depth 20 is the best choice") < first.index("Within 200 ms")
    )
    text = " ".join(" ".join(pages).split())
    for part in (
        *("What was evaluated", "Means over 2 datasets", "data1 (test)", "To be read with care", "What to choose"),
        *(
            "nDCG@10 against latency",
            "nDCG@10 against cost",
            "best for its",
            "deeper and worse",
            "p (Holm)",
            "total p95",
        ),
        *("lost by ordering", "that lost and gained most", "how do I get my money back", "Appendix", "a CPU"),
    ):
        assert part in text, part
    assert f"{len(pages)} / {len(pages)}" in pages[-1]


@poppler
def test_a_table_over_several_pages_repeats_its_head(big_pdf: bytes, tmp_path: Path) -> None:
    pages = read_pages(big_pdf, tmp_path, "-layout")
    with_rows = [page for page in pages if re.search(r"\d+/\d+/\d+", page)]
    assert len(with_rows) > 3
    for page in with_rows:
        assert "won/tied/lost" in page


@poppler
def test_every_system_and_depth_is_in_the_tables(big_pdf: bytes, tmp_path: Path) -> None:
    text = "".join(read_pages(big_pdf, tmp_path, "-layout"))
    rows = re.findall(r"^ *(\S.*?) +(\d+) +0\.\d{4} \[0\.\d{4}, 0\.\d{4}\] +84 ", text, re.MULTILINE)
    assert {int(depth) for _, depth in rows} == {0, *SIX_DEPTHS}
    assert len(rows) == 2 * (1 + 12 * 6)


@poppler
def test_no_word_leaves_its_page_or_lies_on_another(big_pdf: bytes, tmp_path: Path) -> None:
    for number, (page, *words) in enumerate(read_words(big_pdf, tmp_path), start=1):
        width, height = page[2:4]
        for x0, y0, x1, y1, text in words:
            assert x0 >= 28, (number, text)
            assert x1 <= width - 28, (number, text)
            assert y0 >= 14, (number, text)
            assert y1 <= height - 14, (number, text)
        x0s, y0s, x1s, y1s = np.array([word[:4] for word in words])[:, :, np.newaxis].transpose(1, 0, 2)
        across = np.minimum(x1s, x1s.T) - np.maximum(x0s, x0s.T)
        down = np.minimum(y1s, y1s.T) - np.maximum(y0s, y0s.T)
        overlap = (across >= 1) & (down >= 0.4 * np.minimum(y1s - y0s, (y1s - y0s).T))
        pairs = np.argwhere(np.triu(overlap, 1)).tolist()
        assert [(number, words[one][4], words[other][4]) for one, other in pairs] == []


@poppler
def test_hostile_texts_are_shown_as_they_are(tmp_path: Path) -> None:
    text = f"{HOSTILE} $x_{{ #panic() \\input{{y}} =cmd() @ref <label> // * _ ` שלום 中文 😀"
    report = make_report(num_systems=5, depths=(5,), names=HOSTILE_NAMES, text=text)
    hostile = replace(
        report,
        title=f"#panic() {HOSTILE}",
        answer=f'{text} "#import "x""',
        constraint="*bold* $1/2$ ~ -- ...",
        runs=[RunDescription(text, [("#eval(1)", "b" * 5000), ("", "")])],
    )
    shown = "".join("".join(read_pages(render_pdf(hostile), tmp_path)).split())
    for expected in (
        "#panic()<script>",
        "".join(text.split()[:8]),
        "*bold*$1/2$~--...",
        "#eval(1)",
        "$x_{",
    ):
        assert expected in shown, expected
    assert shown.count("b") >= 5000
    assert "U+4E2D" in shown


TEXTS = ("\ud800", "\x00\x07\x1b", "\u202egnp.exe", "e\u0301" * 200, "👨‍👩‍👧" * 50, "\u0627" * 300, "")


@pytest.mark.parametrize("text", TEXTS)
def test_no_character_stops_it(text: str) -> None:
    report = make_report(num_systems=1, depths=(5,), measures=("nDCG@10",), names=[f"a{text}"], text=text)
    assert render_pdf(replace(report, title=text, answer=text), drawings=[]).startswith(b"%PDF-")


def test_no_character_of_a_name_stops_a_drawing() -> None:
    names = [f"a{text}" for text in TEXTS]
    report = make_report(num_systems=len(names), depths=(5,), measures=("nDCG@10",), names=names)
    assert render_pdf(report).startswith(b"%PDF-")


def test_a_report_of_nothing_is_still_a_pdf() -> None:
    report = make_report(num_systems=1, depths=(5,), num_changes=0)
    series = replace(report.datasets[0].series[0], points=[], knees={}, ceiling={})
    dataset = replace(report.datasets[0], series=[series], fronts={}, cost_fronts={}, warnings=[])
    empty: Report = replace(report, datasets=[dataset], constraint=None, runs=[])
    assert render_pdf(empty).startswith(b"%PDF-")
    assert render_pdf(replace(empty, datasets=[])).startswith(b"%PDF-")


def test_long_words_get_places_to_break_and_others_none() -> None:
    assert break_text("cross-encoder/ms-marco-MiniLM-L-12-v2 2026-11-22T20:00:00Z") == (
        "cross-encoder/ms-marco-MiniLM-L-12-v2 2026-11-22T20:00:00Z"
    )
    assert break_text("a" * 20) == "aaaaaaaa\u200baaaaaaaa\u200baaaa"
    assert all(not part.startswith("\u0301") for part in break_text("e\u0301" * 20).split("\u200b"))


def test_control_characters_and_changes_of_direction_are_taken_out() -> None:
    assert break_text("a\x00b\u202ec\u2066d\ud800e\u200df") == "a bcd\ufffde\u200df"


def test_a_missing_package_is_named_with_the_extra(run_python: RunPython) -> None:
    render = (
        "import sys\nsys.modules['typst'] = None\n"
        "from rerank_eval.errors import MissingExtraError\nfrom tests.report.examples import make_report\n"
        "from rerank_eval.report.pdf import render_pdf\n"
        "try:\n    render_pdf(make_report())\nexcept MissingExtraError as error:\n    print(error)"
    )
    done = run_python("-c", render)
    assert "pip install 'rerank-eval[report]'" in done.stdout, done.stderr
    assert "'typst'" in done.stdout
