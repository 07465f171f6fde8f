"""BM25: its scores, and an index that is kept, reused, and never wrong."""

import math
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval.corpus import Corpus
from rerank_eval.errors import ConfigError, DataError
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, Query, Ranking
from tests.fakes import make_dataset

TINY = make_dataset()
Damage = Callable[[Path], object]


def dataset_of(documents: dict[str, str], *queries: str) -> Dataset:
    asked = tuple(Query(f"q{n}", text) for n, text in enumerate(queries))
    return Dataset("made", "test", Corpus(documents.items()), asked, {query.query_id: {"a": 1} for query in asked})


def folders(index_dir: Path) -> list[Path]:
    return sorted(index_dir.glob("[!.]*"))


def test_scores_are_those_of_lucenes_formula(tmp_path: Path) -> None:
    documents = {"a": "red red blue", "b": "red green", "c": "blue green yellow pink", "d": ""}
    found = BM25(k1=1.2, b=0.75, index_dir=str(tmp_path)).retrieve(dataset_of(documents, "red pink"), 10)["q0"]

    def score(doc_id: str, term: str) -> float:
        words = documents[doc_id].split()
        frequency = words.count(term)
        num_with_term = sum(term in text.split() for text in documents.values())
        weight = math.log(1 + (4 - num_with_term + 0.5) / (num_with_term + 0.5))
        return weight * frequency / (frequency + 1.2 * (1 - 0.75 + 0.75 * len(words) / (9 / 4)))

    expected = {doc_id: score(doc_id, "red") + score(doc_id, "pink") for doc_id in "abc"}
    assert dict(found) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("query", ["", "   ", "zzz qqq", "the of and", "?!", "\x00", "😀", "\ufffd"])
def test_a_query_without_a_known_word_finds_nothing(tmp_path: Path, query: str) -> None:
    dataset = dataset_of({"a": "red green", "b": "blue"}, query, "red")
    run = BM25(index_dir=str(tmp_path)).retrieve(dataset, 10)
    assert run["q0"] == Ranking(())
    assert run["q1"].doc_ids == ("a",)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    texts=st.lists(st.sampled_from(["red", "red green", "green", "", "blue red"]), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
    depth=st.integers(1, 13),
)
def test_a_tie_at_the_cut_is_decided_by_doc_id_whatever_the_order_of_the_corpus(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], order: Any, depth: int
) -> None:
    documents = [(f"d{number}", text) for number, text in enumerate([*texts, "red"])]
    order.shuffle(documents)
    dataset = dataset_of(dict(documents), "red")
    bm25 = BM25(index_dir=str(tmp_path_factory.mktemp("index")))
    whole = bm25.retrieve(dataset, 1000)["q0"]
    assert set(whole.doc_ids) == {doc_id for doc_id, text in documents if "red" in text}
    assert bm25.retrieve(dataset, depth)["q0"] == Ranking(whole[:depth])
    equal = [doc_id for doc_id, text in documents if text == "red"]
    assert [doc_id for doc_id in whole.doc_ids if doc_id in equal] == sorted(equal, reverse=True)


def test_one_query_alone_has_the_same_ranking_as_among_others(tmp_path: Path) -> None:
    bm25 = BM25(index_dir=str(tmp_path))
    run = bm25.retrieve(TINY, 5)
    assert {q.query_id: bm25.retrieve(TINY.only(q), 5)[q.query_id] for q in TINY.queries} == run
    assert any(run.values())


def test_the_index_is_kept_and_reused(tmp_path: Path) -> None:
    run = BM25(index_dir=str(tmp_path)).retrieve(TINY, 5)
    (folder,) = folders(tmp_path)
    kept = folder.stat()
    assert BM25(index_dir=str(tmp_path)).retrieve(TINY, 5) == run
    assert folders(tmp_path) == [folder]
    assert (folder.stat().st_ino, folder.stat().st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)


def test_by_default_the_index_is_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANK_EVAL_CACHE", str(tmp_path))
    BM25().retrieve(TINY, 5)
    assert len(folders(tmp_path / "bm25")) == 1


