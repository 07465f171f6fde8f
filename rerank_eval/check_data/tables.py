"""What `check-data` prints: tables of what a dataset holds, then what is wrong with it."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rerank_eval.check_data.report import DataReport, Detectable, FirstStage, Judgments
from rerank_eval.check_data.texts import TOKEN_LIMIT, Spread, Texts
from rerank_eval.statistics import ALPHA, POWER
from rerank_eval.terminal.console import new_table, print_line


def print_data_report(report: DataReport, console: Console) -> None:
    """Print the tables, and one line for each problem with their number at the end."""

    def say(text: str) -> None:
        print_line(console, text)

    say(f"{report.name} ({report.split}), sha256 {report.sha256[:12]}")
    console.print()
    console.print(_texts_table(report.documents, report.queries))
    if None in (report.documents.over_limit, report.queries.over_limit):
        say(
            f"over {TOKEN_LIMIT} tokens: unknown without the bundled tokenizer; in the clone: pip install -e '.[bundled]'"
        )
    found = report.self_retrieval
    say(f"queries that are documents: {found.own_document} by id and text, {found.same_text} by text")
    if other_text := found.same_id - found.own_document:
        say(
            f"queries that have the id of a document with another text: {other_text}, which is harmless: both may be numbered"
        )
    if report.judgments is not None:
        console.print()
        _print_judgments(report.judgments, report.relevance_level, console)
    if report.reference_answers:
        say(f"queries with reference answers: {_count(report.reference_answers, report.queries.count)}")
    console.print()
    stage = report.first_stage
    candidates = stage.candidates
    if candidates is not None:
        say(
            f"{stage.name}, {stage.depth} deep: {candidates.minimum} to {candidates.maximum} candidates per query, median {candidates.median}"
        )
    if report.judgments is not None:
        console.print(_first_stage_table(stage, report.judgments))
    if (unjudged := stage.unjudged) is not None:
        of_top_10, of_all = unjudged.of_top_10, unjudged.of_candidates
        say(
            f"without a judgment, so not relevant to a measure: {_count(unjudged.top_10, of_top_10)} of the {of_top_10} in the top 10, "
            f"{_count(unjudged.candidates, of_all)} of all {of_all} candidates"
        )
    for measure, value in report.published_bm25.items():
        say(f"published {measure} of BM25: {value:.4f}")
    if report.undetectable is not None:
        say(f"the smallest difference that can be shown: cannot be told, as {report.undetectable}")
    _print_detectable(report.detectable, report.queries.count, console)
    console.print()
    for note in report.notes:
        say(f"note: {note}")
    for problem in report.problems:
        print_line(console, f"problem: {problem}", style="yellow")
    count = len(report.problems)
    say("no problem found" if not count else f"{count} problem{'s' * (count > 1)} found")


def _table(*headings: str) -> Table:
    table = new_table()
    for position, heading in enumerate(headings):
        table.add_column(escape(heading), justify="right" if position else "left", no_wrap=True)
    return table


def _spread(spread: Spread | None) -> tuple[str, str, str, str]:
    if spread is None:
        return ("n/a",) * 4
    return f"{spread.minimum}", f"{spread.median}", f"{spread.p95}", f"{spread.maximum}"


def _texts_table(documents: Texts, queries: Texts) -> Table:
    table = _table(
        *("texts", "count", "words: min", "median", "p95", "max"),
        *(f"over {TOKEN_LIMIT} tokens", "blank", "repeated"),
    )
    for name, texts in (("documents", documents), ("queries", queries)):
        over_limit = "n/a" if texts.over_limit is None else _count(texts.over_limit, texts.count)
        table.add_row(
            *(name, str(texts.count), *_spread(texts.words), over_limit),
            *(str(texts.blank), _count(texts.repeated, texts.count)),
        )
    return table


def _print_judgments(judgments: Judgments, relevance_level: int, console: Console) -> None:
    table = _table("judgments", "count", "per query: min", "median", "p95", "max", "not in the corpus")
    relevant = f"grade {relevance_level} and up"
    for name, count, spread, missing in (
        ("all", judgments.count, judgments.per_query, judgments.missing),
        (relevant, judgments.relevant, judgments.relevant_per_query, judgments.missing_relevant),
    ):
        table.add_row(name, str(count), *_spread(spread), _count(missing, count))
    console.print(table)
    grades = ", ".join(f"{count} of grade {grade}" for grade, count in judgments.grades.items())
    without = len(judgments.without_relevant)
    lines = [f"grades: {grades}", f"queries without a document of {relevant}: {without}"]
    if judgments.missing_examples:
        lines.append(f"not in the corpus: {', '.join(judgments.missing_examples)}" + " …" * (judgments.missing > 5))
    for line in lines:
        print_line(console, line)


def _first_stage_table(stage: FirstStage, judgments: Judgments) -> Table:
    """Return what each depth can reach; the first row is the first stage's own order."""
    table = _table("first stage", "relevant found", *stage.means)
    table.add_row("in its own order", "", *(f"{mean:.4f}" for mean in stage.means.values()))
    for reach in stage.reach:
        values = (f"{reach.ceiling[name]:.4f}" if name in reach.ceiling else "n/a" for name in stage.means)
        table.add_row(f"ceiling at depth {reach.depth}", _count(reach.relevant_found, judgments.relevant), *values)
    return table


def _print_detectable(detectable: tuple[Detectable, ...], num_queries: int, console: Console) -> None:
    if not detectable:
        return
    console.print()
    measure = detectable[0].measure
    table = _table("two systems whose values correlate", "deviation of differences", f"least {measure} shown")
    for item in detectable:
        table.add_row(f"by {item.correlation}", f"{item.deviation:.4f}", f"{item.effect:.4f}")
    console.print(table)
    print_line(
        console,
        f"Minimum detectable effect of {num_queries} queries: one paired test, p {ALPHA}, {POWER:.0%} power, if both systems spread over "
        "the queries as the first stage does. Two rerankers of the same candidates correlate by 0.9 or so, a reranker and its first stage by 0.7.",
        style="dim",
    )


def _count(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.1%})" if part and whole else str(part)
