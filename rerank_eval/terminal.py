"""What a person sees while and after a run: progress on stderr, the table on stdout."""

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from rerank_eval.results import DepthResult, ExperimentResult, MeasureResult


class ProgressBars:
    """One bar a piece of work, with the remaining time; notes only where stderr is no terminal."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`."""
        self._console = console
        self._task: TaskID | None = None
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
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(escape(description), total=total)

    def advance(self, steps: int = 1) -> None:
        """Count finished steps."""
        if self._task is not None:
            self._bars.advance(self._task, steps)

    def note(self, message: str) -> None:
        """Print a line above the bar."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)


def print_result(result: ExperimentResult, console: Console) -> None:
    """Print one row per system and depth; the first measure also as difference to depth 0."""
    console.print(_headline(result), markup=False, highlight=False, soft_wrap=True)
    names = list(result.systems[0].depths[0].measures)
    table = Table(box=None, pad_edge=False, header_style="bold")
    measures = [f"{escape(name)} [95%]" for name in names]
    table.add_column("system", overflow="fold")
    for heading in ("depth", *measures, f"Δ {escape(names[0])} to depth 0", "p50 ms", "p95 ms"):
        table.add_column(heading, justify="right", overflow="fold")  # a narrow terminal breaks cells, and loses none
    first = result.systems[0].depths[0]
    table.add_row(*_cells(str(result.retriever["name"]), first, names, first_stage=True))
    for system in result.systems:
        if all(_is_first_stage(depth, names) for depth in system.depths):
            depths = "-".join(dict.fromkeys(str(depth.depth) for depth in (system.depths[1], system.depths[-1])))
            same = ["as depth 0"] + [""] * len(names)
            last = system.depths[-1]
            table.add_row(escape(system.name), depths, *same, *_latency_cells(last, first_stage=False))
            continue
        for depth in system.depths[1:]:
            table.add_row(*_cells(system.name, depth, names, first_stage=False))
    for reachable, means in result.ceiling.items():
        values = [_number(means[name]) for name in names]
        table.add_row("(ceiling)", str(reachable), *values, "", "", "", style="dim")
    console.print(table)
    console.print(
        "Latency: reranker alone, one query at a time on this machine; at depth 0 the first stage. "
        "(ceiling): the candidates in the order of their judgments.",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )


def print_warnings(result: ExperimentResult, console: Console) -> None:
    """Print each warning, and the first failures, on a line of its own."""
    for warning in result.warnings:
        console.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True, style="yellow")
    for failure in result.failures[:5]:
        console.print(f"failed: {failure}", markup=False, highlight=False, soft_wrap=True, style="red")
    if len(result.failures) > 5:
        console.print(f"failed: {len(result.failures) - 5} more, in result.json", highlight=False, style="red")


def _headline(result: ExperimentResult) -> str:
    dataset = result.dataset
    text = (
        f"{dataset['name']} ({dataset['split']}): {dataset['num_documents']} documents, {dataset['num_queries']} judged queries; "
        f"first stage {result.retriever['name']}, {result.retriever['depth']} deep"
    )
    return text if result.status == "complete" else f"{text}; {result.status.upper().replace('_', ' ')}"


def _is_first_stage(depth: DepthResult, names: list[str]) -> bool:
    """Return whether no query's measure differs from depth 0."""
    return depth.depth == 0 or all(
        (found := depth.measures[name].difference) is not None and found["low"] == found["high"] == found["mean"] == 0
        for name in names
    )


def _cells(system: str, depth: DepthResult, names: list[str], first_stage: bool) -> list[str]:
    measures = [depth.measures[name] for name in names]
    label = f"{system} (first stage)" if first_stage else system
    if depth.failures:
        label += f" ({depth.failures} failed)"
    return [
        escape(label),
        str(depth.depth),
        *(_interval(measure) for measure in measures),
        _difference(measures[0]),
        *_latency_cells(depth, first_stage),
    ]


def _latency_cells(depth: DepthResult, first_stage: bool) -> list[str]:
    latency = (depth.total_latency if first_stage else depth.latency) or {}
    return [_milliseconds(latency.get("p50_ms")), _milliseconds(latency.get("p95_ms"))]


def _interval(measure: MeasureResult) -> str:
    if measure.mean is None:
        return "n/a"
    if measure.low is None or measure.high is None:
        return _number(measure.mean)
    return rf"{_number(measure.mean)} \[{_short(measure.low)},{_short(measure.high)}]"


def _difference(measure: MeasureResult) -> str:
    found = measure.difference
    if found is None or found["mean"] is None:
        return ""
    if found["low"] is None or found["high"] is None:
        return f"{found['mean']:+.4f}"
    return rf"{found['mean']:+.4f} \[{found['low']:+.3f},{found['high']:+.3f}]"


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _milliseconds(value: object) -> str:
    if not isinstance(value, float):
        return "n/a"
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
