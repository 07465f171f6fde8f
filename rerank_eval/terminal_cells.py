"""How the tables of the terminal write their numbers."""

from rerank_eval.depth_results import MeasureResult


def show_interval(measure: MeasureResult) -> str:
    """Return a mean with its 95% interval, where there is one."""
    if measure.mean is None:
        return "n/a"
    if measure.low is None or measure.high is None:
        return show_number(measure.mean)
    return f"{show_number(measure.mean)} [{_short(measure.low)},{_short(measure.high)}]"


def show_difference(measure: MeasureResult) -> str:
    """Return the difference to depth 0 with its interval; nothing where there is none."""
    found = measure.difference
    if found is None or found["mean"] is None:
        return ""
    if found["low"] is None or found["high"] is None:
        return f"{found['mean']:+.4f}"
    return f"{found['mean']:+.4f} [{found['low']:+.3f},{found['high']:+.3f}]"


def show_number(value: float | None) -> str:
    """Return a value with four decimals; n/a where it is unknown."""
    return "n/a" if value is None else f"{value:.4f}"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def show_milliseconds(value: object) -> str:
    """Return milliseconds without the unit; n/a where they are unknown."""
    if not isinstance(value, float):
        return "n/a"
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
