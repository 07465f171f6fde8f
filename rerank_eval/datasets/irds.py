"""Any collection that the package ir_datasets knows (MacAvaney et al., 2021), by its id."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from rerank_eval.conventions import Conventions
from rerank_eval.datasets.gathering import QueryTexts, assemble, gather_corpus
from rerank_eval.errors import (
    ConfigError,
    MissingExtraError,
    NotEvaluableError,
    UnreachableError,
    causes,
    nearest,
    shortened,
)
from rerank_eval.files.paths import check_name
from rerank_eval.files.text_files import LineReader, Place, check_id
from rerank_eval.qrels import QrelsGatherer, check_relevance
from rerank_eval.types import Dataset, Qrels


def load_irds(
    id: str,
    document_fields: Sequence[str] | None = None,
    query_fields: Sequence[str] | None = None,
    name: str | None = None,
    relevance_level: int = 1,
    removes_query_document: bool = False,
    published_bm25: Mapping[str, float] | None = None,
    part_of: str | None = None,
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
    conventions = Conventions(
        relevance_level=relevance_level,
        removes_query_document=removes_query_document,
        published_bm25=published_bm25 or {},
        part_of=part_of,
    )
    source = _open(id)
    dataset_name = check_name(name or id.replace("/", "-"), "dataset.name")
    text_of_document = _choose_text(source.docs_cls(), document_fields, "document_fields")
    text_of_query = _choose_text(source.queries_cls(), query_fields, "query_fields")
    reader = LineReader()
    qrels = _read_qrels(source, id, reader) if source.has_qrels() else None
    queries = QueryTexts()
    for number, (query_id, text) in reader.parse_all(
        id, _items(source, "queries", id), lambda query: (check_id(query.query_id, "query_id"), text_of_query(query))
    ):
        reader.dropped_duplicates += not queries.add(Place(id, number), query_id, text)

    def documents() -> Iterator[tuple[Place, str, str]]:
        for number, (doc_id, text) in reader.parse_all(
            id,
            _items(source, "docs", id),
            lambda document: (check_id(document.doc_id, "doc_id"), text_of_document(document)),
        ):
            yield Place(id, number), doc_id, text

    corpus = gather_corpus(documents)
    return assemble(
        name=dataset_name,
        split=id.rpartition("/")[2],
        corpus=corpus,
        queries=queries,
        qrels=qrels,
        conventions=conventions,
        dropped_duplicates=reader.dropped_duplicates + corpus.dropped_duplicates,
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
    logger = logging.getLogger("ir_datasets")
    logger.addFilter(_is_no_failed_try)
    try:
        yield from enumerate(getattr(source, f"{kind}_iter")(), start=1)
    except Exception as error:
        host = _unreachable_host(error)
        if host is not None:
            raise UnreachableError(
                f"cannot reach {host} for the {kind} of {id!r}, which ir_datasets downloads; check the network and try again. Without "
                "a network there are dataset=helpdesk, files of your own, and what was downloaded before",
                host,
            ) from error
        raise NotEvaluableError(
            f"ir_datasets cannot give the {kind} of {id!r} ({type(error).__name__}: {shortened(str(error), 300)}); what must be "
            f"downloaded or fetched by hand: https://ir-datasets.com/{id.partition('/')[0]}.html"
        ) from error
    finally:
        logger.removeFilter(_is_no_failed_try)


def _is_no_failed_try(record: logging.LogRecord) -> bool:
    """Return whether the package says something other than that a download failed, which the error says."""
    return not record.getMessage().lower().startswith(("download failed", "download error"))


def _unreachable_host(error: Exception) -> str | None:
    """Return the host that no connection could be made to; None where that is not what every download failed of."""
    import requests

    for cause in causes(error):
        last = cause.args[-1] if cause.args else None
        # of several mirrors the package raises one error with a list of (mirror, error)
        faults = [fault for _, fault in last] if type(cause) is RuntimeError and isinstance(last, list) else [cause]
        urls = [
            fault.request.url
            for fault in faults
            if isinstance(fault, requests.ConnectionError | requests.Timeout) and fault.request is not None
        ]
        if urls and len(urls) == len(faults):
            return urlsplit(str(urls[0])).hostname
    return None


def _read_qrels(source: Any, id: str, reader: LineReader) -> Qrels:
    where = f"{id} qrels"
    gathered = QrelsGatherer()
    for number, judgment in reader.parse_all(where, _items(source, "qrels", id), _parse_judgment):
        reader.dropped_duplicates += not gathered.add(Place(where, number), *judgment)
    return gathered.qrels


def _parse_judgment(qrel: Any) -> tuple[str, str, int]:
    return (
        check_id(qrel.query_id, "query_id"),
        check_id(qrel.doc_id, "doc_id"),
        check_relevance(qrel.relevance, "the relevance"),
    )


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
