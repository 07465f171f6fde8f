"""Recorded candidates as RankLLM writes them, older and newer, in files."""

import gzip
import json
from collections.abc import Callable, Sequence

import pytest

from rerank_eval.types import Dataset

QRELS = "1 0 a 3\n2 0 c 1\n"


OLDER = [
    {
        "query": "red",
        "hits": [
            {"content": "one", "qid": 1, "docid": "a", "rank": 1, "score": 2.5},
            {"content": "two", "qid": 1, "docid": "b", "rank": 2, "score": 1},
        ],
    },
    {"query": "green", "hits": [{"content": "three", "qid": 2, "docid": "c", "rank": 1, "score": 9.0}]},
]


NEWER = [
    {
        "query": {"text": "red", "qid": "1"},
        "candidates": [
            {"docid": "a", "score": 2.5, "doc": {"contents": "one"}},
            {"docid": "b", "score": 1, "doc": {"title": "", "text": "two"}},
        ],
    },
    {"query": {"text": "green", "qid": 2}, "candidates": [{"docid": "c", "score": 9.0, "doc": "three"}]},
]


Make = Callable[..., str]


def as_lines(records: Sequence[object]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def texts_of(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.corpus.doc_ids, dataset.corpus.texts(), strict=True))


def hit(doc_id: object = "a", score: object = 1.0, doc: object = "one", **others: object) -> dict[str, object]:
    return {"docid": doc_id, "score": score, "doc": doc, **others}


def record(*hits: object, query_id: object = "1", text: object = "red") -> dict[str, object]:
    return {"query": {"text": text, "qid": query_id}, "candidates": list(hits)}


def writer(folders: pytest.TempPathFactory) -> Make:
    """Return what writes a file, each into a folder of its own, and gives its path."""

    def write(content: str | Sequence[object], name: str = "bm25.json") -> str:
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        path = folders.mktemp("candidates") / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return str(path)

    return write
