"""Settings that are integers, checked in one way."""

from rerank_eval.errors import ConfigError

LARGEST_INTEGER = 10**15
"""In settings, and in the results that are read back."""


def check_integer(name: str, value: object, least: int, may_be_none: bool = False) -> None:
    """Check a setting; a boolean is no integer.

    Raises:
        ConfigError: it is something else, below `least`, or above `LARGEST_INTEGER`.
    """
    if value is None and may_be_none:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} is {value!r}; it must be an integer of at least {least}")
    if value > LARGEST_INTEGER:
        raise ConfigError(f"{name} is {value}; it must be at most {LARGEST_INTEGER}")
