"""Lines and tables: what comes from outside changes neither the terminal nor the form."""

import io

from rich.console import Console

from rerank_eval.terminal.console import new_table, open_tables, print_line


def test_a_line_stays_one_line_and_its_text_has_no_meaning() -> None:
    written = io.StringIO()
    print_line(Console(file=written, width=20), "[bold]\x1b[31m\n" + "word " * 20, style="red")
    assert written.getvalue() == "[bold]\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}" + "word " * 20 + "\n"


def test_tables_that_go_into_a_file_are_wide_and_have_no_lines() -> None:
    assert open_tables().width == 200
    written = io.StringIO()
    table = new_table()
    table.add_column("a")
    table.add_column("b")
    table.add_row("1", "2")
    Console(file=written, width=20).print(table)
    assert [line.split() for line in written.getvalue().splitlines()] == [["a", "b"], ["1", "2"]]
