"""How far a system changes the first stage's rankings: all that can be said of queries without judgments, and no quality.

1.0 is an unchanged ranking; a low value says that much moved, not whether for better or worse.
"""

from collections.abc import Callable, Mapping, Sequence

from rerank_eval.types import Run

RBO_PERSISTENCE = 0.9
RANK_CHANGE_MEASURES = ("Kept@1", "Kept@10", f"RBO(p={RBO_PERSISTENCE})")
"""The share of the first stage's first k that are still among the first k, and rank-biased overlap."""


def compare_run(run: Run, first_stage: Run) -> Mapping[str, Mapping[str, float]]:
    """Return measure -> query_id -> value in [0, 1], for every query of `run`; an empty ranking cannot change."""
    rankings = {query_id: (ranking.doc_ids, first_stage[query_id].doc_ids) for query_id, ranking in run.items()}
    functions: Mapping[str, Callable[[Sequence[str], Sequence[str]], float]] = dict(
        zip(RANK_CHANGE_MEASURES, (lambda a, b: _kept(a, b, 1), lambda a, b: _kept(a, b, 10), _rbo), strict=True)
    )
    return {
        name: {query_id: function(after, before) for query_id, (after, before) in rankings.items()}
        for name, function in functions.items()
    }


def _kept(after: Sequence[str], before: Sequence[str], cutoff: int) -> float:
    return len(set(after[:cutoff]) & set(before[:cutoff])) / min(cutoff, len(before)) if before else 1.0


def _rbo(after: Sequence[str], before: Sequence[str]) -> float:
    """Return extrapolated rank-biased overlap (Webber, Moffat and Zobel, TOIS 2010, equation 32) of two equally long rankings."""
    seen_after: set[str] = set()
    seen_before: set[str] = set()
    overlap, total, weight = 0, 0.0, 1.0
    agreement = 1.0
    for depth, (one, other) in enumerate(zip(after, before, strict=True), start=1):
        overlap += (one == other) + (one in seen_before) + (other in seen_after)
        seen_after.add(one)
        seen_before.add(other)
        agreement = overlap / depth
        total += agreement * weight
        weight *= RBO_PERSISTENCE
    return (1 - RBO_PERSISTENCE) * total + agreement * weight
