"""TREC run and qrels files, read and written.

Formats: https://trec.nist.gov/data/qrels_eng/ (qrels) and trec_eval's README (runs).
"""

import gzip
import io
import math
import re
from pathlib import Path

from rerank_eval.errors import DataError
from rerank_eval.files.text_files import LineReader, Place, check_id
from rerank_eval.qrels import QrelsGatherer
from rerank_eval.types import Qrels, Ranking, Run

_PLAIN = re.compile("[0-9A-Za-z.+-]+")
_COLUMNS = re.compile("[ \t]+")  # not str.split(): it also splits at a no-break space, which ids may contain


def read_qrels(path: Path, reader: LineReader | None = None) -> Qrels:
    """Return the judgments of a TREC file (four columns) or a BEIR table (header, three columns separated by tabs).

    Every line has as many columns as the first.

    Raises:
        DataError: wrong column count, a relevance that is no integer, or two judgments of one pair that disagree.
    """
    reader = reader or LineReader()
    gathered = QrelsGatherer()
    first_count = 0

    def parse(line: str) -> tuple[str, str, int] | None:
        nonlocal first_count
        columns = _split_judgment(line)
        first_count = first_count or (len(columns) if len(columns) in (3, 4) else 0)
        if len(columns) != first_count and first_count:  # a line that lost its grade would be one of the other form
            raise ValueError(f"{len(columns)} columns where the first line has {first_count}")
        return _parse_judgment(columns)

    is_first = True
    for number, record in reader.records(path, parse):
        if record is not None:
            reader.dropped_duplicates += not gathered.add(Place(path, number), *record)
        elif not is_first:
            raise DataError("a header inside the file", path, number)
        is_first = False
    return gathered.qrels


def _split_judgment(line: str) -> list[str]:
    # a line with tabs is split at tabs alone: an id with a space, or none at all, must be refused
    return line.split("\t") if "\t" in line else _COLUMNS.split(line.strip(" "))


def _parse_judgment(columns: list[str]) -> tuple[str, str, int] | None:
    if columns[0] == "query-id" and len(columns) == 3:
        return None
    if len(columns) == 4:
        query_id, _, doc_id, relevance = columns
    elif len(columns) == 3:
        query_id, doc_id, relevance = columns
    else:
        raise ValueError(f"{len(columns)} columns where qrels have 4 (TREC) or 3 (BEIR)")
    if not re.fullmatch("-?[0-9]{1,4}", relevance):
        raise ValueError("the relevance must be an integer between -9999 and 9999")
    return check_id(query_id, "query_id"), check_id(doc_id, "doc_id"), int(relevance)


def read_run(path: Path, reader: LineReader | None = None) -> Run:
    """Return the rankings of a TREC run; the order comes from the scores, the rank column is ignored as in trec_eval.

    Raises:
        DataError: wrong column count, a score that is no finite number, or a document twice with different scores.
    """
    reader = reader or LineReader()
    scores: dict[str, dict[str, float]] = {}
    first_lines: dict[tuple[str, str], int] = {}
    for number, (query_id, doc_id, score) in reader.records(path, _parse_scored):
        known = scores.setdefault(query_id, {})
        if doc_id in known:
            if known[doc_id] != score:
                first = first_lines[query_id, doc_id]
                raise DataError(
                    f"query {query_id!r} has document {doc_id!r} again with another score than in line {first}",
                    path,
                    number,
                )
            reader.dropped_duplicates += 1
            continue
        known[doc_id] = score
        first_lines[query_id, doc_id] = number
    return {query_id: Ranking(docs.items()) for query_id, docs in scores.items()}


def _parse_scored(line: str) -> tuple[str, str, float]:
    columns = _COLUMNS.split(line.strip(" \t"))
    if len(columns) != 6:
        raise ValueError(f"{len(columns)} columns where a run has 6")
    query_id, _, doc_id, _, text, _ = columns
    try:
        # float() would read 1_0, other scripts' digits, blanks around
        score = float(text if _PLAIN.fullmatch(text) else "?")
    except ValueError:
        raise ValueError("the score must be a number") from None
    if not math.isfinite(score):
        raise ValueError("the score must be finite")
    return check_id(query_id, "query_id"), check_id(doc_id, "doc_id"), score


def format_run(run: Run, system: str) -> bytes:
    """Return the gzip-compressed TREC run; equal rankings give equal bytes.

    The scores are `n - rank`: trec_eval compares in float32, where scores that are nearly equal would tie and change places.
    """
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as file:
        for query_id in sorted(run):
            for rank, doc in enumerate(Ranking.from_order(run[query_id].doc_ids), start=1):
                file.write(f"{query_id} Q0 {doc.doc_id} {rank} {doc.score!r} {system}\n".encode())
    return buffer.getvalue()
