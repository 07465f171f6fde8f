"""What an evaluation found of one system at one depth.

Unknown is None (`null`), never 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class MeasureResult:
    """A mean over `num_queries` queries with its 95% interval; `difference` is to depth 0, paired by query."""

    mean: float | None
    low: float | None
    high: float | None
    num_queries: int
    difference: Mapping[str, float | None] | None = None


@dataclass(frozen=True)
class Loss:
    """Where a measure's distance to the perfect ranking lies; `first_stage` and `ordering` add up to it.

    `truncation` and `unjudged` are what these may account for: the part of `ordering` on queries where a relevant candidate was
    cut (None where a reranker cannot know), and the change if unjudged documents are left out of the ranking.
    """

    first_stage: float
    ordering: float
    truncation: float | None
    unjudged: float | None


@dataclass(frozen=True)
class Reliability:
    """What went wrong: the share of queries that failed, and how often per call of an answered query the rest happened.

    Rates per call are None where a reranker makes no calls, or was not asked at this depth. A call may be retried more than once.
    """

    error_rate: float | None
    retry_rate: float | None = None
    repair_rate: float | None = None
    fallback_rate: float | None = None
    refusal_rate: float | None = None


@dataclass(frozen=True)
class Spread:
    """A measure over answers to the same queries: the mean of each, the result's own first, and the standard deviation of the means.

    `per_query` is the mean over queries of the standard deviation of one query's values.
    """

    means: Sequence[float]
    standard_deviation: float
    per_query: float


@dataclass(frozen=True)
class Stability:
    """How far the result's own answers and `count` further ones are apart, over the `num_queries` that were answered every time.

    `tau` is the mean of Kendall's tau over all pairs of answers. `position_bias` has, for each tenth of a shuffled list, the mean place
    (0 first, 1 last) of what was shown there, 0.5 everywhere without a bias; None for a tenth that no list has. `position_bias_low` and
    `position_bias_high` are its 95% intervals over queries. `usd` is what the further answers cost.
    """

    count: int
    num_queries: int
    failures: int
    measures: Mapping[str, Spread]
    tau: float | None
    position_bias: Sequence[float | None] = ()
    position_bias_low: Sequence[float | None] = ()
    position_bias_high: Sequence[float | None] = ()
    usd: float | None = None


@dataclass(frozen=True)
class AnswerResult:
    """What a language model answered from the first `context` documents, to queries that have reference answers.

    `measures` has "context_precision@k" and "context_recall@k" over the queries that the reranker answered, "exact_match" and "token_f1"
    over those `num_queries` that the model answered too. Of these, `unanswered` had no answer in the documents by the model's word, and
    `unusable` no usable one; both count as wrong. `failures` got none at all. `chain` is what the providers were asked and paid for
    reranking and answering together, `usage` for answering alone; `chain_latency` is first stage, reranker and answer in a row, over
    the queries of which all are known.
    """

    context: int
    num_queries: int
    measures: Mapping[str, MeasureResult]
    unanswered: int
    unusable: int
    failures: int
    usage: Mapping[str, int | float | None]
    chain: Mapping[str, int | float | None]
    latency: Mapping[str, object] | None
    chain_latency: Mapping[str, object] | None

    @property
    def tokens_per_query(self) -> float | None:
        """The tokens, input and output, that the chain took for a query; None if that is not known."""
        tokens = [self.chain.get(name) for name in ("input_tokens", "output_tokens")]
        known = [count for count in tokens if count is not None]
        return sum(known) / self.num_queries if self.num_queries and len(known) == len(tokens) else None

    @property
    def usd_per_1000(self) -> float | None:
        """What the chain cost for 1,000 queries; None if that is not known."""
        usd = self.chain.get("usd")
        return None if usd is None or not self.num_queries else 1000 * usd / self.num_queries


@dataclass(frozen=True)
class DepthResult:
    """A system at one depth; depth 0 is the first stage alone.

    `stability` has "shuffles" and "repeats", at the largest depth and where they were asked for; `answer` is there where answers were.
    """

    depth: int
    measures: Mapping[str, MeasureResult]
    judged_at_10: float | None
    latency: Mapping[str, object] | None = None
    total_latency: Mapping[str, object] | None = None
    usage: Mapping[str, int | float | None] | None = None
    failures: int = 0
    repairs: int | None = 0
    truncated_pairs: int | None = None
    num_pairs: int = 0
    tie_rate: float | None = None
    losses: Mapping[str, Loss] = field(default_factory=dict)
    reliability: Reliability | None = None
    stability: Mapping[str, Stability] = field(default_factory=dict)
    answer: AnswerResult | None = None

    def as_json(self) -> dict[str, object]:
        """Return the fields under their names in `result.json`."""
        fields = asdict(self)
        fields["judged@10"] = fields.pop("judged_at_10")
        return fields
