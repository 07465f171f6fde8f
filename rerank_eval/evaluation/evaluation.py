"""What is evaluated: data, first stage and settings, checked and fixed before the first query is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rerank_eval.candidates import check_candidates, make_request
from rerank_eval.errors import ConfigError, NotEvaluableError
from rerank_eval.findings import Findings
from rerank_eval.fingerprint import fingerprint
from rerank_eval.measures import parse_measures, score_run
from rerank_eval.parts import all_parts, show_dataset
from rerank_eval.protocols import BuildsIndex, HasFindings, Progress, Retriever
from rerank_eval.rank_change import RANK_CHANGE_MEASURES, compare_run
from rerank_eval.settings import Settings
from rerank_eval.types import Dataset, Query, Ranking, Request, Run

_ATTRIBUTES = {"name": str, "searches": bool}


@dataclass(frozen=True)
class Evaluation:
    """One dataset, one first stage with its run over all queries, the settings, and the measures by their full names.

    Without judgments the measures are those of `rank_change`, whatever the settings name.
    """

    dataset: Dataset
    retriever: Retriever
    first_stage: Run
    settings: Settings
    measures: tuple[str, ...]
    findings: Mapping[str, Findings] = field(default_factory=dict)
    """What the first stage, or a part of it, says besides its run; by its name, a part's after a dot."""

    def request(self, query: Query, depth: int) -> Request:
        """Return what a reranker is asked for a query at a depth."""
        return make_request(query, self.first_stage[query.query_id], depth, self.dataset.corpus)

    def score(self, run: Run, measures: Sequence[str]) -> Mapping[str, Mapping[str, float]]:
        """Return measure -> query_id -> value over the queries of `run`; without judgments how far it is from the first stage."""
        if not self.dataset.is_judged:
            return compare_run(run, self.first_stage)
        qrels = {query_id: grades for query_id, grades in self.dataset.qrels.items() if query_id in run}
        return score_run(run, qrels, measures)


def prepare(dataset: Dataset, retriever: Retriever, settings: Settings, progress: Progress) -> Evaluation:
    """Run the first stage and return the evaluation; a query that the first stage has nothing for gets an empty ranking.

    Raises:
        ConfigError: the dataset is none; the retriever, or a part of it, lacks what `protocols.Retriever` asks for, or its identity is not plain.
        DataError: the first stage returned a document that the corpus lacks.
        NotEvaluableError: there is no query with a judgment, or the first stage found nothing at all.
    """
    check_dataset(dataset)
    retriever = show_dataset(retriever, dataset)
    _check_retrievers(retriever)
    fingerprint(retriever.identity())  # one that is not plain is refused before anything is asked
    measures = parse_measures(settings.measures, dataset.relevance_level)
    if not dataset.queries:
        raise NotEvaluableError(f"{dataset.name} has no query with a judgment in the split {dataset.split!r}")
    parts = dict(all_parts(retriever.name, retriever))
    for part in parts.values():
        if isinstance(part, BuildsIndex):
            part.build_index(dataset.corpus, progress)
    progress.start(f"first stage: {retriever.name}", 1)
    depth = settings.first_stage_depth
    retrieved = retriever.retrieve(dataset, depth + dataset.removes_query_document)
    for query_id, ranking in retrieved.items():
        if not isinstance(ranking, Ranking):
            raise ConfigError(
                f"{retriever.name} returned {type(ranking).__name__} for query {query_id!r}; retrieve() must return a Ranking per query"
            )
    empty = Ranking(())
    first_stage = {
        query.query_id: Ranking(dataset.candidates(query.query_id, retrieved.get(query.query_id, empty))[:depth])
        for query in dataset.queries
    }
    if not any(first_stage.values()):
        hint = (
            "do queries and documents have words in common, or are its settings far out?"
            if retriever.searches
            else "do its query ids fit the dataset?"
        )
        raise NotEvaluableError(f"{retriever.name} found no candidate for any query; {hint}")
    check_candidates(first_stage, dataset.corpus)
    findings = {name: part.findings(dataset) for name, part in parts.items() if isinstance(part, HasFindings)}
    for name, found in findings.items():
        if not isinstance(found, Findings):
            raise ConfigError(f"the retriever {name}: findings() returned {type(found).__name__} instead of Findings")
    measures = measures if dataset.is_judged else RANK_CHANGE_MEASURES
    return Evaluation(dataset, retriever, first_stage, settings, measures, findings)


def check_dataset(dataset: object) -> None:
    """Check that a dataset, which may be what a function of the user's own returned, is one.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(dataset, Dataset):
        raise ConfigError(f"the dataset's _target_ returned {type(dataset).__name__}, not a rerank_eval.types.Dataset")


def _check_retrievers(retriever: Retriever) -> None:
    """Check a first stage that may be a class of the user's own, and what it is made of before itself."""
    root = getattr(retriever, "name", None)
    for name, part in all_parts(root if isinstance(root, str) else type(retriever).__name__, retriever):
        wrong = [
            *(key for key, kind in _ATTRIBUTES.items() if not isinstance(getattr(part, key, None), kind)),
            *(key for key in ("retrieve", "identity") if not callable(getattr(part, key, None))),
        ]
        if wrong:
            raise ConfigError(
                f"the retriever {name} ({type(part).__name__}) has no valid {wrong[0]}; it needs name, searches (True or False), "
                "retrieve(dataset, depth) and identity()"
            )
