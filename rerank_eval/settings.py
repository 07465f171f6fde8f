"""The top-level settings, valid as soon as they exist."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rerank_eval.errors import ConfigError
from rerank_eval.files.paths import check_folder, check_lengths
from rerank_eval.integers import check_integer
from rerank_eval.measures import needed_depth, parse_measures


@dataclass(frozen=True)
class LatencySettings:
    """The latency pass: `repetitions` samples of each of `queries` sampled queries, at each depth, after `warmup` requests."""

    queries: int = 20
    repetitions: int = 1
    warmup: int = 3

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_integer("latency.queries", self.queries, 0)
        check_integer("latency.repetitions", self.repetitions, 1)
        check_integer("latency.warmup", self.warmup, 0)


@dataclass(frozen=True)
class StabilitySettings:
    """How often every reranker is asked again at the largest depth: with the candidates shuffled, and with the same question.

    `queries` is how many queries are sampled for it; None takes all.
    """

    shuffles: int = 0
    repeats: int = 0
    queries: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_integer("stability.shuffles", self.shuffles, 0)
        check_integer("stability.repeats", self.repeats, 0)
        check_integer("stability.queries", self.queries, 1, may_be_none=True)


@dataclass(frozen=True)
class Settings:
    """What to evaluate, besides dataset, first stage and rerankers.

    The price list in `own_prices_path` is put over the one in `prices_path`: it alone holds for every model that it names.

    Raises:
        ConfigError: a value is out of range; the message names the setting.
    """

    depths: Sequence[int] = (10, 20, 50, 100)
    measures: Sequence[str] = ("nDCG@10", "RR@10", "AP@100", "R@100")
    retrieval_depth: int | None = None
    seed: int = 13
    latency: LatencySettings = field(default_factory=LatencySettings)
    store_path: Path | None = None
    store_timeout_s: float = 30.0
    max_error_rate: float = 0.0
    budget_usd: float | None = None
    prices_path: Path | None = None
    own_prices_path: Path | None = None
    stability: StabilitySettings = field(default_factory=StabilitySettings)

    def __post_init__(self) -> None:
        """Check the ranges and bring sequences into one form."""
        for depth in self.depths:
            check_integer("depths", depth, 0)
        depths = tuple(sorted({depth for depth in self.depths if depth > 0}))
        object.__setattr__(self, "depths", depths)
        if not depths:
            raise ConfigError("depths has no depth above 0; write depths=[10,50,100]")
        object.__setattr__(self, "measures", tuple(str(name) for name in self.measures))
        parse_measures(self.measures)
        if self.retrieval_depth is not None:
            check_integer("retrieval_depth", self.retrieval_depth, 1)
            if self.retrieval_depth < depths[-1]:
                raise ConfigError(f"retrieval_depth is {self.retrieval_depth}, below the largest depth, {depths[-1]}")
        check_integer("seed", self.seed, 0)
        if self.store_path is not None:
            _check_store_path(self.store_path)
        _check_number("max_error_rate", self.max_error_rate, 1.0)
        _check_number("store.timeout_s", self.store_timeout_s, 86_400.0)
        if self.budget_usd is not None:
            _check_number("budget.usd", self.budget_usd, 1e9)

    @property
    def first_stage_depth(self) -> int:
        """How many documents the first stage is asked for: enough for the largest depth and the largest cut-off."""
        if self.retrieval_depth is not None:
            return self.retrieval_depth
        return max(self.depths[-1], needed_depth(self.measures))


def _check_store_path(path: Path) -> None:
    check_lengths(path, "store.path")
    if not path.name or (path.exists() and not path.is_file()):
        raise ConfigError(f"store.path is {str(path)!r}, which is no file; name a file, or null to keep no answers")
    check_folder(path.parent, "store.path")


def _check_number(name: str, value: object, most: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise ConfigError(f"{name} is {value!r}; it must be a number between 0 and {most:g}")
