"""Documents and queries gathered from records, with the rules that every source shares."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rerank_eval.conventions import Conventions
from rerank_eval.corpus import Corpus, replace_surrogates
from rerank_eval.errors import DataError, DuplicateIdError
from rerank_eval.files.text_files import Place
from rerank_eval.types import Dataset, LoadReport, Qrels, Query, Run


class QueryTexts:
    """The texts by query_id in the order they came, with lone surrogates replaced."""

    def __init__(self) -> None:
        """Begin without a query."""
        self._places: dict[str, Place] = {}
        self.texts: dict[str, str] = {}
        self.replaced_surrogates = 0

    def add(self, place: Place, query_id: str, raw: str) -> bool:
        """Return whether the query is new; one that came before must have the same text.

        Raises:
            DataError: it has another text; names both places.
        """
        text = replace_surrogates(raw)
        if query_id not in self.texts:
            self.texts[query_id] = text
            self._places[query_id] = place
            self.replaced_surrogates += text != raw
            return True
        if self.texts[query_id] != text:
            first = self._places[query_id].seen_from(place)
            raise DataError(
                f"query_id {query_id!r} comes twice with different texts (first {first}); keep one of the two", *place
            )
        return False

    def place(self, query_id: str) -> Place:
        """Return where the query came first."""
        return self._places[query_id]


def gather_corpus(read: Callable[[], Iterable[tuple[Place, str, str]]]) -> Corpus:
    """Return the corpus of what `read` gives: place, doc_id and text; a document that comes again must have the same text.

    Raises:
        DataError: it has another text; names both places.
        NotEvaluableError: the disk for temporary files is full.
    """
    here = Place("", 0)

    def pairs() -> Iterator[tuple[str, str]]:
        nonlocal here
        for place, doc_id, text in read():
            here = place
            yield doc_id, text

    try:
        return Corpus(pairs())
    except DuplicateIdError as error:  # read again: the place of every document would take more memory than the ids
        first = next((place for place, doc_id, _ in read() if doc_id == error.doc_id), here)
        raise DataError(f"{error} (first {first.seen_from(here)}); keep one of the two", *here) from error


def assemble(
    *,
    name: str,
    split: str,
    corpus: Corpus,
    queries: QueryTexts,
    qrels: Qrels | None,
    conventions: Conventions,
    skipped_lines: int = 0,
    dropped_duplicates: int = 0,
    unused_columns: tuple[str, ...] = (),
    named_columns: Mapping[str, str] | None = None,
    first_stage: Run | None = None,
    reference_answers: Mapping[str, Sequence[str]] | None = None,
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
        load_report=LoadReport(
            skipped_lines=skipped_lines,
            dropped_duplicates=dropped_duplicates,
            replaced_surrogates=corpus.replaced_surrogates + queries.replaced_surrogates,
            blank_documents=corpus.blank_documents,
            blank_queries=sum(not query.text.strip() for query in kept),
            unjudged_queries=len(texts) - len(kept),
            unknown_judged_queries=sum(query_id not in texts for query_id in qrels or {}),
            unused_columns=unused_columns,
            named_columns=named_columns or {},
        ),
        first_stage=first_stage,
        reference_answers={
            query.query_id: found for query in kept if (found := (reference_answers or {}).get(query.query_id))
        },
        **vars(conventions),
    )
