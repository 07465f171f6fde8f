"""Values with their intervals in one cell, as the tables of PDF, Markdown and LaTeX have them: four decimals."""

from rerank_eval.paired import Difference, format_signed
from rerank_eval.report.formats import UNKNOWN, format_latency_interval, format_milliseconds
from rerank_eval.report.model import Estimate, Milliseconds, Point, is_total_of_fewer


def show(value: str | int | float | None) -> str:
    """Return a value for a reader: a fraction with four decimals, n/a where it is unknown."""
    if value is None:
        return UNKNOWN
    return f"{value:z.4f}" if isinstance(value, float) else str(value)


def show_estimate(estimate: Estimate | None) -> str:
    """Return a mean and its interval; n/a where no query gives one."""
    if estimate is None:
        return UNKNOWN
    if estimate.low is None and estimate.high is None:
        return f"{estimate.mean:.4f} [{UNKNOWN}]"
    return f"{estimate.mean:.4f} [{show(estimate.low)}, {show(estimate.high)}]"


def show_gain(gain: Estimate | None) -> str:
    """Return a difference of which only the interval is known, all with their signs; n/a where there is none."""
    if gain is None:
        return UNKNOWN
    interval = UNKNOWN if gain.low is None else f"{show_signed(gain.low)}, {show_signed(gain.high)}"
    return f"{show_signed(gain.mean)} [{interval}]"


def show_difference(difference: Difference | None) -> str:
    """Return a difference and its interval, all with their signs; n/a where there is none."""
    if difference is None:
        return UNKNOWN
    if difference.low is None and difference.high is None:
        return f"{show_signed(difference.mean)} [{UNKNOWN}]"
    return f"{show_signed(difference.mean)} [{show_signed(difference.low)}, {show_signed(difference.high)}]"


def show_signed(value: float | None) -> str:
    """Return a signed difference; what rounds to zero has no sign."""
    return UNKNOWN if value is None else format_signed(value, 4)


def show_latency(latency: Milliseconds | None) -> str:
    """Return a percentile and its interval without the unit; n/a where it was not measured."""
    if latency is None:
        return UNKNOWN
    return f"{format_milliseconds(latency.value)} {_bracketed(format_latency_interval(latency))}"


def _bracketed(interval: str) -> str:
    return f"[{interval}]" if interval == UNKNOWN else interval


def show_samples(point: Point) -> str:
    """Return how many samples a latency is over, and a total where it is over fewer: those whose first stage was timed as well."""
    count = len(point.own_samples_ms) or point.num_total_samples
    return f"{count} own, {point.num_total_samples} total" if is_total_of_fewer(point) else str(count or UNKNOWN)
