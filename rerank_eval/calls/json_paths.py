"""What is at a path in a provider's answer, whatever the answer is."""

import math
from collections.abc import Mapping

_LARGEST = 1e12
"""No answer has as many tokens, bytes or searches."""


def find(decoded: object, path: str) -> object:
    """Return what is at a path of field names with dots between them; the whole for an empty one, None where there is nothing."""
    found = decoded
    for name in path.split(".") if path else ():
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def find_count(decoded: object, path: str | None) -> int | None:
    """Return the count at a path, rounded up; None where there is no number that counts anything."""
    number = None if path is None else read_number(find(decoded, path))
    return math.ceil(number) if number is not None and 0 <= number <= _LARGEST else None


def read_number(value: object) -> float | None:
    """Return a finite number; None for anything else, such as a boolean, or an integer that no float can be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
