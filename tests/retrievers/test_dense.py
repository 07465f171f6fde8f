"""Dense: the right documents, and vectors on disk that are kept, gone on with, and never wrong."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rerank_eval.corpus import Corpus
from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.encoders.bge_small import BGESmall
from rerank_eval.errors import ConfigError, DataError, MissingExtraError, NotEvaluableError
from rerank_eval.findings import Findings, SearchRecall
from rerank_eval.hardware import describe_hardware
from rerank_eval.measures import score_run
from rerank_eval.protocols import EncodedTexts
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.retrievers.dense import Dense
from rerank_eval.runner import evaluate
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, Query, Ranking
from tests.conftest import ROOT, FindCollection
from tests.fakes import Recorder, make_dataset
from tests.reference_figures import figures_of
from tests.retrievers.hashed_encoder import HashedEncoder

TINY = make_dataset()
THREE_BLOCKS = Corpus((f"d{number:04}", f"text {number}") for number in range(2500))


def over(corpus: Corpus, *queries: str) -> Dataset:
    asked = tuple(Query(f"q{number}", text) for number, text in enumerate(queries))
    return Dataset("made", "test", corpus, asked, {query.query_id: {"d0000": 1} for query in asked})


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def vectors_folder(index_dir: Path) -> Path:
    (folder,) = (path for path in index_dir.iterdir() if not path.name.startswith("."))
    return folder


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_ranking_is_by_inner_product(tmp_path: Path, dtype: str) -> None:
    encoder = HashedEncoder(prompt="query: ")
    run = Dense(encoder, dtype=dtype, index_dir=str(tmp_path)).retrieve(TINY, 5)
    documents = zip(TINY.corpus.doc_ids, TINY.corpus.texts(), strict=True)
    vectors = {doc_id: encoder.vector(text) for doc_id, text in documents}
    for query in TINY.queries:
        asked = encoder.vector("query: " + query.text)
        everything = Ranking((doc_id, float(vector @ asked)) for doc_id, vector in vectors.items())
        assert run[query.query_id] == Ranking(everything[:5])


@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_one_query_alone_has_the_same_ranking_as_among_others(tmp_path: Path, index: str) -> None:
    dense = Dense(HashedEncoder(), index=index, index_dir=str(tmp_path))
    run = dense.retrieve(TINY, 7)
    assert {query.query_id: dense.retrieve(TINY.only(query), 7)[query.query_id] for query in TINY.queries} == run


@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_blank_texts_are_kept_and_a_depth_above_the_corpus_gives_all_of_it(tmp_path: Path, index: str) -> None:
    dataset = over(Corpus([("d0000", ""), ("a", "  "), ("b", "text")]), "", "text")
    run = Dense(HashedEncoder(), index=index, index_dir=str(tmp_path)).retrieve(dataset, 10**12)
    assert [sorted(ranking.doc_ids) for ranking in run.values()] == [["a", "b", "d0000"]] * 2


def test_equal_documents_tie_and_are_ordered_by_doc_id(tmp_path: Path) -> None:
    dataset = over(Corpus((f"d{number:04}", "the same") for number in range(1500)), "query")
    (ranking,) = Dense(HashedEncoder(), index_dir=str(tmp_path)).retrieve(dataset, 3).values()
    assert ranking.doc_ids == ("d1499", "d1498", "d1497")


def test_vectors_are_kept_and_the_model_is_not_asked_again(tmp_path: Path) -> None:
    dataset = over(THREE_BLOCKS, "query")
    first, second, progress = HashedEncoder(), HashedEncoder(), Recorder()
    dense = Dense(first, index_dir=str(tmp_path))
    dense.build_index(dataset.corpus, progress)
    run = dense.retrieve(dataset, 10)
    assert (first.calls, progress.totals, progress.steps) == (3, [("dense: encoding documents", 2500)], 2500)
    assert Dense(second, index_dir=str(tmp_path)).retrieve(dataset, 10) == run
    assert second.calls == 0


def test_only_what_changes_a_documents_vector_makes_it_be_encoded_again(tmp_path: Path) -> None:
    variants: list[tuple[HashedEncoder, dict[str, Any], int]] = [
        (HashedEncoder(), {}, 1),
        (HashedEncoder(prompt="query: "), {}, 0),
        (HashedEncoder(), {"index": "hnsw"}, 0),
        (HashedEncoder(revision="r2"), {}, 1),
        (HashedEncoder(), {"dtype": "float32"}, 1),
    ]
    made = [Dense(encoder, **settings, index_dir=str(tmp_path)) for encoder, settings, _ in variants]
    for dense in made:
        dense.retrieve(TINY, 5)
    assert [encoder.calls for encoder, *_ in variants] == [calls for *_, calls in variants]
    identities = [dense.identity() for dense in made]
    assert all(identities.count(identity) == 1 for identity in identities)
    assert made[0].retrieve(over(THREE_BLOCKS, "query"), 1)["q0"].doc_ids[0] in THREE_BLOCKS


KILLED = """
import sys
from tests.retrievers.hashed_encoder import HashedEncoder
from tests.retrievers.test_dense import THREE_BLOCKS
from rerank_eval.protocols import SilentProgress
from rerank_eval.retrievers.dense import Dense
if len(sys.argv) > 3:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
encoder = HashedEncoder(kill_at=int(sys.argv[2]))
Dense(encoder, index_dir=sys.argv[1]).build_index(THREE_BLOCKS, SilentProgress())
print(encoder.calls)
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
    command = [sys.executable, "-c", KILLED, *arguments]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_killed_encoding_goes_on_where_it_stopped_and_leaves_the_same_bytes(tmp_path: Path) -> None:
    killed = start(str(tmp_path / "killed"), "3")
    killed.communicate(timeout=120)
    assert killed.returncode == -9
    encoder = HashedEncoder()
    Dense(encoder, index_dir=str(tmp_path / "killed")).build_index(THREE_BLOCKS, Recorder())
    assert encoder.calls == 1
    Dense(HashedEncoder(), index_dir=str(tmp_path / "whole")).build_index(THREE_BLOCKS, Recorder())
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


