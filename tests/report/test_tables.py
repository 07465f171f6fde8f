"""The tables of a report, and what they look like as CSV, Markdown and LaTeX."""

import csv
import io
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import pytest

from rerank_eval.paired import Difference
from rerank_eval.report.cells import show, show_difference, show_estimate, show_latency, show_signed
from rerank_eval.report.formats import format_p, format_score
from rerank_eval.report.model import Estimate, Milliseconds, Report
from rerank_eval.report.reading_tables import list_reading_tables, make_reading_tables
from rerank_eval.report.short_labels import shorten_labels
from rerank_eval.report.table_formats import to_csv, to_latex, to_markdown
from rerank_eval.report.tables import Row, Table, make_table, make_tables, unique_file_name
from tests.report.examples import HOSTILE, HOSTILE_NAMES, MEASURES, make_report


def read_csv(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(table))))


def named(tables: Sequence[Table], name: str) -> Table:
    return next(table for table in tables if table.name == name)


def of_one(row: Row, numbers: Sequence[str] = ()) -> Table:
    return make_table("one", "One row", [row], numbers)


def without_values(report: Report) -> Report:
    """Return the report as it is where every query of every system failed."""
    dataset = report.datasets[0]
    empty = [
        replace(
            series,
            points=[
                replace(point, num_queries=0, estimates={}, to_first_stage={}, to_best={}, losses={}, failures=84)
                for point in series.points
            ],
        )
        for series in dataset.series
    ]
    return replace(report, datasets=[replace(dataset, series=empty)])


def test_the_results_have_a_row_for_each_system_and_depth_and_for_the_first_stage() -> None:
    report = make_report(num_systems=3, depths=(5, 10))
    rows = read_csv(named(make_tables(report), "results-data0"))
    assert [(row["system"], row["depth"]) for row in rows] == [
        (system, depth) for system in ("system0", "system1", "system2") for depth in ("0", "5", "10")
    ]


def test_csv_keeps_every_digit_and_leaves_the_unknown_empty() -> None:
    report = make_report(num_systems=1, depths=(5,))
    first_stage, reranked = read_csv(named(make_tables(report), "results-data0"))
    point = report.datasets[0].series[0].points[0]
    assert float(reranked["nDCG@10 mean"]) == point.estimates["nDCG@10"].mean
    assert reranked["nDCG@10 to first stage wins"] == "50"
    assert first_stage["nDCG@10 to first stage wins"] == ""
    assert reranked["usd per 1000 queries"] == ""
    assert reranked["total p95 ms high"] == ""
    assert reranked["failures"] == "0"


def test_every_place_on_the_front_is_marked_and_the_first_stage_of_every_system_is_one_place() -> None:
    rows = read_csv(named(make_tables(make_report(num_systems=2, depths=(5, 10))), "results-data0"))
    marked = {(row["system"], row["depth"]) for row in rows if row["nDCG@10 best for its latency"] == "1"}
    assert marked == {("system0", "0"), ("system1", "0"), ("system0", "5"), ("system0", "10")}


def test_there_is_no_zero_where_all_queries_failed() -> None:
    report = without_values(make_report(num_systems=1, depths=(5,)))
    _, failed = read_csv(named(make_tables(report), "results-data0"))
    assert failed["nDCG@10 mean"] == ""
    assert failed["failures"] == "84"
    quality = make_reading_tables(report)[0].qualities[0]
    assert quality.rows()[-1] == ("system0", 5, "n/a", 0, "n/a", "n/a", "n/a", None, "n/a")
    assert "| n/a | 0 | n/a | n/a | n/a | n/a | n/a |" in to_markdown(quality)


def test_a_table_without_rows_is_left_out() -> None:
    report = make_report(num_changes=0)
    assert {table.name for table in make_tables(report)} == {"results-data0", "knees-data0", "losses-data0"}
    assert {table.name.split("-")[0] for table in list_reading_tables(report)} == {
        *("choices", "knees", "quality", "costs", "losses", "systems")
    }


def test_several_datasets_have_tables_of_their_own_and_one_of_means() -> None:
    tables = make_tables(make_report(num_datasets=2))
    assert {"results-data0", "results-data1", "macro"} <= {table.name for table in tables}
    assert len({table.name for table in tables}) == len(tables)


def test_names_of_tables_can_be_names_of_files() -> None:
    report = make_report(num_datasets=2, measures=("nDCG@10", "RR(rel=2)@10"))
    datasets = [replace(dataset, name="../a b/ü") for dataset in report.datasets]
    for table in (
        *make_tables(replace(report, datasets=datasets)),
        *list_reading_tables(replace(report, datasets=datasets)),
    ):
        assert not set(table.name) & set('/\\ .:*?"<>|'), table.name


