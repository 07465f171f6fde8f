"""What a first stage has to say besides its run."""

import operator
from collections.abc import Iterable
from dataclasses import dataclass

from rerank_eval.errors import DataError


def _make_integers(frozen: object, names: Iterable[str]) -> None:
    for name in names:
        object.__setattr__(frozen, name, operator.index(getattr(frozen, name)))


@dataclass(frozen=True)
class SearchRecall:
    """Which share of the exact top `depth` an approximate search finds, as the mean over `num_queries` queries."""

    value: float
    depth: int
    num_queries: int

    def __post_init__(self) -> None:
        """Check that it is a share."""
        if not 0 <= self.value <= 1:
            raise DataError(f"the recall of a search is {self.value}; it is a share between 0 and 1")
        object.__setattr__(self, "value", float(self.value))
        _make_integers(self, ("depth", "num_queries"))


@dataclass(frozen=True)
class Findings:
    """What a first stage has to say besides its run; a count that is not 0 becomes a warning."""

    skipped_lines: int = 0
    dropped_duplicates: int = 0
    truncated_documents: int = 0
    truncated_queries: int = 0
    recall: SearchRecall | None = None
    """None where the search is exact."""

    def __post_init__(self) -> None:
        """Make plain integers of what counts like one, such as numpy's."""
        _make_integers(self, [name for name in vars(self) if name != "recall"])
