"""The index of BM25: bm25s's own scores, whatever interrupts its building."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import bm25s
import pytest
import Stemmer
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.corpus import Corpus
from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.retrievers.bm25_index import BLOCK_SIZE
from rerank_eval.types import Dataset, Query
from tests.conftest import FindCollection
from tests.fakes import Recorder

NUM_BLOCKS = 3
NUM_DOCUMENTS = (NUM_BLOCKS - 1) * BLOCK_SIZE + 100


def made_documents() -> Iterator[tuple[str, str]]:
    """Yield short documents, some blank, whose frequent words are in all blocks and whose rare ones in few."""
    draw = random.Random(3)
    for number in range(NUM_DOCUMENTS):
        words = [f"w{int(1 / (draw.random() + 1e-4))}" for _ in range(draw.randrange(6))]
        yield f"d{number}", " ".join(words)


def asking(corpus: Corpus, queries: Iterable[str]) -> Dataset:
    asked = tuple(Query(f"q{number}", text) for number, text in enumerate(queries))
    return Dataset("made", "test", corpus, asked, {query.query_id: {"d0": 1} for query in asked})


def assert_scores_are_those_of_bm25s(dataset: Dataset, bm25: BM25, k1: float, b: float, stemmer: str | None) -> None:
    options = {"stopwords": "en", "stemmer": stemmer and Stemmer.Stemmer(stemmer), "show_progress": False}
    reference = bm25s.BM25(method="lucene", k1=k1, b=b)
    reference.index(bm25s.tokenize(list(dataset.corpus.texts()), **options), show_progress=False)
    run = bm25.retrieve(dataset, len(dataset.corpus))
    asked = bm25s.tokenize([query.text for query in dataset.queries], return_ids=False, **options)
    for query, tokens in zip(dataset.queries, asked, strict=True):
        expected = {}
        if known := [token for token in tokens if token in reference.vocab_dict]:
            scores = reference.get_scores(known).tolist()
            scored = zip(dataset.corpus.doc_ids, scores, strict=True)
            expected = {doc_id: score for doc_id, score in scored if score > 0}
        assert dict(run[query.query_id]) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("k1", "b", "stemmer"),
    [
        (0.9, 0.4, "english"),
        (1.2, 0.75, None),
        (0.0, 1.0, "english"),
    ],
)
def test_scores_on_vaswani_are_those_of_bm25s(
    collection: FindCollection, tmp_path: Path, k1: float, b: float, stemmer: str | None
) -> None:
    dataset = load_beir_dir(str(collection("vaswani")))
    bm25 = BM25(k1=k1, b=b, stemmer=stemmer, index_dir=str(tmp_path))
    assert_scores_are_those_of_bm25s(dataset, bm25, k1, b, stemmer)


def test_scores_over_several_blocks_are_those_of_bm25s(tmp_path: Path) -> None:
    dataset = asking(Corpus(made_documents()), ["w1 w2", "w9999 w3 w3", "w17 w1 unknown", "w5000", "w1234 w77"])
    assert_scores_are_those_of_bm25s(dataset, BM25(index_dir=str(tmp_path)), 0.9, 0.4, "english")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=8), query=st.text(max_size=20))
def test_scores_of_any_text_are_those_of_bm25s(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], query: str
) -> None:
    """Scripts of every kind, control characters and lone surrogates, which a Corpus replaces."""
    corpus = Corpus((f"d{number}", text) for number, text in enumerate(["known", *texts]))
    dataset = asking(corpus, ["known", *corpus.texts(), query.encode(errors="replace").decode()])
    bm25 = BM25(index_dir=str(tmp_path_factory.mktemp("index")))
    assert_scores_are_those_of_bm25s(dataset, bm25, 0.9, 0.4, "english")


# builds the index of `made_documents`, and does what it is told when progress comes to a given step
BUILD = """
import os, resource, signal, sys
from rerank_eval.corpus import Corpus
from rerank_eval.errors import RerankEvalError
from rerank_eval.retrievers.bm25 import BM25
from tests.retrievers.test_bm25_index import made_documents

index_dir, fault, at_piece, at_step = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

class Progress:
    def start(self, description, total):
        self.description, self.step = description, -1
        self.advance()

    def advance(self, steps=1):
        self.step += 1
        if (self.description, self.step) == (at_piece, at_step):
            if fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if fault == "wait":
                print("waiting", flush=True)
                sys.stdin.readline()

    def note(self, message):
        print(message, flush=True)

if fault == "full":
    corpus = Corpus(made_documents())
    resource.setrlimit(resource.RLIMIT_FSIZE, (at_step, at_step))
try:
    BM25(index_dir=index_dir).build_index(corpus if fault == "full" else Corpus(made_documents()), Progress())
except RerankEvalError as error:
    print(error.exit_code, error)
