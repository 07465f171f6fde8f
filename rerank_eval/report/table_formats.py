"""A table as CSV, Markdown and LaTeX, in which no text from outside acts as anything but text."""

import csv
import io
import re
from collections.abc import Iterable

from rerank_eval.report.cells import show
from rerank_eval.report.formats import without_controls
from rerank_eval.report.tables import Table, Value

_LONG_TABLE = 30  # rows; a longer one is broken over pages in LaTeX


def to_csv(table: Table) -> str:
    """Return the table as CSV with every digit, empty where a value is unknown.

    Words that a spreadsheet would take for a formula begin with an apostrophe (OWASP, CSV Injection); numbers stay numbers.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_disarmed(column) for column in table.columns])
    writer.writerows([_disarmed(value) for value in row] for row in table.rows())
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """Return the table as a Markdown pipe table under its title, in which no text acts as HTML, markup or mathematics."""
    marks = ["---" if table.is_words(column) else "---:" for column in table.columns]
    lines = [[_escape_markdown(column) for column in table.columns], marks]
    lines += [[_escape_markdown(show(value)) for value in row] for row in table.rows()]
    return f"**{_escape_markdown(table.title)}**\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_latex(table: Table) -> str:
    """Return the table for LaTeX with booktabs, and with longtable where it is long; a long text wraps."""
    kinds = "".join(_latex_column(table, column) for column in table.columns)
    head = f"\\toprule\n{_latex_row(table.columns)}\\midrule\n"
    body = "".join(_latex_row([show(value) for value in row]) for row in table.rows())
    caption = f"\\caption{{{_escape_latex(table.title)}}}"
    if len(table.frame) > _LONG_TABLE:
        return (
            "% \\usepackage{booktabs,longtable}\n"
            f"\\begin{{longtable}}{{{kinds}}}\n{caption}\\\\\n{head}\\endfirsthead\n{head}\\endhead\n"
            f"\\bottomrule\n\\endfoot\n{body}\\end{{longtable}}\n"
        )
    return (
        "% \\usepackage{booktabs}\n"
        f"\\begin{{table}}\n\\centering\n{caption}\n\\begin{{tabular}}{{{kinds}}}\n"
        f"{head}{body}\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
    )


def _disarmed(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    text = without_controls("\n".join(value.splitlines()))  # csv leaves a bare carriage return unquoted
    return f"'{text}" if re.match(r"\s*[=+\-@＝＋－＠]|[\t\n]", text) else text  # noqa: RUF001 # full width counts too


def _escape_markdown(text: str) -> str:
    line = without_controls(" ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"(?<![\w])@", "&#64;", line)  # no mention of a user
    return re.sub(r"([\\`*_{}\[\]|~$#])", r"\\\1", line.replace("&#64;", "\0")).replace("\0", "&#64;")


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "`": r"\textasciigrave{}",
        "…": r"\ldots{}",
        "−": "$-$",  # noqa: RUF001 # the sign of a negative number, unknown to pdflatex
        "[": "{[}",  # after the end of a row it would begin an argument, and so would an asterisk
        "]": "{]}",
        "*": "{*}",
        **{special: f"\\{special}" for special in "&%$#_{}"},
    }
)


def _escape_latex(text: str) -> str:
    line = "".join(character for character in " ".join(text.split()) if character.isprintable())
    return line.translate(_LATEX)


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(_escape_latex(cell) for cell in cells) + r" \\" + "\n"


def _latex_column(table: Table, column: str) -> str:
    if not table.is_words(column):
        return "r"
    position = table.columns.index(column)
    longest = max(len(show(row[position])) for row in table.rows())
    return r"p{0.3\linewidth}" if longest > 40 else "l"
