"""From measured points to a choice: knees, Pareto fronts, the answer to a constraint, the paragraph that says it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rerank_eval.report.model import DatasetReport, Difference, Knee, Place, Point, Series
from rerank_eval.statistics import Interval


@dataclass(frozen=True)
class Constraint:
    """What a choice must keep; None is no limit."""

    max_p95_ms: float | None = None
    max_usd_per_1000: float | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is a limit."""
        return self.max_p95_ms is not None or self.max_usd_per_1000 is not None

    def __str__(self) -> str:
        """Return the limits as words."""
        limits = []
        if self.max_p95_ms is not None:
            limits.append(f"{self.max_p95_ms:g} ms (p95)")
        if self.max_usd_per_1000 is not None:
            limits.append(f"{self.max_usd_per_1000:g} USD per 1000 queries")
        return " and ".join(limits)

    def allows(self, point: Point) -> bool:
        """Return whether a point is known to keep every limit; an unknown latency or cost does not."""
        p95, usd = point.total_p95, 0.0 if point.depth == 0 else point.usd_per_1000  # nothing is paid for no reranking
        if self.max_p95_ms is not None and (p95 is None or p95.value > self.max_p95_ms):
            return False
        return self.max_usd_per_1000 is None or (usd is not None and usd <= self.max_usd_per_1000)


def find_knee(best: int, to_best: Mapping[int, Interval | None]) -> Knee:
    """Return the knee of one system from the interval of (best - depth) per depth.

    A depth is within the noise of the best if that interval does not exclude 0; it has decayed if it is deeper and outside.
    """

    def is_within_noise(depth: int) -> bool:
        interval = to_best[depth]
        return interval is None or interval.low is None or interval.low <= 0

    cheapest = min(depth for depth in to_best if depth == best or is_within_noise(depth))
    return Knee(best, cheapest, [depth for depth in sorted(to_best) if depth > best and not is_within_noise(depth)])


def find_front(points: Mapping[Place, Point], measure: str, cost: Callable[[Point], float | None]) -> list[Place]:
    """Return the places that no other beats in both quality and cost, cheapest first; those of unknown cost are not among them."""
    priced = [
        (found, -point.estimates[measure].mean, place)
        for place, point in points.items()
        if (found := cost(point)) is not None
    ]
    front: list[Place] = []
    best = float("inf")
    for _, negative_mean, place in sorted(priced):
        if negative_mean < best:
            best = negative_mean
            front.append(place)
    return front


def p95_of(point: Point) -> float | None:
    """Return the p95 of first stage and reranker together, in milliseconds."""
    return None if point.total_p95 is None else point.total_p95.value


def usd_of(point: Point) -> float | None:
    """Return the cost in USD per 1000 queries."""
    return point.usd_per_1000


def choose(dataset: DatasetReport, measure: str, is_bound: Callable[[Series], bool]) -> tuple[Series, Point] | None:
    """Return the cheapest point within the noise of the best one: by p95 where all have one, otherwise by depth."""
    within = [
        (series, point)
        for series, point in _all_points(dataset, is_bound)
        if (found := point.to_best.get(measure)) is None or found.high is None or found.high >= 0
    ]
    if not within:
        return None
    if dataset.same_hardware and all(point.total_p95 is not None for _, point in within):
        return min(within, key=lambda item: (p95_of(item[1]) or 0.0, item[0].index, item[1].depth))
    return min(within, key=lambda item: (item[1].depth, -item[1].estimates[measure].mean, item[0].index))


