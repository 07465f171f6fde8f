"""Progress on stderr while an evaluation runs."""

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from rerank_eval.terminal.console import print_line

_SILENCE_S = 30


class ProgressBars:
    """One bar per piece of work, with the remaining time; where stderr is no terminal, a line for each, and at most one every 30 s."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`."""
        self._console = console
        self._task: TaskID | None = None
        self._description = ""
        self._total = self._done = 0
        self._last_line_at = 0.0
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            refresh_per_second=4,  # few, since the thread that draws must not disturb what is timed
            transient=True,
        )

    def __enter__(self) -> "ProgressBars":
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        self._bars.stop()

    def start(self, description: str, total: int) -> None:
        """Begin a bar and remove the one before."""
        if not self._console.is_terminal and total > 1:
            self.note(f"{description}: {total} to do")
        self._description, self._total, self._done = description, total, 0
        self._last_line_at = self._console.get_time()
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(escape(description), total=total)

    def advance(self, steps: int = 1) -> None:
        """Count finished steps."""
        if self._task is None:
            return
        self._bars.advance(self._task, steps)
        self._done += steps
        if not self._console.is_terminal and self._console.get_time() - self._last_line_at >= _SILENCE_S:
            self._last_line_at = self._console.get_time()
            self.note(f"{self._description}: {self._done} of {self._total}")

    def note(self, message: str) -> None:
        """Print a line above the bar."""
        print_line(self._console, message)
