"""Run + qrels -> per-query values. The only importer of ir_measures.

Every query with at least one judgment counts: one without a relevant document, and one that the run misses, has the value 0
(trec_eval's rule with `-c`). Queries without any judgment are not evaluated.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import ir_measures

from rerank_eval.errors import ConfigError, NotEvaluableError, nearest
from rerank_eval.types import Qrels, Ranking, Run

_EXAMPLES = ("nDCG@10", "RR@10", "AP@100", "R@100", "P@5", "Success@1", "Judged@10")
_RANGES = {"cutoff": (1, 1_000_000), "rel": (1, 9999), "recall": (0, 1)}
# without gdeval: a Perl script that refuses query ids that are no integers, and so would fail at the end of a run
_PIPELINE = ir_measures.providers.FallbackProvider(
    [provider for provider in ir_measures.DefaultPipeline.providers if provider is not ir_measures.gdeval]
)


def parse_measures(names: Sequence[str], relevance_level: int = 1) -> tuple[str, ...]:
    """Return the canonical names, e.g. `RR(rel=2)@10` for `RR@10` where relevance 2 and up counts as relevant.

    Raises:
        ConfigError: a name is no measure, or none that has a value for every query; one comes twice, or there is none.
    """
    if not names:
        raise ConfigError("measures is empty; name at least one, e.g. measures=[nDCG@10]")
    canonical = []
    for name in names:
        measure = _parse(name)
        if relevance_level != 1 and "rel" in measure.SUPPORTED_PARAMS and "rel" not in measure.params:
            measure = measure(rel=relevance_level)
        _check_has_values(str(measure))
        canonical.append(str(measure))
    if len(set(canonical)) != len(canonical):
        raise ConfigError(f"measures names one twice: {', '.join(canonical)}")
    return tuple(canonical)


def _parse(name: str) -> Any:
    registry = ir_measures.measures.registry
    base = re.split("[@(]", str(name), maxsplit=1)[0]
    if base not in registry:
        # of the names that one measure has, the one that results show; with the cut-off, where only the case was wrong
        same = {
            f"{known.NAME}{str(name)[len(base) :]}"
            for key, known in registry.items()
            if key.casefold() == base.casefold()
        }
        hint = nearest(str(name), same) if same else nearest(base, registry)
        raise ConfigError(f"unknown measure {name!r}: {hint} (written like {', '.join(_EXAMPLES)})")
    try:
        measure = ir_measures.parse_measure(str(name))
        measure.validate_params()
    except (ValueError, NameError, TypeError, AssertionError, KeyError, SyntaxError) as error:
        raise ConfigError(f"measure {name!r} cannot be read ({error}); write it like {', '.join(_EXAMPLES)}") from error
    for parameter, (least, most) in _RANGES.items():
        value = measure.params.get(parameter)
        if value is not None and (isinstance(value, bool) or not least <= value <= most):
            raise ConfigError(f"measure {name!r} has {parameter}={value}; it must be between {least} and {most}")
    if not _PIPELINE.supports(measure):
        hint = "" if "cutoff" in measure.params else f", or a cut-off (as in {base}@10)"
        raise ConfigError(f"measure {name!r} needs other parameters, or a package that is not installed{hint}")
    return measure


def _check_has_values(name: str) -> None:
    """Try the measure on a query of each kind, so that what ir_measures cannot do ends a run at its beginning."""
    qrels = {
        "mixed": {"a": 2, "b": 1, "c": 0},
        "all relevant": {"a": 1},
        "none relevant": {"a": 0},
        "none judged": {"d": 1},
    }
    run = {query_id: Ranking.from_order("ab"[: len(grades)]) for query_id, grades in qrels.items()}
    try:
        score_run(run, qrels, [name])
    except Exception as error:  # ir_measures and what it calls raise of every kind
        raise ConfigError(
            f"measure {name!r} cannot be computed for every query ({error}); choose another measure or other parameters"
        ) from error


def has_best_order(name: str) -> bool:
    """Return whether the order of the judgments makes a measure the largest.

    It does not where judged documents are counted (`Judged@10`), and need not where gains of one's own stand for the grades.
    """
    measure = _parse(name)
    return str(measure.NAME) != "Judged" and "gains" not in measure.params


def needed_depth(measures: Sequence[str]) -> int:
    """Return how long rankings must be for these measures: the largest cut-off, and at least 1000 where one has none."""
    return max(_cutoff(name) or 1000 for name in measures)


def _cutoff(name: str) -> int | None:
    """Return the k after which a ranking does not matter; None if all of it does."""
    params = _parse(name).params
    # judged_only drops unjudged documents before it cuts
    cutoff: int | None = None if params.get("judged_only") else params.get("cutoff")
    return cutoff


def score_run(run: Run, qrels: Qrels, measures: Sequence[str]) -> Mapping[str, Mapping[str, float]]:
    """Return measure -> query_id -> value, for every query of `qrels`, in the order of `qrels`.

    ir_measures gets `n - rank` as score, because alone it breaks ties in two ways and compares in float32. Grades below -1 are given
    as -1, which means the same (not relevant), because pytrec_eval writes outside its memory for them.

    Raises:
        NotEvaluableError: a query of the run came back without a value.
    """
    names = {_parse(name): name for name in measures}
    cutoffs = [_cutoff(name) for name in measures]
    limit = None if None in cutoffs else max(cutoff for cutoff in cutoffs if cutoff is not None)
    ranked = {}
    for query_id in qrels:
        doc_ids = run[query_id].doc_ids[:limit] if query_id in run else ()
        if doc_ids:
            ranked[query_id] = {doc_id: float(len(doc_ids) - rank) for rank, doc_id in enumerate(doc_ids)}
    grades = {query_id: {doc_id: max(grade, -1) for doc_id, grade in qrels[query_id].items()} for query_id in ranked}
    values: dict[str, dict[str, float]] = {name: {} for name in measures}
    if ranked:
        for row in _PIPELINE.iter_calc(list(names), grades, ranked):
            values[names[row.measure]][row.query_id] = float(row.value)
    for name, found in values.items():
        if missing := ranked.keys() - found.keys():
            raise NotEvaluableError(
                f"ir_measures gave no {name} for query {min(missing)!r}; check its grades in the qrels, or leave the measure out"
            )
    return {name: {query_id: found.get(query_id, 0.0) for query_id in qrels} for name, found in values.items()}
