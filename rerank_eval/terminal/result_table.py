"""What a person sees after a run: the table on stdout."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console

from rerank_eval.results.depth_results import DepthResult
from rerank_eval.results.experiment import ExperimentResult
from rerank_eval.terminal.cells import (
    least_width,
    make_table,
    show_difference,
    show_interval,
    show_milliseconds,
    show_number,
)
from rerank_eval.terminal.console import print_line

_CEILING = "(ceiling)"


def print_result(result: ExperimentResult, console: Console) -> None:
    """Print one row per system and depth; the first measure also as difference to depth 0.

    On a terminal too narrow for all intervals only the first measure has one; numbers are never cut.
    """
    print_line(console, _headline(result))
    rows = _rows(result, all_intervals=True)
    if least_width(rows) > console.width:
        rows = _rows(result, all_intervals=False)
    console.print(make_table(rows, dim=_CEILING))
    for line in [*_cost_lines(result), *_reliability_lines(result)]:
        print_line(console, line)
    last = "(ceiling): the candidates in the order of their judgments." if result.ceiling else ""
    if not _is_judged(result):
        last = "Kept@k and RBO: how much of the first stage's ranking is left, 1 is all; they say nothing of quality."
    for line in _stability_lines(result):
        print_line(console, line)
    print_line(
        console,
        f"Latency: reranker alone, one query at a time on this machine{_note_recorded(result)}; at depth 0 the first stage. {last}".rstrip(),
        style="dim",
    )


def _rows(result: ExperimentResult, all_intervals: bool) -> list[list[str]]:
    """Return the cells of the table, the headings first."""
    names = list(result.systems[0].depths[0].measures)
    with_interval = names if all_intervals else names[:1]
    headings = [f"{name} [95%]" if name in with_interval else name for name in names]
    rows = [["system", "depth", *headings, f"Δ {names[0]} to depth 0", "p50 ms", "p95 ms"]]
    num_queries = result.dataset["num_queries"]

    def add_row(system: str, depth: DepthResult, latency: Mapping[str, object] | None) -> None:
        first = depth.measures[names[0]]
        label = (
            system if first.num_queries == num_queries else f"{system} ({first.num_queries} of {num_queries} queries)"
        )
        if depth.reliability is not None and depth.reliability.fallback_rate:
            label += f" ({depth.reliability.fallback_rate:.1%} fell back)"
        values = [
            show_interval(m) if name in with_interval else show_number(m.mean) for name, m in depth.measures.items()
        ]
        rows.append([label, str(depth.depth), *values, show_difference(first), *_latency_cells(latency)])

    first_stage = result.systems[0].depths[0]
    add_row(f"{result.retriever['name']} (first stage)", first_stage, first_stage.total_latency)
    for system in result.systems:
        if all(_is_first_stage(depth, names, num_queries) for depth in system.depths):
            last = system.depths[-1]
            depths = "-".join(dict.fromkeys(str(depth.depth) for depth in (system.depths[1], last)))
            latencies = _latency_cells(*(depth.latency for depth in system.depths[1:]))
            rows.append([system.name, depths, "as depth 0", *[""] * len(names), *latencies])
            continue
        for depth in system.depths[1:]:
            add_row(system.name, depth, depth.latency)
    for reachable, means in result.ceiling.items():
        rows.append([_CEILING, str(reachable), *(show_number(means[name]) for name in names), "", "", ""])
    return rows


def _cost_lines(result: ExperimentResult) -> Iterator[str]:
    """Yield one line with the cost of every system that asked a provider, where one did."""
    shown, costs = [], []
    for system in result.systems:
        asked = [depth for depth in system.depths if system.asks_provider and (depth.usage or {}).get("calls")]
        if asked:
            costs += [(depth.usage or {}).get("usd") for depth in asked]
            shown.append(f"{system.name} {', '.join(f'{_show_usd_per_1000(d)} at depth {d.depth}' for d in asked)}")
    if shown:
        usd = None if None in costs else result.provenance.get("answers_usd")
        total = "n/a" if usd is None else f"{usd:.4f}"
        yield f"USD per 1,000 queries: {'; '.join(shown)}. The answers of this table together, each once, those kept before included: {total} USD"


def _show_usd_per_1000(depth: DepthResult) -> str:
    usd = (depth.usage or {}).get("usd")
    num_answered = min(measure.num_queries for measure in depth.measures.values())
    return "n/a" if usd is None or not num_answered else f"{1000 * usd / num_answered:.3f}"


def _reliability_lines(result: ExperimentResult) -> Iterator[str]:
    """Yield what went wrong with calls, for each system and depth where something did."""
    for system in result.systems:
        for depth in system.depths:
            found = depth.reliability
            rates = {} if found is None else {name: rate for name, rate in vars(found).items() if rate is not None}
            if len(rates) > 1 and any(rates.values()):
                failed = rates.pop("error_rate")
                per_call = ", ".join(f"{name.removesuffix('_rate')} {rate:.1%}" for name, rate in rates.items())
                yield f"reliability of {system.name} at depth {depth.depth}: {failed:.1%} of queries failed; per call: {per_call}"


def _stability_lines(result: ExperimentResult) -> Iterator[str]:
    """Yield how far the answers of each system to the same queries are apart, where that was asked for."""
    for system in result.systems:
        for kind, found in system.depths[-1].stability.items():
            asked = "in another order" if kind == "shuffles" else "asked again"
            spreads = ", ".join(
                f"{name} varies by {spread.standard_deviation:.4f} (SD of means; {spread.per_query:.4f} per query)"
                for name, spread in list(found.measures.items())[:1]
            )
            tau = "n/a" if found.tau is None else f"{found.tau:.3f}"
            yield (
                f"stability of {system.name} at depth {system.depths[-1].depth}, {found.count} times {asked}, {found.num_queries} queries: "
                f"{spreads or 'no query answered every time'}; Kendall's tau {tau}{_note_bias(found.position_bias)}"
            )


def _note_bias(curve: Sequence[float | None]) -> str:
    known = [place for place in curve if place is not None]
    if not known:
        return ""
    return f"; mean place of what is shown first {known[0]:.2f}, last {known[-1]:.2f} (0.50 without position bias)"


def _note_recorded(result: ExperimentResult) -> str:
    """Return how the latency of those behind an API came about, for a sentence on that of the others."""
    recorded = [
        system.name
        for system in result.systems
        if any((depth.latency or {}).get("source") == "recorded" for depth in system.depths)
    ]
    return f"; of {', '.join(recorded)} (marked *) as recorded when its provider answered" if recorded else ""


def print_warnings(result: ExperimentResult, console: Console) -> None:
    """Print each warning, and the first failures, on a line of its own."""
    for warning in result.warnings:
        print_line(console, f"warning: {warning}", style="yellow")
    for failure in result.failures[:5]:
        print_line(console, f"failed: {failure}", style="red")
    if len(result.failures) > 5:
        console.print(f"failed: {len(result.failures) - 5} more, in result.json", highlight=False, style="red")


def _headline(result: ExperimentResult) -> str:
    dataset = result.dataset
    text = (
        f"{dataset['name']} ({dataset['split']}): {dataset['num_documents']} documents, {dataset['num_queries']} "
        f"{'judged queries' if _is_judged(result) else 'queries without judgments'}; "
        f"first stage {result.retriever['name']}, {result.retriever['depth']} deep"
    )
    return text if result.status == "complete" else f"{text}; {result.status.upper().replace('_', ' ')}"


def _is_judged(result: ExperimentResult) -> bool:
    return bool(result.dataset.get("is_judged", True))


def _is_first_stage(depth: DepthResult, names: list[str], num_queries: object) -> bool:
    """Return whether every query was answered and no measure differs from depth 0."""
    return depth.depth == 0 or all(
        depth.measures[name].num_queries == num_queries
        and (found := depth.measures[name].difference) is not None
        and found["low"] == found["high"] == found["mean"] == 0
        for name in names
    )


def _latency_cells(*latencies: Mapping[str, object] | None) -> list[str]:
    """Return p50 and p95; of several depths in one row the least and the most of those that are known."""
    known = [latency for latency in latencies if latency is not None]
    mark = "*" if any(latency.get("source") == "recorded" for latency in known) else ""
    cells = []
    for name in ("p50_ms", "p95_ms"):
        values = sorted(value for latency in known if isinstance(value := latency.get(name), float))
        shown = dict.fromkeys(map(show_milliseconds, values[:1] + values[-1:]))
        cells.append(f"{'-'.join(shown)}{mark}" if shown else show_milliseconds(None))
    return cells
