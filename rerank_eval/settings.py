"""The top-level settings, valid as soon as they exist."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rerank_eval.errors import ConfigError
from rerank_eval.measures import largest_cutoff, parse_measures

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")


@dataclass(frozen=True)
class LatencySettings:
    """The latency pass: `repetitions` samples of each of `queries` sampled queries, at each depth, after `warmup` requests."""

    queries: int = 20
    repetitions: int = 1
    warmup: int = 3

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check_integer("latency.queries", self.queries, 0)
        _check_integer("latency.repetitions", self.repetitions, 1)
        _check_integer("latency.warmup", self.warmup, 0)


@dataclass(frozen=True)
class Settings:
    """What to evaluate, besides dataset, first stage and rerankers.

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

    def __post_init__(self) -> None:
        """Check the ranges and bring sequences into one form."""
        for depth in self.depths:
            _check_integer("depths", depth, 0)
        depths = tuple(sorted({depth for depth in self.depths if depth > 0}))
        object.__setattr__(self, "depths", depths)
        if not depths:
            raise ConfigError("depths has no depth above 0; write depths=[10,50,100]")
        object.__setattr__(self, "measures", tuple(str(name) for name in self.measures))
        parse_measures(self.measures)
        if self.retrieval_depth is not None:
            _check_integer("retrieval_depth", self.retrieval_depth, 1)
            if self.retrieval_depth < depths[-1]:
                raise ConfigError(f"retrieval_depth is {self.retrieval_depth}, below the largest depth, {depths[-1]}")
        _check_integer("seed", self.seed, 0)
        if self.store_path is not None and (not self.store_path.name or self.store_path.is_dir()):
            raise ConfigError(
                f"store.path is the folder {str(self.store_path)!r}; name a file, or null to keep no answers"
            )
        _check_number("max_error_rate", self.max_error_rate, 1.0)
        _check_number("store.timeout_s", self.store_timeout_s, 86_400.0)

    @property
    def first_stage_depth(self) -> int:
        """How many documents the first stage is asked for: enough for the largest depth and the largest cut-off."""
        if self.retrieval_depth is not None:
            return self.retrieval_depth
        return max(self.depths[-1], largest_cutoff(self.measures) or 1000)


def check_name(name: str, what: str) -> str:
    """Return `name` if it may be part of a file name.

    Raises:
        ConfigError: it has a path separator, is hidden, empty or too long.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{what} {name!r} cannot name a file; use 1 to 100 letters, digits, '_', '.', '+', '-', beginning with a letter, "
            "a digit or '_'"
        )
    return name


def resolve_inside(root: Path, *parts: str) -> Path:
    """Return the path of `parts` under `root`.

    Raises:
        ConfigError: a part is no plain name, or the result leaves the root (a symbolic link, say).
    """
    path = root.joinpath(*(check_name(part, "the name") for part in parts))
    if not path.resolve().is_relative_to(root.resolve()):
        raise ConfigError(f"{os.fspath(path)} is outside {os.fspath(root)}")
    return path


def _check_integer(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} is {value!r}; it must be an integer of at least {least}")


def _check_number(name: str, value: object, most: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise ConfigError(f"{name} is {value!r}; it must be a number between 0 and {most:g}")
