"""Tables of queries and documents in files, and what is read from them."""

import csv
import gzip
import hashlib
import json
from collections.abc import Callable, Sequence

import pytest

from rerank_eval.types import Dataset

FULL = [
    "query_id,query,doc_id,title,document,relevance",
    "q1,red,d2,T,two,0",
    "q1,red,d1,,one,2",
    "q2,green,d2,T,two,1",
]


Make = Callable[..., str]


def texts_of(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.corpus.doc_ids, dataset.corpus.texts(), strict=True))


def orders_of(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    assert dataset.first_stage is not None
    return {query_id: ranking.doc_ids for query_id, ranking in dataset.first_stage.items()}


def id_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def as_objects(lines: Sequence[str]) -> list[str]:
    return [json.dumps(row) for row in csv.DictReader(lines)]


def writer(folders: pytest.TempPathFactory) -> Make:
    """Return what writes a file, each into a folder of its own, and gives its path."""

    def write(lines: Sequence[str] | str, name: str = "log.csv", end: str = "\n", bom: str = "") -> str:
        text = bom + (lines if isinstance(lines, str) else "".join(line + end for line in lines))
        path = folders.mktemp("triples") / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return str(path)

    return write
