"""Documents and queries gathered from records, with the rules that every source shares."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from rerank_eval.corpus import Corpus, replace_surrogates
from rerank_eval.errors import ConfigError, DataError, DuplicateIdError
from rerank_eval.types import Dataset, LoadReport, Qrels, Query, Run


class QueryTexts:
    """The texts by query_id in the order they came, with lone surrogates replaced."""

    def __init__(self, path: Path | str) -> None:
        """Name the source, for messages."""
        self._path = path
        self._lines: dict[str, int] = {}
        self.texts: dict[str, str] = {}
        self.replaced_surrogates = 0

    def add(self, line: int, query_id: str, raw: str) -> bool:
        """Return whether the query is new; one that came before must have the same text.

        Raises:
            DataError: it has another text; names both lines.
        """
        text = replace_surrogates(raw)
        if query_id not in self.texts:
            self.texts[query_id] = text
            self._lines[query_id] = line
            self.replaced_surrogates += text != raw
            return True
        if self.texts[query_id] != text:
            raise DataError(
                f"query_id {query_id!r} comes twice with different texts (first in line {self._lines[query_id]}); "
                "keep one of the two",
                self._path,
                line,
            )
        return False

    def line(self, query_id: str) -> int:
        """Return where the query came first."""
        return self._lines[query_id]


def gather_corpus(documents: Iterable[tuple[int, str, str]], path: Path | str) -> Corpus:
    """Return the corpus of (line, doc_id, text); a document that comes again must have the same text.

    Raises:
        DataError: it has another text; names both lines.
    """
    lines: dict[str, int] = {}
    current = 0

    def pairs() -> Iterator[tuple[str, str]]:
        nonlocal current
        for current, doc_id, text in documents:
            yield doc_id, text
            lines.setdefault(doc_id, current)

    try:
        return Corpus(pairs())
    except DuplicateIdError as error:
        first = lines[error.doc_id]
        raise DataError(f"{error} (first in line {first}); keep one of the two", path, current) from error


def check_relevance_level(level: object) -> int:
    """Return `level` if it can be the lowest grade that counts as relevant.

    Raises:
        ConfigError: it is no integer between 1 and 9999.
    """
    if not isinstance(level, int) or isinstance(level, bool) or not 1 <= level <= 9999:
        raise ConfigError(f"dataset.relevance_level is {level!r}; it must be an integer between 1 and 9999")
    return level


def assemble(
    *,
    name: str,
    split: str,
    corpus: Corpus,
    queries: QueryTexts,
    qrels: Qrels | None,
    relevance_level: int,
    skipped_lines: int = 0,
    dropped_duplicates: int = 0,
    first_stage: Run | None = None,
) -> Dataset:
    """Return the dataset of the queries that have a judgment; the others are left out, and counted.

    Where there are no judgments (None) all queries are there, and the split is called "unjudged".
    """
    texts = queries.texts
    kept = tuple(Query(query_id, text) for query_id, text in texts.items() if qrels is None or query_id in qrels)
    return Dataset(
        name=name,
        split="unjudged" if qrels is None else split,
        corpus=corpus,
        queries=kept,
        qrels={} if qrels is None else {query.query_id: qrels[query.query_id] for query in kept},
        relevance_level=relevance_level,
        load_report=LoadReport(
            skipped_lines=skipped_lines,
            dropped_duplicates=dropped_duplicates,
            replaced_surrogates=corpus.replaced_surrogates + queries.replaced_surrogates,
            blank_documents=corpus.blank_documents,
            blank_queries=sum(not query.text.strip() for query in kept),
            unjudged_queries=len(texts) - len(kept),
            unknown_judged_queries=sum(query_id not in texts for query_id in qrels or {}),
        ),
        first_stage=first_stage,
    )
