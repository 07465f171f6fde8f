"""Any collection that the package ir_datasets knows (MacAvaney et al., 2021), by its id."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rerank_eval.datasets.gathering import QueryTexts, assemble, check_relevance_level, gather_corpus
from rerank_eval.errors import ConfigError, DataError, MissingExtraError, NotEvaluableError, nearest, shortened
from rerank_eval.paths import check_name
from rerank_eval.textfiles import check_id
from rerank_eval.types import Dataset


def load_irds(
    id: str,
    document_fields: Sequence[str] | None = None,
    query_fields: Sequence[str] | None = None,
    name: str | None = None,
    relevance_level: int = 1,
) -> Dataset:
    """Return the documents, queries and judgments of an id of ir_datasets; without judgments there, a query log.

    A text is the named fields of the record joined by a space, or (None) what the package calls its default text: of documents
    mostly title and body, of TREC topics the title; blanks around it are dropped. The package downloads what is missing, verifies it, and keeps it in `$IR_DATASETS_HOME`. Queries
    without a judgment are left out, and counted.

    Raises:
        ConfigError: the package knows no such id, it has no documents or queries, or no such field; or is not installed.
        DataError: a record is wrong.
        NotEvaluableError: the package cannot get its files.
    """
    check_relevance_level(relevance_level)
    source = _open(id)
    dataset_name = check_name(name or id.replace("/", "-"), "dataset.name")
    text_of_document = _choose_text(source.docs_cls(), document_fields, "document_fields")
    text_of_query = _choose_text(source.queries_cls(), query_fields, "query_fields")
    qrels = _read_qrels(source, id) if source.has_qrels() else None
    queries = QueryTexts(id)
    num_repeated = 0
    for number, query in _items(source, "queries", id):
        num_repeated += not queries.add(number, _id(query.query_id, "query_id", id, number), text_of_query(query))
    documents = (
        (number, _id(document.doc_id, "doc_id", id, number), text_of_document(document))
        for number, document in _items(source, "docs", id)
    )
    corpus = gather_corpus(documents, id)
    return assemble(
        name=dataset_name,
        split=id.rpartition("/")[2],
        corpus=corpus,
        queries=queries,
        qrels=qrels,
        relevance_level=relevance_level,
        dropped_duplicates=num_repeated + corpus.dropped_duplicates,
    )


def _open(id: str) -> Any:
    try:
        import ir_datasets
    except ImportError as error:
        raise MissingExtraError("ir_datasets", "irds") from error
    try:
        source = ir_datasets.load(id)
    except KeyError as error:
        raise ConfigError(
            f"dataset.id: ir_datasets knows no {id!r}: {shortened(nearest(id, ir_datasets.registry), 300)}"
        ) from error
    if not (source.has_docs() and source.has_queries()):
        within = [known for known in ir_datasets.registry if known.startswith(f"{id}/")]
        raise ConfigError(
            f"dataset.id: {id!r} has not both documents and queries: {shortened(nearest(id, within), 300)}"
        )
    return source


def _items(source: Any, kind: str, id: str) -> Iterator[tuple[int, Any]]:
    """Yield (number from 1, record); whatever the package raises becomes an error that names the id."""
    try:
        yield from enumerate(getattr(source, f"{kind}_iter")(), start=1)
    except Exception as error:
        raise NotEvaluableError(
            f"ir_datasets cannot give the {kind} of {id!r} ({type(error).__name__}: {shortened(str(error), 300)}); what must be "
            f"downloaded or fetched by hand: https://ir-datasets.com/{id.partition('/')[0]}.html"
        ) from error


def _read_qrels(source: Any, id: str) -> Mapping[str, Mapping[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for number, qrel in _items(source, "qrels", id):
        if not isinstance(qrel.relevance, int):
            raise DataError(f"the relevance {qrel.relevance!r} is no integer", f"{id} qrels", number)
        grades = qrels.setdefault(qrel.query_id, {})
        if grades.setdefault(qrel.doc_id, qrel.relevance) != qrel.relevance:
            raise DataError(
                f"query {qrel.query_id!r}, document {qrel.doc_id!r} is judged {qrel.relevance} here and "
                f"{grades[qrel.doc_id]} before",
                f"{id} qrels",
                number,
            )
    return qrels


def _id(value: object, what: str, id: str, number: int) -> str:
    try:
        return check_id(value, what)
    except ValueError as error:
        raise DataError(f"{error}: {shortened(str(value))}", id, number) from error


def _choose_text(record_class: Any, fields: Sequence[str] | None, setting: str) -> Callable[[Any], str]:
    """Return what gives the text of a record.

    Raises:
        ConfigError: the records lack a field, or have no default text.
    """
    known = [field for field in record_class._fields if not field.endswith("_id")]
    if fields is None:
        if not hasattr(record_class, "default_text"):
            raise ConfigError(f"dataset.{setting}: ir_datasets names no default text; choose from {', '.join(known)}")
        return lambda record: str(record.default_text()).strip()
    for field in fields:
        if field not in known:
            raise ConfigError(f"dataset.{setting} has {field!r}: {nearest(field, known)}")
    return lambda record: " ".join(str(getattr(record, field)) for field in fields).strip()
