"""How quality is counted on a dataset, as the benchmark it belongs to says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rerank_eval.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Conventions:
    """What the benchmark that a dataset belongs to says about counting.

    `relevance_level` is the lowest grade that binary measures (RR, AP, R, P) count as relevant. `removes_query_document`: the queries
    are documents themselves, and a document whose doc_id is the query_id is no candidate. `published_bm25` has the published value
    of BM25 on these data by measure, e.g. `{"nDCG@10": 0.5058}`; empty where there is none. `part_of` names the collection that the
    datasets of which it is a part count as together in an average (the forums of CQADupStack).

    Raises:
        ConfigError: a value cannot be one.
    """

    relevance_level: int = 1
    removes_query_document: bool = False
    published_bm25: Mapping[str, float] = field(default_factory=dict)
    part_of: str | None = None

    def __post_init__(self) -> None:
        """Check the values, whoever gave them."""
        level, published = self.relevance_level, self.published_bm25
        if not isinstance(level, int) or isinstance(level, bool) or not 1 <= level <= 9999:
            raise ConfigError(f"dataset.relevance_level is {level!r}; it must be an integer between 1 and 9999")
        if not isinstance(self.removes_query_document, bool):
            raise ConfigError(f"dataset.removes_query_document is {self.removes_query_document!r}; valid: true, false")
        if not isinstance(published, Mapping) or not all(_is_share(value) for value in published.values()):
            raise ConfigError(
                f"dataset.published_bm25 is {published!r}; it has a value between 0 and 1 by measure, e.g. {{nDCG@10: 0.5058}}"
            )


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1