def test_another_corpus_and_every_other_parameter_have_an_index_of_their_own(tmp_path: Path) -> None:
    variants: list[dict[str, Any]] = [{}, {"k1": 1.2}, {"b": 0.75}, {"stopwords": None}, {"stemmer": None}]
    for variant in variants:
        BM25(**variant, index_dir=str(tmp_path)).retrieve(TINY, 5)
    assert len(folders(tmp_path)) == len(variants)
    bm25 = BM25(index_dir=str(tmp_path))
    bm25.retrieve(TINY, 5)
    other = dataset_of({"only": "password billing"}, "billing")
    assert bm25.retrieve(other, 5)["q0"].doc_ids == ("only",)
    assert len(folders(tmp_path)) == len(variants) + 1


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 0x01
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["data.csc.index.npy", "indptr.csc.index.npy", "vocab.index.json", "rerank_eval.json"])
@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-5]),
        lambda path: path.write_bytes(b"[]"),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
    ],
    ids=["flipped", "missing", "empty", "truncated", "other", "zeros"],
)
def test_a_damaged_index_is_built_again(tmp_path: Path, name: str, damage: Damage) -> None:
    run = BM25(index_dir=str(tmp_path)).retrieve(TINY, 5)
    (folder,) = folders(tmp_path)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    damage(folder / name)
    assert BM25(index_dir=str(tmp_path)).retrieve(TINY, 5) == run
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole


def test_an_empty_folder_in_the_place_of_the_index_is_filled(tmp_path: Path) -> None:
    run = BM25(index_dir=str(tmp_path)).retrieve(TINY, 5)
    (folder,) = folders(tmp_path)
    for path in folder.iterdir():
        path.unlink()
    assert BM25(index_dir=str(tmp_path)).retrieve(TINY, 5) == run


def test_builders_at_once_leave_one_index_and_find_the_same(tmp_path: Path) -> None:
    at_once = threading.Barrier(3, timeout=30)

    def retrieve(_: int) -> dict[str, Ranking]:
        bm25 = BM25(index_dir=str(tmp_path))
        at_once.wait()
        return dict(bm25.retrieve(TINY, 5))

    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(retrieve, range(3)))
    assert runs[0] == runs[1] == runs[2]
    assert len(folders(tmp_path)) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k1": -0.1}, "retriever.k1 is -0.1"),
        ({"k1": math.nan}, "retriever.k1 is nan"),
        ({"k1": math.inf}, "retriever.k1 is inf"),
        ({"b": 1.1}, "retriever.b is 1.1"),
        ({"stemmer": "englisch"}, "retriever.stemmer 'englisch' is unknown: did you mean .*english"),
        ({"stopwords": "xx"}, "retriever.stopwords 'xx' cannot be used"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BM25(**settings)


@pytest.mark.parametrize("documents", [{}, {"a": ""}, {"a": "the", "b": "?"}])
def test_a_corpus_without_a_word_is_an_error_and_leaves_no_index(tmp_path: Path, documents: dict[str, str]) -> None:
    with pytest.raises(DataError, match="corpus"):
        BM25(index_dir=str(tmp_path)).retrieve(dataset_of(documents, "red"), 5)
    assert folders(tmp_path) == []


def test_the_best_of_many_are_those_of_sorting_all_of_them(tmp_path: Path) -> None:
    """Enough documents that not all scores are compared; few different lengths, so that many scores tie at the cut."""
    draw = random.Random(5)
    documents = {
        f"d{number}": " ".join(draw.choices(["red", "green", "blue"], k=draw.randint(1, 9))) for number in range(3000)
    }
    dataset = dataset_of(documents, "red green", "blue")
    bm25 = BM25(index_dir=str(tmp_path))
    whole = bm25.retrieve(dataset, len(documents))
    assert len(whole["q0"]) > len(whole["q1"]) > 2000
    for depth in (1, 2, 20, 46, 47, 500):
        assert bm25.retrieve(dataset, depth) == {q: Ranking(ranking[:depth]) for q, ranking in whole.items()}


def test_the_report_says_how_many_candidates_there_were_when_fewer_than_asked() -> None:
    corpus = Corpus([("d1", "red green"), ("d2", "red"), ("d3", "blue")])
    queries = (Query("q1", "red"), Query("q2", "zzz"))
    dataset = Dataset("short", "test", corpus, queries, {"q1": {"d1": 1}, "q2": {"d3": 1}})
    quick = Settings(depths=(100,), latency=LatencySettings(queries=0))
    result = evaluate(dataset, BM25(), [NoReranker()], quick)
    assert any(w.startswith("candidates: depth 100 asked, 0 available for query q2; 2 of 2") for w in result.warnings)
    assert any("nothing for 1 of 2 queries; they count as 0" in warning for warning in result.warnings)
    assert result.systems[0].depths[0].measures["R@100"].mean == 0.5
