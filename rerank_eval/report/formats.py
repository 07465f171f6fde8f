"""How a report writes its numbers: with a fixed number of digits, and "n/a" where a value is unknown."""

import re
from collections.abc import Iterable
from itertools import zip_longest

from rerank_eval.paired import Difference, format_signed
from rerank_eval.report.model import Estimate, Milliseconds
from rerank_eval.results.depth_results import Stability

UNKNOWN = "n/a"

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # all but tab and line ends


def format_score(value: float | None) -> str:
    """Return a measure's value with three decimals."""
    return UNKNOWN if value is None else _with_minus(f"{value:z.3f}")


def format_difference(value: float | None) -> str:
    """Return a signed difference with three decimals; what rounds to zero has no sign."""
    return UNKNOWN if value is None else _with_minus(format_signed(value, 3))


def format_interval(value: Estimate | Difference) -> str:
    """Return the bounds of a 95% interval in brackets."""
    write = format_score if isinstance(value, Estimate) else format_difference
    return UNKNOWN if value.low is None and value.high is None else f"[{write(value.low)}, {write(value.high)}]"


def format_p(difference: Difference | None, decimals: int = 3) -> str:
    """Return an adjusted p, or what it is below or at most where no more is known or can be shown; n/a without a difference."""
    if difference is None:
        return UNKNOWN
    least = 10**-decimals
    bound = "≤" if difference.is_p_at_most else ""
    return f"<{least:.{decimals}f}" if difference.p < least else f"{bound}{difference.p:.{decimals}f}"


def format_milliseconds(value: float | None) -> str:
    """Return milliseconds with about three digits, without the unit."""
    return UNKNOWN if value is None else _three_digits(value)


def format_latency_interval(value: Milliseconds | None) -> str:
    """Return the bounds of a percentile's interval in brackets; a bound is n/a where the samples are too few for it."""
    if value is None or (value.low is None and value.high is None):
        return UNKNOWN
    return f"[{format_milliseconds(value.low)}, {format_milliseconds(value.high)}]"


def format_usd(value: float | None) -> str:
    """Return US dollars with about three digits, without the unit."""
    return UNKNOWN if value is None else "0" if value == 0 else _three_digits(value)


def format_share(value: float | None) -> str:
    """Return a share as a percentage with one decimal."""
    return UNKNOWN if value is None else f"{100 * value:.1f}%"


STABILITY_KINDS = {"shuffles": "candidates shuffled", "repeats": "asked again"}


def format_curve(found: Stability) -> str:
    """Return a position bias with two decimals each, n/a where nothing was shown, * where the interval leaves out 0.5; n/a without one."""
    bounds = zip_longest(found.position_bias, found.position_bias_low, found.position_bias_high)
    return (
        " ".join(UNKNOWN if mean is None else f"{mean:.2f}{_star(low, high)}" for mean, low, high in bounds) or UNKNOWN
    )


def _star(low: float | None, high: float | None) -> str:
    return "*" if low is not None and high is not None and not low <= 0.5 <= high else ""


def shorten(text: str, width: int) -> str:
    """Return `text` on one line of at most about `width` average letters, with an ellipsis where it was cut."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split()) or "(blank)"
    used, end = 0.0, 0
    for end, letter in enumerate(line):
        used += 1.9 if ord(letter) >= 0x1100 else 1.4 if letter in "mwMWQO@%" else 1.15 if letter.isupper() else 1.0
        if used > width:
            return line[: max(1, end - 1)].rstrip() + "…"
    return line


def shorten_name(text: str, width: int) -> str:
    """Return `text` like `shorten`, but with its end: names of one kind often differ only there."""
    line = shorten(text, 10 * len(text) + 20)
    if shorten(line, width) == line:
        return line
    head, tail = (shorten(part, width // 2).removesuffix("…") for part in (line, line[::-1]))
    return f"{head}…{tail[::-1]}"


def shorten_names(names: Iterable[str], width: int) -> dict[str, str]:
    """Return name -> the name at most about `width` wide, a number added where two would look the same."""
    short: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        candidate = cut = shorten_name(name, width)
        number = 1
        while candidate in taken:
            number += 1
            ending = f" ({number})"
            candidate = cut[: width - len(ending)] + ending
        taken.add(candidate)
        short[name] = candidate
    return short


def without_controls(text: str) -> str:
    """Return `text` with a replacement character for each that a terminal may act upon, or that no file can hold as text."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def _three_digits(value: float) -> str:
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 4
    return _with_minus(f"{value:,.{decimals}f}")


def _with_minus(written: str) -> str:
    return written.replace("-", "−")  # noqa: RUF001 # the minus sign is as wide as the plus sign