def test_a_file_name_is_taken_once_in_any_case() -> None:
    taken: set[str] = set()
    assert [unique_file_name(name, taken) for name in ("Data", "data", "a/b", "..", "x" * 300)] == [
        *("Data", "data-2", "a_b", "unnamed", "x" * 80)
    ]


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x", "\tx", "\rx", " =1", "＝1"])  # noqa: RUF001
def test_a_formula_is_quoted_in_csv(text: str) -> None:
    table = of_one({"system": text})
    _, row = csv.reader(io.StringIO(to_csv(table)))
    assert row == ["'" + text.replace("\r", "\n")]


def test_a_negative_number_stays_a_number_in_csv() -> None:
    assert to_csv(of_one({"system": "a", "change": -0.5, "number": -3})) == "system,change,number\na,-0.5,-3\n"


def test_a_text_with_commas_quotes_and_lines_is_one_cell_of_csv() -> None:
    text = 'a,"b"\nc'
    assert read_csv(of_one({"query": text})) == [{"query": text}]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_breaks_a_markdown_table(name: str) -> None:
    from markdown_it import MarkdownIt

    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(
        to_markdown(of_one({"system": name, "depth": 5}))
    )
    assert html.count("<td") == 2
    assert "<script" not in html
    assert "<img" not in html
    assert "<code" not in html
    shown = html.replace("&lt;", "<").replace("&gt;", ">")
    assert f">{name}</td>" in shown


def test_markdown_has_no_mathematics_mention_or_second_line() -> None:
    text = to_markdown(of_one({"query": "$x_{\n@admin a@b"}))
    assert text.splitlines()[-1] == r"| \$x\_\{ &#64;admin a@b |"


def test_numbers_are_right_aligned_with_four_decimals_and_words_left_aligned() -> None:
    table = of_one({"system": "a", "mean": 0.5, "interval": "0.5 [0.4, 0.6]", "cost": None}, ["interval"])
    assert to_markdown(table).splitlines()[3:] == [
        "| --- | ---: | ---: | ---: |",
        r"| a | 0.5000 | 0.5 \[0.4, 0.6\] | n/a |",
    ]


def test_latex_escapes_every_special_character() -> None:
    text = to_latex(of_one({"system": r"\input{x} & 50% $a_1^2$ #~ <b> |"}))
    assert (
        r"\textbackslash{}input\{x\} \& 50\% \$a\_1\textasciicircum{}2\$ \#\textasciitilde{} "
        r"\textless{}b\textgreater{} \textbar{} \\"
    ) in text
    assert r"\input" not in text


@pytest.mark.parametrize("start", ["[3cm]", "*"])
def test_a_latex_row_does_not_begin_with_an_argument_of_the_row_before(start: str) -> None:
    rows = to_latex(make_table("two", "Two rows", [{"system": "a"}, {"system": start}])).split(r"\\")
    assert rows[2].lstrip().startswith(f"{{{start[0]}}}")


def test_a_long_latex_table_repeats_its_head() -> None:
    rows: list[Row] = [{"system": f"system{number}"} for number in range(31)]
    assert to_latex(make_table("long", "Long", rows)).count("\\midrule") == 2
    assert "\\endhead" in to_latex(make_table("long", "Long", rows))
    assert "\\endhead" not in to_latex(make_table("short", "Short", rows[:30]))
    assert "\\toprule" in to_latex(make_table("short", "Short", rows[:30]))


def test_the_first_stage_is_one_row_of_the_short_tables() -> None:
    quality = make_reading_tables(make_report(num_systems=3, depths=(5,)))[0].qualities[0]
    assert [row[:2] for row in quality.rows()] == [
        *(("bm25 (first stage)", 0), ("system0", 5), ("system1", 5), ("system2", 5))
    ]


def test_the_first_stages_of_two_runs_are_told_apart() -> None:
    report = make_report(num_systems=2, depths=(5,))
    series = list(report.datasets[0].series)
    series[1] = replace(series[1], started="2026-12-01T00:00:00Z")
    datasets = [replace(report.datasets[0], series=series)]
    costs = make_reading_tables(replace(report, datasets=datasets))[0].costs
    assert [row[0] for row in costs.rows()][:2] == [
        "bm25 (first stage, 2026-11-22T20:00:00Z)",
        "bm25 (first stage, 2026-12-01T00:00:00Z)",
    ]


def test_the_best_point_is_called_so_where_it_has_no_difference_to_itself() -> None:
    report = make_report(num_systems=1, depths=(5, 10))
    series = report.datasets[0].series[0]
    points = [series.points[0], replace(series.points[1], to_best={})]
    datasets = [replace(report.datasets[0], series=[replace(series, points=points)])]
    quality = make_reading_tables(replace(report, datasets=datasets))[0].qualities[0]
    assert [row[-1] == "best" for row in quality.rows()] == [False, False, True]