def answer(dataset: DatasetReport, measure: str, is_bound: Callable[[Series], bool]) -> str:
    """Return what the results say in a few sentences: the choice, whether it is real, and what is not worth it."""
    chosen = choose(dataset, measure, is_bound)
    where = f"On {dataset.name} ({dataset.num_queries} queries)"
    if chosen is None:
        return f"{where}, no reranker was evaluated at a depth above 0."
    series, point = chosen
    best_series, best = max(
        _all_points(dataset, is_bound), key=lambda item: (item[1].estimates[measure].mean, -item[1].depth)
    )
    gain = point.to_first_stage.get(measure)
    first = series.first_stage.estimates[measure].mean
    if gain is None or gain.low is None or gain.low <= 0 or (gain.p or 0) > 0.05:
        return (
            f"{where}, no reranker is better than the first stage beyond the noise: {series.retriever} has {measure} {first:.3f}; "
            f"the highest mean is {best.estimates[measure].mean:.3f}, {best_series.label} at depth {best.depth}{_noise(best, measure)}."
        )
    sentences = [
        f"{where}, {series.label} at depth {point.depth} is the cheapest choice within the noise of the best: {measure} "
        f"{point.estimates[measure].mean:.3f}, {gain.mean:+.3f}{_bounds(gain)} to {series.retriever} alone ({first:.3f}){_latency(point)}."
    ]
    if (best_series.index, best.depth) != (series.index, point.depth):
        sentences.append(
            f"The highest mean is {best.estimates[measure].mean:.3f}, {best_series.label} at depth {best.depth}{_latency(best)}; "
            "its lead is not beyond the noise."
        )
    if useless := [other.label for other in dataset.series if not is_bound(other) and not _helps(other, measure)]:
        sentences.append(f"Not better than the first stage at any depth: {', '.join(useless)}.")
    if not dataset.same_hardware:
        sentences.append("Latencies come from different machines and are not compared.")
    return " ".join(sentences)


def answer_constraint(
    dataset: DatasetReport, measure: str, constraint: Constraint, is_bound: Callable[[Series], bool]
) -> str:
    """Return the best point inside the limits, or that none fits, and what the next better one would cost."""
    points = _all_points(dataset, is_bound)
    first_stages = [(series, series.first_stage) for series in dataset.series[:1]]
    fitting = [item for item in [*points, *first_stages] if constraint.allows(item[1])]
    outside = [item for item in points if not constraint.allows(item[1])]
    if not fitting:
        known = [item for item in points if p95_of(item[1]) is not None]
        least = min(known, key=lambda item: (p95_of(item[1]) or 0.0, item[0].index), default=None)
        hint = "" if least is None else f" The fastest, {_named(*least)}, has{_price(least[1])}."
        return f"{dataset.name}: none fits within {constraint}.{hint}"
    series, point = max(fitting, key=lambda item: (item[1].estimates[measure].mean, -item[1].depth, -item[0].index))
    text = f"{dataset.name}: within {constraint}, {_named(series, point)} is best: {measure} {point.estimates[measure].mean:.3f} with{_price(point)}."
    better = [item for item in outside if item[1].estimates[measure].mean > point.estimates[measure].mean]
    if better:
        key = p95_of if constraint.max_p95_ms is not None else usd_of
        following = min(better, key=lambda item: (key(item[1]) is None, key(item[1]) or 0.0, item[0].index))
        text += f" The next better, {_named(*following)}, has {following[1].estimates[measure].mean:.3f} with{_price(following[1])}."
    return text


def _all_points(dataset: DatasetReport, is_bound: Callable[[Series], bool]) -> list[tuple[Series, Point]]:
    return [(series, point) for series in dataset.series if not is_bound(series) for point in series.points]


def _helps(series: Series, measure: str) -> bool:
    return any(
        found.low is not None and found.low > 0 and (found.p is None or found.p <= 0.05)
        for point in series.points
        if (found := point.to_first_stage.get(measure)) is not None
    )


def _named(series: Series, point: Point) -> str:
    return f"{series.label} at depth {point.depth}" if point.depth else f"{series.retriever} alone"


def _price(point: Point) -> str:
    p95 = " an unknown p95" if point.total_p95 is None else f" p95 {_milliseconds(point.total_p95.value)}"
    return p95 if point.usd_per_1000 is None else f"{p95} and {point.usd_per_1000:.2f} USD per 1000 queries"


def _latency(point: Point) -> str:
    return "" if point.total_p95 is None else f", at {_milliseconds(point.total_p95.value)} (p95)"


def _milliseconds(value: float) -> str:
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"


def _bounds(found: Difference) -> str:
    return "" if found.low is None or found.high is None else f" [{found.low:+.3f}, {found.high:+.3f}]"


def _noise(point: Point, measure: str) -> str:
    found = point.to_first_stage.get(measure)
    return "" if found is None else f", {found.mean:+.3f}{_bounds(found)}"