def test_two_processes_encode_every_block_once(tmp_path: Path) -> None:
    both = [start(str(tmp_path / "both"), "99") for _ in range(2)]
    calls = sorted(int(process.communicate(timeout=120)[0]) for process in both)
    assert calls == [0, 3]
    Dense(HashedEncoder(), index_dir=str(tmp_path / "one")).build_index(THREE_BLOCKS, Recorder())
    assert content(tmp_path / "both") == content(tmp_path / "one")


def test_a_full_disk_is_said_and_what_was_written_is_kept(tmp_path: Path) -> None:
    process = start(str(tmp_path), "99", "9000")  # a block has 18,000 bytes
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "NotEvaluableError: no space left for" in errors
    encoder = HashedEncoder()
    Dense(encoder, index_dir=str(tmp_path)).build_index(THREE_BLOCKS, Recorder())
    assert encoder.calls == 3


def flip_a_byte(path: Path) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[-1500] ^= 1
    path.write_bytes(damaged)


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.rename(path.with_suffix(".unfinished")),
    ],
    ids=["flipped", "missing", "empty", "truncated", "unfinished"],
)
def test_a_damaged_block_is_encoded_again_and_no_other(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    dataset = over(THREE_BLOCKS, "query")
    run = Dense(HashedEncoder(), index_dir=str(tmp_path)).retrieve(dataset, 10)
    whole = content(tmp_path)
    damage(sorted(vectors_folder(tmp_path).iterdir())[1])
    encoder = HashedEncoder()
    assert Dense(encoder, index_dir=str(tmp_path)).retrieve(dataset, 10) == run
    assert encoder.calls == 1
    assert content(tmp_path) == whole


class BadVector(HashedEncoder):
    """Gives a text that ends with `ending` a value of its own."""

    def __init__(self, ending: str, value: float) -> None:
        super().__init__()
        self.ending, self.value = ending, value

    def _encode(self, texts: Sequence[str]) -> EncodedTexts[Any]:
        encoded = super()._encode(texts)
        for row, text in enumerate(texts):
            if text.endswith(self.ending):
                encoded.vectors[row, 3] = self.value
        return encoded


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_a_vector_that_cannot_be_stored_is_an_error_that_names_the_document(tmp_path: Path, value: float) -> None:
    with pytest.raises(DataError, match=r"dense: the vector of document 'd1234' .*not finite, or too large"):
        Dense(BadVector(" 1234", value), index_dir=str(tmp_path)).build_index(THREE_BLOCKS, Recorder())
    assert len(list(vectors_folder(tmp_path).iterdir())) == 1  # the block before is kept


def test_a_query_whose_vector_is_not_finite_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotEvaluableError, match="the vector of query 'q1' is not finite"):
        Dense(BadVector("bad", np.nan), index_dir=str(tmp_path)).retrieve(over(TINY.corpus, "good", "bad"), 5)


