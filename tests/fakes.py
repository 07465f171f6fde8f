"""A small dataset, a first stage and rerankers for tests; no model, no clock, no network."""

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rerank_eval.corpus import Corpus
from rerank_eval.types import Dataset, Document, Query, Ranking, Request, Run, Scores, Usage

SYLLABLES = ("bill", "pass", "word", "plan", "key", "mail", "team", "port", "sign", "card", "code")


def make_dataset(num_queries: int = 6, num_documents: int = 12) -> Dataset:
    """Every query has three judged documents, with the grades 0 to 3; no two texts are equal."""
    texts = [f"{SYLLABLES[i % 11]} {SYLLABLES[i * 3 % 7]} number {i}" for i in range(num_documents)]
    return Dataset(
        name="tiny",
        split="test",
        corpus=Corpus((f"d{i:03}", text) for i, text in enumerate(texts)),
        queries=tuple(Query(f"q{i:03}", f"{SYLLABLES[i % 11]} question {i}") for i in range(num_queries)),
        qrels={
            f"q{i:03}": {f"d{(3 * i + 4 * j) % num_documents:03}": (i + j) % 4 for j in range(3)}
            for i in range(num_queries)
        },
    )


def make_request(query_id: str = "q1", text: str = "how", documents: Sequence[tuple[str, str]] = ()) -> Request:
    chosen = documents or [("d1", "one"), ("d2", "two"), ("d3", "three")]
    return Request(Query(query_id, text), tuple(Document(doc_id, body) for doc_id, body in chosen))


class FixedRetriever:
    """All documents for every query, in an order that is another one for each query."""

    name = "fixed"
    searches = True

    def __init__(self, without: Sequence[str] = (), most: int = 1000) -> None:
        self.without = without
        self.most = most

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        run = {}
        for query in dataset.queries:
            if query.query_id not in self.without:
                shift = int(query.query_id[1:]) * 5 % len(dataset.corpus)
                doc_ids = dataset.corpus.doc_ids[shift:] + dataset.corpus.doc_ids[:shift]
                run[query.query_id] = Ranking.from_order(doc_ids[: min(depth, self.most)])
        return run

    def identity(self) -> Mapping[str, object]:
        return {"without": list(self.without)}


def draw(query: str, document: str) -> float:
    """A number in [0, 1) that depends on the two texts only."""
    return int.from_bytes(hashlib.sha256(f"{query}\0{document}".encode()).digest()[:6], "big") / 2**48


class Hashed:
    """Scores by a hash of the texts; remembers what it was asked."""

    def __init__(
        self,
        name: str = "hashed",
        pointwise: bool = True,
        concurrency: int = 1,
        revision: str = "r1",
        bias: float = 0.0,
    ) -> None:
        self.name = name
        self.pointwise = pointwise
        self.concurrency = concurrency
        self.revision = revision
        self.bias = bias
        self.asked: list[tuple[str, int]] = []

    def score(self, request: Request) -> Scores:
        self.asked.append((request.query.query_id, len(request.documents)))
        values = [draw(request.query.text, document.text) + self.bias for document in request.documents]
        return Scores(values, Usage(calls=1, input_tokens=len(values)), [False] * len(values))

    def identity(self) -> Mapping[str, object]:
        return {"revision": self.revision, "bias": self.bias}


class HashedList(Hashed):
    """The order of `Hashed`, as a listwise model gives it: n, n-1, … 1 from its best document to its worst."""

    def __init__(self, name: str = "hashed_list") -> None:
        super().__init__(name, pointwise=False)

    def score(self, request: Request) -> Scores:
        scored = super().score(request)
        order = sorted(range(len(scored.values)), key=lambda index: scored.values[index], reverse=True)
        values = [0.0] * len(order)
        for rank, index in enumerate(order):
            values[index] = float(len(order) - rank)
        return Scores(values, scored.usage)


class Constant(Hashed):
    """Every document is as good as any other."""

    def score(self, request: Request) -> Scores:
        return Scores([1.0] * len(request.documents))


class Reversed(Hashed):
    """Turns the candidates around."""

    def score(self, request: Request) -> Scores:
        return Scores([float(index) for index in range(len(request.documents))])


class Broken(Hashed):
    """Answers the queries in `bad` with whatever `answer` makes of the right scores."""

    def __init__(
        self, answer: Callable[[list[Any]], Any], bad: Sequence[str] = ("q001",), name: str = "broken"
    ) -> None:
        super().__init__(name)
        self.answer = answer
        self.bad = bad

    def score(self, request: Request) -> Scores:
        scores = super().score(request)
        if request.query.query_id in self.bad:
            answer: Scores = self.answer(list(scores.values))
            return answer
        return scores


class Batched(Hashed):
    """Offers `score_many`, and remembers the sizes of the batches."""

    def __init__(self, name: str = "batched", spoil: Callable[[list[Scores]], list[Scores]] | None = None) -> None:
        super().__init__(name)
        self.spoil = spoil
        self.batches: list[int] = []

    def score_many(self, requests: Sequence[Request]) -> Sequence[Scores]:
        self.batches.append(len(requests))
        scores = [self.score(request) for request in requests]
        self.asked.clear()
        return self.spoil(scores) if self.spoil else scores


class Recorder:
    """A progress that keeps what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.totals: list[tuple[str, int]] = []
        self.steps = 0

    def start(self, description: str, total: int) -> None:
        self.totals.append((description, total))

    def advance(self, steps: int = 1) -> None:
        self.steps += steps

    def note(self, message: str) -> None:
        self.notes.append(message)


def write_beir_folder(folder: Path, dataset: Dataset) -> Path:
    """Write the dataset in BEIR layout, with `run.trec.gz`, the run of `FixedRetriever`, beside it."""
    (folder / "qrels").mkdir(parents=True)
    documents = zip(dataset.corpus.doc_ids, dataset.corpus.texts(), strict=True)
    lines = [json.dumps({"_id": doc_id, "title": "", "text": text}) for doc_id, text in documents]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    lines = [json.dumps({"_id": query.query_id, "text": query.text}) for query in dataset.queries]
    (folder / "queries.jsonl").write_text("\n".join(lines) + "\n")
    rows = [f"{query}\t{doc}\t{grade}\n" for query, grades in dataset.qrels.items() for doc, grade in grades.items()]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows))
    run = FixedRetriever().retrieve(dataset, 1000)
    with gzip.open(folder / "run.trec.gz", "wt") as file:
        for query_id, ranking in run.items():
            file.writelines(f"{query_id} Q0 {doc.doc_id} 0 {doc.score} fixed\n" for doc in ranking)
    return folder
