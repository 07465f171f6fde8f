"""Recorded candidates with their texts, as RankLLM writes them (retrieve_results), and TREC qrels.

Formats: castorini/rank_llm, `src/rank_llm/data.py` (query, candidates), and its older files (query, hits).
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rerank_eval.conventions import Conventions
from rerank_eval.datasets.gathering import QueryTexts, assemble, gather_corpus
from rerank_eval.datasets.hub_files import HubRepository
from rerank_eval.datasets.json_objects import as_object, holds_list, parse_object, read_list, string_field
from rerank_eval.errors import ConfigError, DataError
from rerank_eval.files.paths import check_name
from rerank_eval.files.text_files import LineReader, OnBadLine, Place, check_can_be_read_again, check_id
from rerank_eval.protocols import Progress
from rerank_eval.trec import read_qrels
from rerank_eval.types import Dataset, Ranking

_HUB_FILE = re.compile("hf://datasets/(?P<name>[^/@]+/[^/@]+)@(?P<commit>[^/]+)/(?P<file>.+)")
_TEXT_FIELDS = ("text", "segment", "contents", "content", "body", "passage")  # in RankLLM's order
_ID_FIELDS = ("id", "_id", "docid", "pid")


class _Hit(NamedTuple):
    doc_id: str
    text: str
    score: float


class _Record(NamedTuple):
    query_id: str
    query: str
    hits: tuple[_Hit, ...]


def load_candidates(
    path: str,
    qrels: str | None = None,
    name: str | None = None,
    relevance_level: int = 1,
    removes_query_document: bool = False,
    published_bm25: Mapping[str, float] | None = None,
    part_of: str | None = None,
    cache_dir: str | None = None,
    offline: bool = False,
    on_bad_line: OnBadLine = "error",
    progress: Progress | None = None,
) -> Dataset:
    """Return the dataset whose corpus is the union of all hits, and whose first stage is the recorded run.

    `path` and `qrels` are local files, or files of a dataset repository on the hub at a commit, written
    hf://datasets/OWNER/NAME@COMMIT/FILE: these are downloaded once, verified, and kept in `cache_dir`.

    The order of a query's hits comes from their scores, as in a TREC run; without scores from their ranks, without these from
    the list. A document's title and text are joined by a space. Queries without a judgment are left out, and counted; without
    qrels (None) nothing is judged: a query log.

    Raises:
        ConfigError: a setting is wrong, or the hub has no such file.
        DataError: a file is missing, or a record or line is wrong (file:line).
        NotEvaluableError: the hub cannot be reached or fails.
    """
    conventions = Conventions(
        relevance_level=relevance_level,
        removes_query_document=removes_query_document,
        published_bm25=published_bm25 or {},
        part_of=part_of,
    )
    reader = LineReader(on_bad_line)
    file = _find(path, "path", cache_dir, offline, progress)
    check_can_be_read_again(file)
    qrels_file = None if qrels is None else _find(qrels, "qrels", cache_dir, offline, progress)
    dataset_name = check_name(name or _stem(file), "dataset.name")
    judgments = None if qrels_file is None else read_qrels(qrels_file, reader)
    queries = QueryTexts()
    run: dict[str, Ranking] = {}
    corpus = gather_corpus(lambda: _gather(file, reader, queries, run))
    return assemble(
        name=dataset_name,
        split="" if qrels_file is None else _stem(qrels_file),
        corpus=corpus,
        queries=queries,
        qrels=judgments,
        conventions=conventions,
        skipped_lines=reader.skipped_lines,
        dropped_duplicates=reader.dropped_duplicates,
        first_stage=run,
    )


def _find(where: str, setting: str, cache_dir: str | None, offline: bool, progress: Progress | None) -> Path:
    if not where.startswith("hf://"):
        return Path(where).expanduser()
    found = _HUB_FILE.fullmatch(where)
    if found is None:
        raise ConfigError(f"dataset.{setting} is {where!r}; a file on the hub is hf://datasets/OWNER/NAME@COMMIT/FILE")
    return HubRepository(found["name"], found["commit"], cache_dir, offline, progress).fetch(found["file"])


def _stem(file: Path) -> str:
    name = file.name.removesuffix(".gz")
    return name.removesuffix(Path(name).suffix)


def _gather(
    file: Path, reader: LineReader, queries: QueryTexts, run: dict[str, Ranking]
) -> Iterator[tuple[Place, str, str]]:
    """Yield (place, doc_id, text) of every hit, filling `queries` and `run` on the way."""
    if holds_list(file):
        records = reader.parse_all(file, read_list(file), lambda value: _parse(as_object(value)))
    else:
        records = reader.records(file, lambda line: _parse(parse_object(line)))
    for line, record in records:
        place = Place(file, line)
        ranking = _rank(record, reader, place)
        if queries.add(place, record.query_id, record.query):
            run[record.query_id] = ranking
        elif run[record.query_id] == ranking:
            reader.dropped_duplicates += 1
        else:
            raise DataError(
                f"query {record.query_id!r} has other hits than in line {queries.place(record.query_id).line}; keep one of the two",
                *place,
            )
        for hit in record.hits:
            yield place, hit.doc_id, hit.text


def _rank(record: _Record, reader: LineReader, place: Place) -> Ranking:
    scores: dict[str, float] = {}
    for hit in record.hits:
        if scores.setdefault(hit.doc_id, hit.score) != hit.score:
            raise DataError(
                f"query {record.query_id!r} has document {hit.doc_id!r} twice, with different scores or ranks; keep one of the two",
                *place,
            )
    reader.dropped_duplicates += len(record.hits) - len(scores)
    return Ranking(scores.items())


def _parse(fields: Mapping[str, object]) -> _Record:
    hits = [as_object(hit) for hit in _list_hits(fields)]
    query = fields.get("query")
    if isinstance(query, dict):
        query_id, text = query.get("qid"), string_field(query, "text")
    else:
        query_id, text = hits[0].get("qid") if hits else None, string_field(fields, "query")
    if any(check_id(hit["qid"], "qid") != check_id(query_id, "qid") for hit in hits if "qid" in hit):
        raise ValueError("the hits have several qids")
    scores = _read_scores(hits)
    doc_ids = [check_id(hit.get("docid"), "docid") for hit in hits]
    texts = [_read_text(hit, doc_id) for hit, doc_id in zip(hits, doc_ids, strict=True)]
    return _Record(check_id(query_id, "qid"), text, tuple(map(_Hit, doc_ids, texts, scores)))


def _list_hits(fields: Mapping[str, object]) -> Sequence[object]:
    hits = fields.get("candidates", fields.get("hits"))
    if not isinstance(hits, list):
        raise ValueError("'candidates' (or, in older files, 'hits') must be a list")
    return hits


def _read_scores(hits: Sequence[Mapping[str, object]]) -> list[float]:
    """Return one number per hit, higher is better, whichever of score, rank and place in the list there is."""
    for field, sign in (("score", 1), ("rank", -1)):
        if any(hit.get(field) is not None for hit in hits):
            return [sign * _number(hit.get(field), field) for hit in hits]
    return [float(-place) for place in range(len(hits))]


def _number(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{field!r} must be a number, in every hit or in none")
    number = float(value) if abs(value) < 1e300 else math.inf  # an integer may be too large for a float
    if not math.isfinite(number):
        raise ValueError(f"{field!r} must be finite")
    return number


def _read_text(hit: Mapping[str, object], doc_id: str) -> str:
    content = hit.get("doc", hit.get("content"))
    if isinstance(content, str):
        content = _unpack(content, doc_id) or {"text": content}
    if not isinstance(content, dict):
        raise ValueError("a hit needs its text in 'doc' (or, in older files, in 'content')")
    for field in _TEXT_FIELDS:
        if field in content:
            title, text = string_field(content, "title", ""), string_field(content, field)
            return f"{title} {text}" if title else text
    raise ValueError(f"a document has its text in one of the fields {', '.join(_TEXT_FIELDS)}; there is none")


def _unpack(content: str, doc_id: str) -> dict[str, object] | None:
    """Return the document that `content` is where it is the JSON of an index, which names the document itself; else None."""
    if not content.startswith("{"):
        return None
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    ids = [fields[field] for field in _ID_FIELDS if field in fields]
    # an index may number its documents, where the hit has a string
    return fields if any(type(id) in (str, int) and str(id) == doc_id for id in ids) else None
