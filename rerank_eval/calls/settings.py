"""How an API is called: what every API reranker has as its setting `calls`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from rerank_eval.errors import ConfigError, nearest


@dataclass(frozen=True)
class CallSettings:
    """How many calls are in flight, how long one may take, and how many are allowed.

    Raises:
        ConfigError: a value is out of range.
    """

    concurrency: int = 4
    """Queries in flight at once."""
    calls_per_minute: float | None = None
    """The account's limit; None: learned from the replies."""
    tokens_per_minute: float | None = None
    """The account's limit of input tokens; None: learned from the replies."""
    timeout_s: float = 60.0
    """How long one attempt may take."""
    deadline_s: float = 300.0
    """How long a call may take with all its retries and waits."""
    attempts: int = 8
    """How often one call is tried at most."""
    longest_wait_s: float = 60.0
    """A provider that asks to wait longer ends the run."""

    def __post_init__(self) -> None:
        """Check kinds and ranges."""
        for setting in fields(self):
            value = getattr(self, setting.name)
            if value is None and setting.default is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
                raise ConfigError(f"calls.{setting.name} is {value!r}; it must be a number above 0")
            if isinstance(setting.default, int) and not isinstance(value, int):
                raise ConfigError(f"calls.{setting.name} is {value!r}; it must be an integer")

    @classmethod
    def read(cls, settings: Mapping[str, Any] | None) -> "CallSettings":
        """Return the settings; what is not named has its default.

        Raises:
            ConfigError: one is unknown or out of range.
        """
        names = [setting.name for setting in fields(cls)]
        for name in settings or {}:
            if name not in names:
                raise ConfigError(f"calls has no setting {name!r}: {nearest(str(name), names)}")
        return cls(**(settings or {}))
