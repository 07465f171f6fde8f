"""A folder in BEIR layout (Thakur et al., 2021): corpus.jsonl, queries.jsonl, qrels/<split>.tsv; each may end in .gz.

Reference answers may lie beside them, in answers.jsonl.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rerank_eval.conventions import Conventions
from rerank_eval.corpus import Corpus
from rerank_eval.datasets.gathering import QueryTexts, assemble, gather_corpus
from rerank_eval.datasets.json_objects import parse_object, string_field
from rerank_eval.datasets.reference_answers import read_reference_answers
from rerank_eval.errors import ConfigError, DataError, nearest
from rerank_eval.files.paths import check_name
from rerank_eval.files.text_files import LineReader, OnBadLine, Place, check_id
from rerank_eval.trec import read_qrels
from rerank_eval.types import Dataset

_QRELS_ENDINGS = (".tsv", ".tsv.gz", ".trec", ".trec.gz", ".txt", ".txt.gz", ".qrels", ".qrels.gz")


class _Record(NamedTuple):
    id: str
    text: str


def load_beir_dir(
    path: str,
    split: str | None = "test",
    name: str | None = None,
    relevance_level: int = 1,
    titles: bool = True,
    removes_query_document: bool = False,
    published_bm25: Mapping[str, float] | None = None,
    part_of: str | None = None,
    on_bad_line: OnBadLine = "error",
) -> Dataset:
    """Return the dataset: all documents (title, where `titles` says so, and text joined by a space), and the queries that `split` has judgments for.

    Queries without a judgment are left out, and counted, as in BEIR; so are their reference answers. Without a split (None) nothing is
    judged: a query log.

    Raises:
        ConfigError: the folder or the split does not exist.
        DataError: a file is missing or a line is wrong (file:line).
    """
    conventions = Conventions(
        relevance_level=relevance_level,
        removes_query_document=removes_query_document,
        published_bm25=published_bm25 or {},
        part_of=part_of,
    )
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"dataset.path: {folder} is not a folder")
    reader = LineReader(on_bad_line)
    qrels = None if split is None else read_qrels(_find_qrels(folder, check_name(split, "dataset.split")), reader)
    queries = _read_queries(_find(folder, "queries"), reader)
    answers_path = _find_if_any(folder, "answers")
    answers = {} if answers_path is None else read_reference_answers(answers_path, reader, queries)
    corpus = _read_corpus(_find(folder, "corpus"), reader, titles)
    return assemble(
        name=check_name(name or folder.resolve().name, "dataset.name"),
        split=split or "",
        corpus=corpus,
        queries=queries,
        qrels=qrels,
        conventions=conventions,
        skipped_lines=reader.skipped_lines,
        dropped_duplicates=reader.dropped_duplicates + corpus.dropped_duplicates,
        reference_answers=answers,
    )


def _find(folder: Path, stem: str) -> Path:
    found = _find_if_any(folder, stem)
    if found is None:
        raise DataError(f"a folder in BEIR layout has {stem}.jsonl or {stem}.jsonl.gz; there is none", folder)
    return found


def _find_if_any(folder: Path, stem: str) -> Path | None:
    files = (folder / (stem + ending) for ending in (".jsonl", ".jsonl.gz"))
    return next((file for file in files if file.is_file()), None)


def _find_qrels(folder: Path, split: str) -> Path:
    for ending in _QRELS_ENDINGS:
        for parent in (folder / "qrels", folder):
            if (parent / (split + ending)).is_file():
                return parent / (split + ending)
    splits = [file.name.split(".")[0] for file in (folder / "qrels").glob("*") if file.name.endswith(_QRELS_ENDINGS)]
    raise ConfigError(f"dataset.split {split!r} has no file {folder / 'qrels' / split}.tsv: {nearest(split, splits)}")


def _read_corpus(path: Path, reader: LineReader, titles: bool) -> Corpus:
    def documents() -> Iterator[tuple[Place, str, str]]:
        for number, record in reader.records(path, lambda line: _document(parse_object(line), titles)):
            yield Place(path, number), *record

    return gather_corpus(documents)


def _read_queries(path: Path, reader: LineReader) -> QueryTexts:
    queries = QueryTexts()
    for number, record in reader.records(path, lambda line: _query(parse_object(line))):
        if not queries.add(Place(path, number), *record):
            reader.dropped_duplicates += 1
    return queries


def _document(fields: dict[str, object], titles: bool) -> _Record:
    title, text = string_field(fields, "title", "") if titles else "", string_field(fields, "text")
    return _Record(check_id(fields.get("_id"), "_id"), f"{title} {text}" if title else text)


def _query(fields: dict[str, object]) -> _Record:
    return _Record(check_id(fields.get("_id"), "_id"), string_field(fields, "text"))