def test_an_empty_corpus_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the corpus has no document"):
        Dense(HashedEncoder(), index_dir=str(tmp_path)).retrieve(over(Corpus(()), "query"), 5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "float8"}, "dtype 'float8' is unknown: did you mean float"),
        ({"index": "hsnw"}, "index 'hsnw' is unknown: did you mean hnsw"),
        ({"index": "hnsw", "connectivity": 1}, "connectivity is 1; it must be between 2 and 1024"),
        ({"index": "hnsw", "connectivity": 10**11}, "connectivity is 100000000000; it must be between 2 and 1024"),
        ({"index": "hnsw", "expansion_add": 10**12}, "expansion_add is .*; it must be between 1 and 1000000"),
        ({"index": "hnsw", "expansion_search": 0}, "expansion_search is 0; it must be between 1 and 1000000"),
        ({"index": "hnsw", "expansion_search": 10**12}, "expansion_search is .*; it must be between 1 and 1000000"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Dense(HashedEncoder(), **settings)


def test_hnsw_without_its_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import Distribution

    monkeypatch.setattr(Distribution, "discover", classmethod(lambda cls, **_: iter(())))
    with pytest.raises(MissingExtraError, match=r"rerank-eval\[hnsw\]"):
        Dense(HashedEncoder(), index="hnsw")


def test_hnsw_finds_nearly_what_exact_search_finds_with_the_exact_scores(tmp_path: Path) -> None:
    dataset = over(THREE_BLOCKS, *(f"query {number}" for number in range(30)))
    exact = Dense(HashedEncoder(), index_dir=str(tmp_path)).retrieve(dataset, 2500)
    dense = Dense(HashedEncoder(), index="hnsw", index_dir=str(tmp_path))
    shares = []
    for query_id, ranking in dense.retrieve(dataset, 100).items():
        scores = dict(exact[query_id])
        assert dict(ranking) == {doc_id: scores[doc_id] for doc_id in ranking.doc_ids}
        shares.append(len(set(ranking.doc_ids) & set(exact[query_id].doc_ids[:100])) / 100)
    assert dense.findings(dataset).recall == SearchRecall(round(float(np.mean(shares)), 4), 100, 30)
    assert np.mean(shares) > 0.9


def test_the_same_graph_is_built_again_byte_by_byte_and_a_damaged_one_too(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        Dense(HashedEncoder(), index="hnsw", index_dir=str(tmp_path / folder)).build_index(THREE_BLOCKS, Recorder())
    whole = content(tmp_path / "a")
    assert content(tmp_path / "b") == whole
    (graph,) = (tmp_path / "b").rglob("graph.usearch")
    flip_a_byte(graph)
    encoder = HashedEncoder()
    Dense(encoder, index="hnsw", index_dir=str(tmp_path / "b")).build_index(THREE_BLOCKS, Recorder())
    assert encoder.calls == 0
    assert content(tmp_path / "b") == whole


def test_the_result_says_how_many_texts_were_cut_and_how_exact_the_search_was(tmp_path: Path) -> None:
    corpus = Corpus([("d0000", "short"), ("long", "a long text " * 9)])
    quick = Settings(depths=(2,), latency=LatencySettings(queries=0))
    dense = Dense(HashedEncoder(), index="hnsw", index_dir=str(tmp_path))
    result = evaluate(over(corpus, "query", "a long query " * 9), dense, [NoReranker()], quick)
    found = Findings(truncated_documents=1, truncated_queries=1, recall=SearchRecall(1.0, 100, 2))
    assert result.retriever["findings"] == {"dense": asdict(found)}
    assert [warning for warning in result.warnings if warning.startswith("dense")] == [
        "dense: 1 documents are longer than the encoder reads",
        "dense: 1 queries are longer than the encoder reads",
    ]


@pytest.mark.slow
def test_vaswani_has_its_reference_values_exactly_and_by_hnsw(collection: FindCollection, tmp_path: Path) -> None:
    if "avx512_vnni" not in str(describe_hardware()["vector_instructions"]):
        pytest.skip(
            "the reference values are those of a processor with AVX-512 VNNI; others round int8 products differently"
        )
    dataset = load_beir_dir(str(collection("vaswani")))
    reference = {BGESmall(): "vaswani/dense", BGESmall(query_prompt=""): "vaswani/dense-no-prompt"}
    for encoder, name in reference.items():
        expected = figures_of(name)
        run = Dense(encoder, index_dir=str(tmp_path)).retrieve(dataset, 1000)
        found = score_run(run, dataset.qrels, [*expected])
        means = {measure: float(np.mean(list(by_query.values()))) for measure, by_query in found.items()}
        assert means == pytest.approx(expected, abs=0.003)
    recalls = Dense(next(iter(reference)), index="hnsw", index_dir=str(tmp_path)).findings(dataset)
    assert recalls.recall is not None
    assert recalls.recall.value >= 0.98