"""


def start(index_dir: Path, fault: str = "none", piece: str = "", step: int = 0) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    if fault == "full":  # the limit would hit the file that coverage writes as well
        environment |= {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
    command = [sys.executable, "-c", BUILD, str(index_dir), fault, piece, str(step)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = process.communicate("go on\n", timeout=120)
    return process.returncode, out


def built(index_dir: Path) -> dict[str, bytes]:
    """Return the files of the only index."""
    (folder,) = index_dir.glob("[!.]*")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def parts(index_dir: Path) -> list[Path]:
    return sorted(index_dir.glob(".building/*/parts/*"))


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(made_documents())


@pytest.fixture(scope="module")
def uninterrupted(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    index_dir = tmp_path_factory.mktemp("whole")
    BM25(index_dir=str(index_dir)).build_index(corpus, Recorder())
    return built(index_dir)


def notes_of_building(corpus: Corpus, index_dir: Path) -> list[str]:
    progress = Recorder()
    BM25(index_dir=str(index_dir)).build_index(corpus, progress)
    return progress.notes


def test_progress_counts_documents_and_blocks_and_nothing_for_an_index_that_is_there(
    tmp_path: Path, corpus: Corpus
) -> None:
    progress, again = Recorder(), Recorder()
    BM25(index_dir=str(tmp_path)).build_index(corpus, progress)
    assert progress.totals == [("bm25: counting words", NUM_DOCUMENTS), ("bm25: merging blocks", NUM_BLOCKS)]
    assert progress.steps == NUM_DOCUMENTS + NUM_BLOCKS
    BM25(index_dir=str(tmp_path)).build_index(corpus, again)
    assert (again.totals, again.steps, again.notes) == ([], 0, [])


@pytest.mark.parametrize(
    ("piece", "step", "num_kept"),
    [
        ("bm25: counting words", 2, 2),
        pytest.param("bm25: merging blocks", 2, NUM_BLOCKS, marks=pytest.mark.slow),
    ],
)
def test_a_killed_build_is_gone_on_with_from_its_last_block(
    tmp_path: Path, corpus: Corpus, uninterrupted: dict[str, bytes], piece: str, step: int, num_kept: int
) -> None:
    assert finish(start(tmp_path, "kill", piece, step)) == (-signal.SIGKILL, "")
    assert list(tmp_path.glob("[!.]*")) == []
    assert len(parts(tmp_path)) == num_kept
    notes = notes_of_building(corpus, tmp_path)
    assert notes == [f"bm25: {num_kept} of {NUM_BLOCKS} blocks were there from an interrupted run"]
    assert built(tmp_path) == uninterrupted
    assert parts(tmp_path) == []


def test_a_damaged_block_is_counted_again(tmp_path: Path, corpus: Corpus, uninterrupted: dict[str, bytes]) -> None:
    finish(start(tmp_path, "kill", "bm25: merging blocks", 0))
    _, second, third = parts(tmp_path)
    content = bytearray(second.read_bytes())
    content[len(content) // 2] ^= 1
    second.write_bytes(content)
    third.write_bytes(third.read_bytes()[:-1])
    notes = notes_of_building(corpus, tmp_path)
    assert notes == [f"bm25: 1 of {NUM_BLOCKS} blocks were there from an interrupted run"]
    assert built(tmp_path) == uninterrupted


@pytest.mark.slow
def test_of_two_processes_one_builds_and_the_other_waits_for_it_by_name(
    tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    first = start(tmp_path, "wait", "bm25: counting words", 1)
    assert first.stdout is not None
    assert first.stdout.readline() == "waiting\n"
    second = start(tmp_path)
    assert second.stdout is not None
    assert second.stdout.readline().startswith(f"process {first.pid} is building {tmp_path}")
    assert finish(first) == (0, "")
    assert finish(second) == (0, "")
    assert built(tmp_path) == uninterrupted


@pytest.mark.parametrize(
    "in_index", [pytest.param(False, marks=pytest.mark.slow), True], ids=["in a block", "in the index"]
)
def test_a_full_disk_ends_the_build_and_leaves_it_to_be_gone_on_with(
    tmp_path: Path, corpus: Corpus, uninterrupted: dict[str, bytes], in_index: bool
) -> None:
    limit = len(uninterrupted["data.csc.index.npy"]) - 1 if in_index else 20_000
    code, out = finish(start(tmp_path, "full", "", limit))
    assert code == 0
    assert out.startswith(f"3 no space left for {tmp_path}")
    assert list(tmp_path.glob("[!.]*")) == []
    assert len(parts(tmp_path)) == (NUM_BLOCKS if in_index else 0)
    assert len(notes_of_building(corpus, tmp_path)) == in_index
    assert built(tmp_path) == uninterrupted
