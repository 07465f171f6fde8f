"""`store list|verify|export|prune`: what is kept, whether it is intact, and how to take it along or to be rid of it."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from rerank_eval.arguments import Parser
from rerank_eval.errors import ConfigError, NotEvaluableError, nearest
from rerank_eval.store.kept import KeptRow, Kind, find_page_fault, read_kept, summarise_kept

_FILE = Path("experiments/store.sqlite")
_KINDS: Mapping[Kind, str] = {"calls": "answers of paid calls", "answers": "scores"}


def run_store(arguments: Sequence[str]) -> int:
    """Run one of the four commands; return 0, or 1 where something that is kept is damaged.

    Raises:
        ConfigError: an argument is wrong.
        DataError: there is no store, or it cannot be read.
        StoreError: it is in use (prune).
        NotEvaluableError: the export cannot be written.
    """
    given = _parse(arguments)
    command: Callable[[argparse.Namespace], int] = given.command
    return command(given)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="rerank_eval store",
        allow_abbrev=False,
        description="The finished answers in a store: scores of rerankers, and what providers answered to paid calls.",
        epilog="Exit codes: 0 done, 1 something kept is damaged, 2 wrong argument or no store, 3 cannot be written, or in use.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    helps = {
        "list": (_list, "how many answers there are of each provider, model and system, their size and dates"),
        "verify": (_verify, "check every row against its checksum; exit 1 if one is damaged"),
        "export": (_export, "write every intact row as a JSON line"),
        "prune": (_prune, "remove the answers that meet all conditions given; what was paid for is paid for again"),
    }
    for name, (run, text) in helps.items():
        command = commands.add_parser(name, help=text, description=text.capitalize() + ".", allow_abbrev=False)
        command.set_defaults(command=run)
        command.add_argument("file", nargs="?", type=Path, default=_FILE, metavar="FILE", help=f"the store ({_FILE})")
        if name == "export":
            command.add_argument("--out", type=Path, metavar="FILE", help="where to (default: stdout)")
        if name == "prune":
            command.add_argument("--provider", help="calls of this provider")
            command.add_argument("--model", help="calls of this model")
            command.add_argument("--before", type=_day, metavar="YYYY-MM-DD", help="calls made before this day (UTC)")
            command.add_argument("--system", help="scores of this system")
            command.add_argument("--damaged", action="store_true", help="rows that fail their checksum")
            command.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    return parser.parse_args(arguments)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write it like 2026-11-23") from None


def _list(given: argparse.Namespace) -> int:
    from rich.markup import escape

    from rerank_eval.terminal.console import new_table, open_tables

    count = _Counted()
    table = new_table()
    for heading in ("kept", "provider or system", "model"):
        table.add_column(heading)
    for heading in ("count", "bytes", "first", "last"):
        table.add_column(heading, justify="right")
    for group in summarise_kept(count.rows(given.file)):
        names = (_KINDS[group.kind], group.name, group.model or "n/a")
        counts = (f"{group.num_rows:,}", f"{group.size:,}", group.first or "n/a", group.last or "n/a")
        table.add_row(*map(escape, (*names, *counts)))
    console = open_tables()
    if table.row_count:
        console.print(table)
    out = f", {count.num_out:,} questions out in batches" if count.num_out else ""
    _say(f"{given.file}: {count.total - count.num_out:,} answers{out}, {given.file.stat().st_size:,} bytes on the disk")
    return count.say_damaged()


def _verify(given: argparse.Namespace) -> int:
    fault = find_page_fault(given.file)
    if fault is not None:
        _say(f"{given.file}: the file itself is damaged ({fault}); the next run that uses it saves what can be read")
        return 1
    count = _Counted()
    for _ in count.rows(given.file):
        pass
    if not count.damaged.total():
        _say(f"{given.file}: all {count.total:,} answers are intact")
    return count.say_damaged()


def _export(given: argparse.Namespace) -> int:
    from rerank_eval.files.whole_files import write_whole

    count = _Counted()
    lines = (_export_row(row) for row in count.rows(given.file) if row.answer is not None)
    if given.out is None:
        for line in lines:
            _say(line)
        return count.say_damaged()
    try:
        write_whole({given.out: "".join(f"{line}\n" for line in lines)})
    except OSError as error:
        raise NotEvaluableError(f"the export cannot be written: {error}") from error
    _say(f"exported {count.total - count.damaged.total():,} answers: {given.out}")
    return count.say_damaged()


def _export_row(row: KeptRow) -> str:
    names = ("provider", "model") if row.kind == "calls" else ("system", "query_id")
    fields = {"kind": row.kind, "key": row.key, **dict(zip(names, row.names, strict=True)), "answer": row.answer}
    try:
        return json.dumps(fields, allow_nan=False)
    except ValueError:  # a body may have NaN or Infinity, which Python reads and JSON has not: as the text that is kept
        return json.dumps(fields | {"answer": json.dumps(row.answer)})


def _prune(given: argparse.Namespace) -> int:
    from rerank_eval.store import Store

    of_calls = given.provider is not None or given.model is not None or given.before is not None
    if of_calls + (given.system is not None) + given.damaged != 1:
        raise ConfigError(
            "say what goes: --provider, --model and --before for calls, or --system for scores, or --damaged; one kind at a time"
        )

    def goes(row: KeptRow) -> bool:
        if given.damaged or row.answer is None:
            return bool(given.damaged) and row.answer is None
        if row.kind == "answers":
            return bool(row.names[0] == given.system)
        provider, model = row.names
        return bool(
            of_calls
            and given.provider in (None, provider)
            and given.model in (None, model)
            and (given.before is None or (row.started or "9") < given.before.isoformat())
        )

    rows = list(read_kept(given.file))
    for kind, place, what, wanted in (
        ("calls", 0, "provider", given.provider),
        ("calls", 1, "model", given.model),
        ("answers", 0, "system", given.system),
    ):
        there = {row.names[place] for row in rows if row.kind == kind}
        if wanted is not None and wanted not in there:
            raise ConfigError(f"{given.file} has nothing of the {what} {wanted!r}: {nearest(wanted, there)}")
    chosen = [row for row in rows if goes(row)]
    if chosen and not given.dry_run:
        with Store(given.file, timeout_s=5.0) as store:
            for kind in _KINDS:
                store.delete(kind, [row.key for row in chosen if row.kind == kind])
    verb = "would remove" if given.dry_run else "removed"
    _say(f"{verb} {len(chosen):,} answers, {sum(row.size for row in chosen):,} bytes")
    return 0


class _Counted:
    """How many rows were read, and how many of them are damaged."""

    def __init__(self) -> None:
        self.total = self.num_out = 0
        self.damaged: Counter[Kind] = Counter()

    def rows(self, path: Path) -> Iterator[KeptRow]:
        for row in read_kept(path):
            self.total += 1
            self.num_out += row.is_out
            self.damaged[row.kind] += row.answer is None
            yield row

    def say_damaged(self) -> int:
        """Say what is damaged; return the exit code."""
        for kind, count in (+self.damaged).items():
            print(  # noqa: T201 # what is wrong
                f"damaged: {count:,} {_KINDS[kind]}; they count as missing and are asked again, and 'store prune --damaged' removes them",
                file=sys.stderr,
            )
        return 1 if self.damaged.total() else 0


def _say(line: str) -> None:
    print(line)  # noqa: T201 # what was asked for
