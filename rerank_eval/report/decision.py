"""From measured points to a choice: knees, Pareto fronts, the answer to a constraint, the paragraph that says it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from rerank_eval.paired import Difference, format_signed
from rerank_eval.report.formats import format_usd
from rerank_eval.report.model import DatasetReport, Knee, Place, Point, Series
from rerank_eval.statistics import FEWEST_FOR_INTERVAL, Interval


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
        p95, usd = point.total_p95, point.usd_per_1000
        if self.max_p95_ms is not None and (p95 is None or p95.value > self.max_p95_ms):
            return False
        return self.max_usd_per_1000 is None or (usd is not None and usd <= self.max_usd_per_1000)


@dataclass(frozen=True)
class Choices:
    """What may be chosen: points that answered every query, bounds such as the oracle left out, and each first stage once."""

    points: Sequence[tuple[Series, Point]]
    first_stages: Sequence[tuple[Series, Point]]

    def rivals(self) -> list[tuple[Series, Point]]:
        """Return what a point must be compared with: with several first stages each of them alone as well."""
        return [*(self.first_stages if len(self.first_stages) > 1 else ()), *self.points]

    def places(self) -> dict[Place, Point]:
        """Return all of them by their place."""
        return {Place(series.index, point.depth): point for series, point in [*self.first_stages, *self.points]}


def find_choices(series: Sequence[Series], bounds: Collection[int], num_queries: int) -> Choices:
    """Return the choices among `series`; means over some of the queries do not compare with others, so they are none."""
    eligible = [found for found in series if found.index not in bounds]
    first_stages: dict[str, tuple[Series, Point]] = {}
    for found in eligible:
        first_stages.setdefault(found.retriever, (found, found.first_stage))
    return Choices(
        [(found, point) for found in eligible for point in found.points if point.num_queries == num_queries],
        list(first_stages.values()),
    )


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


def choose(dataset: DatasetReport, measure: str, choices: Choices) -> tuple[Series, Point] | None:
    """Return the cheapest point that beats its first stage, or is one of several, and is within the noise of the best.

    None if no reranker beats the one first stage. Where none is within the noise, the highest. Cheapest is by p95 where all have
    one, otherwise by depth.
    """
    helping = [item for item in choices.rivals() if item[1].depth == 0 or _helps(item[1], measure)]
    within = [item for item in helping if _is_within_noise(item[1], measure)]
    if not helping:
        return None
    if not within:
        return _highest(helping, measure)
    if dataset.same_hardware and all(point.total_p95 is not None for _, point in within):
        return min(within, key=lambda item: (p95_of(item[1]) or 0.0, item[0].index, item[1].depth))
    return min(within, key=lambda item: (item[1].depth, -item[1].estimates[measure].mean, item[0].index))


def answer(dataset: DatasetReport, measure: str, choices: Choices) -> str:
    """Return what the results say in a few sentences: the choice, whether it is real, and what is not worth it."""
    where = f"On {dataset.name} ({dataset.num_queries} queries)"
    if not dataset.is_judged:
        return (
            f"{where} there are no judgments, so nothing here says which ranking is better: the tables show latency, and how far each "
            "reranker moves the first stage's ranking."
        )
    if dataset.num_queries < FEWEST_FOR_INTERVAL:
        return f"{where}: too few queries to say whether a reranker helps; judge more."
    if not choices.points:
        return f"{where}, no reranker answered every query, so none is named best; the differences to the first stage are paired."
    best_series, best = _highest(choices.rivals(), measure)
    chosen = choose(dataset, measure, choices)
    if chosen is None:
        first = ", ".join(
            f"{series.retriever} has {measure} {point.estimates[measure].mean:.3f}"
            for series, point in choices.first_stages
        )
        best_series, best = _highest([*choices.first_stages, *choices.points], measure)
        highest = (
            f"the highest mean is {best.estimates[measure].mean:.3f}, {_named(best_series, best)}{_gain(best, measure)}"
            if best.depth
            else "none has a higher mean"
        )
        return f"{where}, no reranker is better than the first stage beyond the noise: {first}; {highest}."
    series, point = chosen
    is_within = _is_within_noise(point, measure)
    why = "the cheapest choice within the noise of the best" if is_within else "the best that beats its first stage"
    sentences = [
        f"{where}, {_named(series, point)} is {why}: {measure} {point.estimates[measure].mean:.3f}"
        f"{_gain_over_first_stage(series, point, measure)}{_latency(point)}."
    ]
    if (best_series.index, best.depth) != (series.index, point.depth):
        lead = (
            "its lead is not beyond the noise" if is_within else "it does not beat its own first stage beyond the noise"
        )
        sentences.append(
            f"The highest mean is {best.estimates[measure].mean:.3f}, {_named(best_series, best)}{_latency(best)}; {lead}."
        )
    helping = {found.index for found, point in choices.points if _helps(point, measure)}
    useless = dict.fromkeys(
        found.label for found, _ in choices.points if found.index not in helping and _changes_anything(found)
    )
    if useless:
        sentences.append(f"Not better than the first stage beyond the noise at any depth: {', '.join(useless)}.")
    if not dataset.same_hardware:
        sentences.append("Latencies come from different machines and are not compared.")
    return " ".join(sentences)


def answer_constraint(dataset: DatasetReport, measure: str, constraint: Constraint, choices: Choices) -> str:
    """Return the best point inside the limits, or that none fits, and what the next better one would cost."""
    if not dataset.is_judged:
        return f"{dataset.name}: without judgments nothing can be chosen within {constraint}."
    everything = [*choices.first_stages, *choices.points]
    if constraint.max_usd_per_1000 is not None and all(usd_of(point) is None for _, point in choices.points):
        return f"{dataset.name}: no system has a known cost, so the limit of {constraint} cannot be checked."
    fitting = [item for item in everything if constraint.allows(item[1])]
    outside = [item for item in everything if not constraint.allows(item[1])]
    if not fitting:
        known = [item for item in everything if p95_of(item[1]) is not None]
        least = min(known, key=lambda item: (p95_of(item[1]) or 0.0, item[0].index), default=None)
        hint = "" if least is None else f" The fastest, {_named(*least)}, has{_price(least[1], constraint)}."
        return f"{dataset.name}: none fits within {constraint}.{hint}"
    series, point = max(fitting, key=lambda item: (item[1].estimates[measure].mean, -item[1].depth, -item[0].index))
    text = f"{dataset.name}: the highest mean within {constraint} is {measure} {point.estimates[measure].mean:.3f}, {_named(series, point)}, with{_price(point, constraint)}."
    better = [item for item in outside if item[1].estimates[measure].mean > point.estimates[measure].mean]
    if better:
        key = p95_of if constraint.max_p95_ms is not None else usd_of
        following = min(better, key=lambda item: (key(item[1]) is None, key(item[1]) or 0.0, item[0].index))
        text += f" The next higher, {_named(*following)}, is {following[1].estimates[measure].mean:.3f} with{_price(following[1], constraint)}."
    return text


def _highest(items: Sequence[tuple[Series, Point]], measure: str) -> tuple[Series, Point]:
    return max(items, key=lambda item: (item[1].estimates[measure].mean, -item[1].depth, -item[0].index))


def _is_within_noise(point: Point, measure: str) -> bool:
    found = point.to_best.get(measure)
    return found is None or found.high is None or found.high >= 0


def _gain_over_first_stage(series: Series, point: Point, measure: str) -> str:
    if point.depth == 0:
        return ""
    gain, first_mean = point.to_first_stage[measure], series.first_stage.estimates[measure].mean
    return f", {format_signed(gain.mean, 3)}{_bounds(gain)} to {series.retriever} alone ({first_mean:.3f})"


def _changes_anything(series: Series) -> bool:
    """Return whether any query's value differs from the first stage's: of one that keeps its ranking nothing needs to be said."""
    return any(found.wins or found.losses for point in series.points for found in point.to_first_stage.values())


def _helps(point: Point, measure: str) -> bool:
    found = point.to_first_stage.get(measure)
    return found is not None and found.mean > 0 and found.is_significant


def _named(series: Series, point: Point) -> str:
    return f"{series.label} at depth {point.depth}" if point.depth else f"{series.retriever} alone"


def _price(point: Point, constraint: Constraint) -> str:
    """Return latency and cost; what is unknown, or free, only where there is a limit to it."""
    prices = []
    if point.total_p95 is not None:
        prices.append(f"p95 {_milliseconds(point.total_p95.value)}")
    elif constraint.max_p95_ms is not None:
        prices.append("an unknown p95")
    if point.usd_per_1000 or (point.usd_per_1000 == 0 and constraint.max_usd_per_1000 is not None):
        prices.append(f"{format_usd(point.usd_per_1000)} USD per 1000 queries")
    elif constraint.max_usd_per_1000 is not None:
        prices.append("an unknown cost")
    return f" {' and '.join(prices)}"


def _latency(point: Point) -> str:
    return "" if point.total_p95 is None else f", at {_milliseconds(point.total_p95.value)} (p95)"


def _milliseconds(value: float) -> str:
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"


def _bounds(found: Difference) -> str:
    return (
        ""
        if found.low is None or found.high is None
        else f" [{format_signed(found.low, 3)}, {format_signed(found.high, 3)}]"
    )


def _gain(point: Point, measure: str) -> str:
    found = point.to_first_stage.get(measure)
    return "" if found is None else f", {format_signed(found.mean, 3)}{_bounds(found)}"
