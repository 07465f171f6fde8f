"""How an API is called: what every API reranker has as its setting `calls`, and what one that can has as `batch`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from rerank_eval.errors import ConfigError, nearest

MOST_QUERIES = 5000
"""In a batch; each has a thread."""


class _Numbers:
    """Settings that are numbers above 0; one whose default is None may be None."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        for setting in fields(self):  # type: ignore[arg-type] # the subclasses are dataclasses
            value = getattr(self, setting.name)
            if value is None and setting.default is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
                raise ConfigError(f"{self.name}.{setting.name} is {value!r}; it must be a number above 0")
            if setting.type in (int, int | None) and not isinstance(value, int):
                raise ConfigError(f"{self.name}.{setting.name} is {value!r}; it must be an integer")

    @classmethod
    def read(cls, settings: Mapping[str, Any] | None) -> Self:
        """Return the settings; what is not named has its default.

        Raises:
            ConfigError: one is unknown or out of range.
        """
        names = [setting.name for setting in fields(cls)]  # type: ignore[arg-type] # as above
        for name in settings or {}:
            if name not in names:
                raise ConfigError(f"{cls.name} has no setting {name!r}: {nearest(str(name), names)}")
        return cls(**(settings or {}))


@dataclass(frozen=True)
class CallSettings(_Numbers):
    """How many calls are in flight, how long one may take, and how many are allowed.

    Raises:
        ConfigError: a value is out of range.
    """

    name: ClassVar[str] = "calls"

    concurrency: int = 4
    """Queries in flight at once."""
    calls_per_minute: float | None = None
    """The account's limit; None: learned from the replies. Of several rerankers with one model the smaller limit holds."""
    tokens_per_minute: float | None = None
    """The account's limit of input tokens; None: learned from the replies."""
    timeout_s: float = 60.0
    """How long one attempt may take."""
    deadline_s: float = 300.0
    """How long a call may take with all its retries and the waits for them; waiting for a turn is not in it."""
    attempts: int = 8
    """How often one call is tried at most."""
    longest_wait_s: float = 60.0
    """A provider that asks to wait longer ends the run."""


@dataclass(frozen=True)
class BatchSettings(_Numbers):
    """Whether questions go to the provider in batches, and how often one is looked at.

    Raises:
        ConfigError: a value is out of range.
    """

    name: ClassVar[str] = "batch"

    queries: int | None = None
    """The queries whose questions may be in one batch; each waits in a thread of its own. None: every question goes by itself."""
    poll_s: float = 60.0
    """How long to wait between two looks at a batch."""
    gather_s: float = 2.0
    """A batch that is not full is sent when no question has come for so long."""

    def __post_init__(self) -> None:
        """Check kinds and ranges."""
        super().__post_init__()
        if self.queries is not None and self.queries > MOST_QUERIES:
            raise ConfigError(f"batch.queries is {self.queries}; it must be at most {MOST_QUERIES}")