def test_long_names_are_cut_to_different_ones_and_the_whole_ones_are_listed() -> None:
    names = ["a" * 300, "a" * 299 + "b", "a" * 298 + "cc"]
    report = make_report(num_systems=3, names=names)
    short = shorten_labels(report)
    assert len(set(short.values())) == 3
    assert max(map(len, short.values())) <= 49
    systems = named(list_reading_tables(report), "systems")
    assert [row[1] for row in systems.rows()] == names


def test_changes_begin_with_what_was_lost_most_and_end_with_what_was_gained_least() -> None:
    report = make_report(num_changes=3)
    afters = (0.1, 0.0, 0.9)
    changes = [replace(change, after=after) for change, after in zip(report.datasets[0].changes, afters, strict=True)]
    datasets = [replace(report.datasets[0], changes=changes)]
    table = make_reading_tables(replace(report, datasets=datasets))[0].changes
    assert [row[5] for row in table.rows()] == [0.0, 0.1, 0.9]
    assert [row[6] for row in table.rows()] == ["-0.2000", "-0.1000", "+0.7000"]


def test_losses_are_told_per_measure() -> None:
    losses = make_reading_tables(make_report(num_systems=1, depths=(5,)))[0].losses
    assert [table.name for table in losses] == [f"losses-data0-{measure}" for measure in MEASURES]
    point = make_report(num_systems=1, depths=(5,)).datasets[0].series[0].points[0]
    assert losses[0].rows()[-1] == ("system0", 5, 0.2, point.losses["nDCG@10"].ordering, 0.01, None)


def test_cells_say_what_is_unknown() -> None:
    assert show(None) == "n/a"
    assert show(0.00004) == "0.0000"
    assert show_estimate(Estimate(0.5, None, None)) == "0.5000 [n/a]"
    assert show_estimate(None) == "n/a"
    assert show_difference(None) == "n/a"
    assert show_difference(Difference(-0.00001, -0.1, 0.1, 0.5, 1, 1, 1, None)) == "0.0000 [-0.1000, +0.1000]"
    assert show_difference(Difference(0.1, None, None, 1.0, 1, 0, 0, None)) == "+0.1000 [n/a]"
    assert show_latency(Milliseconds(12.34, 11.0, None)) == "12.3 [11.0, n/a]"
    assert show_latency(Milliseconds(12.34, None, None)) == "12.3 [n/a]"
    assert show_latency(None) == "n/a"


@pytest.mark.parametrize(("p", "shown"), [(0.00009, "<0.0001"), (0.0004, "0.0004"), (1.0, "1.0000")])
def test_a_small_p_is_never_zero(p: float, shown: str) -> None:
    assert format_p(Difference(0.1, 0.0, 0.2, p, 1, 1, 1, None), 4) == shown


def test_a_p_that_is_only_bounded_is_written_as_a_bound() -> None:
    bounded = Difference(0.1, 0.0, 0.2, 0.0067, 3, 0, 0, None, is_p_at_most=True)
    assert (format_p(bounded), format_p(bounded, 4), format_p(None)) == ("≤0.007", "≤0.0067", "n/a")
    assert format_p(bounded._replace(p=0.0004)) == "<0.001"


def test_hostile_texts_pass_through_every_table_and_format() -> None:
    report = make_report(num_systems=5, names=HOSTILE_NAMES, text=HOSTILE)
    for table in list_reading_tables(report):
        assert HOSTILE not in to_markdown(table)
        assert "<script" not in to_latex(table)
    for table in make_tables(report):
        assert not any(cell.startswith("=") for row in csv.reader(io.StringIO(to_csv(table))) for cell in row)


def test_control_characters_do_not_reach_a_terminal() -> None:
    """Guards a query that colours, or worse, the terminal of who looks at a table."""
    text = "\x00\x07\x1b[31mred\x1b[0m \x9b2J \x7f done"
    report = make_report(num_systems=2, depths=(5,), names=(text,), text=text)
    for written in (
        *(to_csv(table) for table in make_tables(report)),
        *(to_markdown(table) for table in list_reading_tables(report)),
        *(to_latex(table) for table in list_reading_tables(report)),
    ):
        assert not [letter for letter in written if letter != "\n" and unicodedata.category(letter) in ("Cc", "Cs")]
    changes = next(table for table in make_tables(report) if table.name.startswith("changes"))
    assert f"{3 * chr(0xFFFD)}[31mred" in to_csv(changes)


def test_nothing_that_rounds_to_zero_is_negative() -> None:
    assert show(-0.00001) == "0.0000"
    assert show_signed(-0.00001) == "0.0000"
    assert format_score(-0.0001) == "0.000"


def test_equal_reports_give_equal_texts() -> None:
    one, other = make_report(num_datasets=2), make_report(num_datasets=2)
    assert [*map(to_csv, make_tables(one))] == [*map(to_csv, make_tables(other))]
    assert [*map(to_latex, list_reading_tables(one))] == [*map(to_latex, list_reading_tables(other))]
