"""A folder in BEIR layout (Thakur et al., 2021): corpus.jsonl, queries.jsonl, qrels/<split>.tsv; each may end in .gz."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from rerank_eval.corpus import Corpus, replace_surrogates
from rerank_eval.errors import ConfigError, DataError, DuplicateIdError, nearest
from rerank_eval.paths import check_name
from rerank_eval.textfiles import LineReader, OnBadLine, check_id
from rerank_eval.trec import read_qrels
from rerank_eval.types import Dataset, LoadReport, Query

_QRELS_ENDINGS = (".tsv", ".tsv.gz", ".trec", ".trec.gz", ".txt", ".txt.gz", ".qrels", ".qrels.gz")


class _Record(NamedTuple):
    id: str
    text: str


def load_beir_dir(
    path: str,
    split: str = "test",
    name: str | None = None,
    relevance_level: int = 1,
    on_bad_line: OnBadLine = "error",
) -> Dataset:
    """Return the dataset: all documents (title and text joined by a space), and the queries that `split` has judgments for.

    Queries without a judgment are left out, and counted, as in BEIR.

    Raises:
        ConfigError: the folder or the split does not exist.
        DataError: a file is missing or a line is wrong (file:line).
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"dataset.path: {folder} is not a folder")
    if not isinstance(relevance_level, int) or not 1 <= relevance_level <= 9999:
        raise ConfigError(f"dataset.relevance_level is {relevance_level!r}; it must be an integer between 1 and 9999")
    qrels_path = _find_qrels(folder, check_name(split, "dataset.split"))
    reader = LineReader(on_bad_line)
    qrels = read_qrels(qrels_path, reader)
    all_queries, replaced_in_queries = _read_queries(_find(folder, "queries"), reader)
    corpus = _read_corpus(_find(folder, "corpus"), reader)
    queries = tuple(Query(query_id, text) for query_id, text in all_queries.items() if query_id in qrels)
    return Dataset(
        name=check_name(name or folder.resolve().name, "dataset.name"),
        split=split,
        corpus=corpus,
        queries=queries,
        qrels={query.query_id: qrels[query.query_id] for query in queries},
        relevance_level=relevance_level,
        load_report=LoadReport(
            skipped_lines=reader.skipped_lines,
            dropped_duplicates=reader.dropped_duplicates + corpus.dropped_duplicates,
            replaced_surrogates=corpus.replaced_surrogates + replaced_in_queries,
            blank_documents=corpus.blank_documents,
            blank_queries=sum(not query.text.strip() for query in queries),
            unjudged_queries=len(all_queries) - len(queries),
            unknown_judged_queries=sum(query_id not in all_queries for query_id in qrels),
        ),
    )


def _find(folder: Path, stem: str) -> Path:
    for ending in (".jsonl", ".jsonl.gz"):
        if (folder / (stem + ending)).is_file():
            return folder / (stem + ending)
    raise DataError(f"a folder in BEIR layout has {stem}.jsonl or {stem}.jsonl.gz; there is none", folder)


def _find_qrels(folder: Path, split: str) -> Path:
    for ending in _QRELS_ENDINGS:
        for parent in (folder / "qrels", folder):
            if (parent / (split + ending)).is_file():
                return parent / (split + ending)
    splits = [file.name.split(".")[0] for file in (folder / "qrels").glob("*") if file.name.endswith(_QRELS_ENDINGS)]
    raise ConfigError(f"dataset.split {split!r} has no file {folder / 'qrels' / split}.tsv: {nearest(split, splits)}")


def _read_corpus(path: Path, reader: LineReader) -> Corpus:
    lines: dict[str, int] = {}
    current = 0

    def documents() -> Iterator[tuple[str, str]]:
        nonlocal current
        for current, record in reader.records(path, _parse(_document)):
            yield record
            lines.setdefault(record.id, current)

    try:
        return Corpus(documents())
    except DuplicateIdError as error:
        first = lines[error.doc_id]
        raise DataError(f"{error} (first in line {first}); keep one of the two", path, current) from error


def _read_queries(path: Path, reader: LineReader) -> tuple[dict[str, str], int]:
    """Return the texts by query_id, and in how many of them surrogates were replaced."""
    queries: dict[str, str] = {}
    lines: dict[str, int] = {}
    replaced = 0
    for number, (query_id, raw) in reader.records(path, _parse(_query)):
        text = replace_surrogates(raw)
        replaced += text != raw
        if query_id not in queries:
            queries[query_id] = text
            lines[query_id] = number
        elif queries[query_id] == text:
            reader.dropped_duplicates += 1
        else:
            raise DataError(
                f"query_id {query_id!r} comes twice with different texts (first in line {lines[query_id]}); "
                "keep one of the two",
                path,
                number,
            )
    return queries, replaced


def _parse(make: Callable[[dict[str, object]], _Record]) -> Callable[[str], _Record]:
    def parse(line: str) -> _Record:
        try:
            fields = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"not JSON ({getattr(error, 'msg', 'nested too deep')})") from error
        if not isinstance(fields, dict):
            raise ValueError("not a JSON object")
        return make(fields)

    return parse


def _document(fields: dict[str, object]) -> _Record:
    title, text = _string(fields, "title", ""), _string(fields, "text", None)
    return _Record(check_id(fields.get("_id"), "_id"), f"{title} {text}" if title else text)


def _query(fields: dict[str, object]) -> _Record:
    return _Record(check_id(fields.get("_id"), "_id"), _string(fields, "text", None))


def _string(fields: dict[str, object], key: str, default: str | None) -> str:
    value = fields.get(key, default)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise ValueError(f"{key!r} must be a string")
    return value
