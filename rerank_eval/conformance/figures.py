"""The figures that a version of rerank_eval is held to, the configuration that gives each, and whether a mean agrees with one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

FIRST_STAGE = "first stage"
Agreement = Literal["agrees", "differs", "skipped", "failed"]

_FIGURES = Path(__file__).parent / "figures.yaml"


@dataclass(frozen=True)
class Figure:
    """A mean that was published, or measured before, and how far a new one may be from it."""

    system: str
    depth: int
    measure: str
    value: float
    tolerance: float
    source: str
    is_int8: bool
    """Whether it is of int8 products on a processor that does not saturate them."""


class CheckedFigure(NamedTuple):
    """Whether a mean agrees with a figure; where nothing was measured, `reason` says why."""

    figure: Figure
    agreement: Agreement
    measured: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Configuration:
    """One run that gives several figures; `data` is the folder that it needs, if any."""

    group: str
    name: str
    overrides: tuple[str, ...]
    data: str | None
    figures: tuple[Figure, ...]
    offline: tuple[str, ...] = ()
    """Overrides for when nothing may be downloaded; empty where nothing need be."""

    @property
    def full_name(self) -> str:
        """What selects this configuration."""
        return f"{self.group}/{self.name}"


@dataclass(frozen=True)
class CheckedConfiguration:
    """A configuration, and how each of its figures came out, in their order."""

    configuration: Configuration
    figures: tuple[CheckedFigure, ...]

    @property
    def is_skipped(self) -> bool:
        """Whether nothing of it was run."""
        return all(figure.agreement == "skipped" for figure in self.figures)


def read_conformance() -> tuple[Configuration, ...]:
    """Return all configurations, in the order of the file."""
    groups = yaml.safe_load(_FIGURES.read_text(encoding="utf-8"))
    return tuple(configuration for name, group in groups.items() for configuration in _make_group(name, group))


def _make_group(group: str, entries: Mapping[str, Any]) -> Iterator[Configuration]:
    if "each" not in entries:
        for name, entry in entries.items():
            figures = [figure for table in entry["tables"] for figure in _make_table(**table)]
            overrides, offline = tuple(entry["overrides"]), tuple(entry.get("offline", ()))
            yield Configuration(group, name, overrides, entry.get("data"), tuple(figures), offline)
        return
    for name, values in entries["each"].items():
        figures = [
            _make_figure(value=value, **table)
            for table, value in zip(entries["tables"], values, strict=True)
            if value is not None
        ]
        overrides = tuple(override.format(name=name) for override in entries["overrides"])
        yield Configuration(group, name, overrides, None, tuple(figures), tuple(entries["offline"]))


def _make_table(measures: Sequence[str], rows: Mapping[int, Sequence[float]], **same: Any) -> Iterator[Figure]:
    for depth, values in rows.items():
        for measure, value in zip(measures, values, strict=True):
            yield _make_figure(depth=depth, measure=measure, value=value, **same)


def _make_figure(
    *,
    depth: int,
    measure: str,
    value: float,
    tolerance: float,
    source: str,
    system: str = FIRST_STAGE,
    int8: bool = False,
) -> Figure:
    return Figure(system, depth, measure, value, tolerance, source, int8)


def check_figure(figure: Figure, measured: float) -> CheckedFigure:
    """Return whether a mean is within the figure's tolerance; one that lies on its edge is."""
    agrees = abs(measured - figure.value) <= figure.tolerance + 1e-12
    return CheckedFigure(figure, "agrees" if agrees else "differs", measured)
