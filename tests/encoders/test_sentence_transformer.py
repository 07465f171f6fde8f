"""The real classes of sentence-transformers over small random models on disk."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from rerank_eval.encoders.sentence_transformer import SentenceTransformer
from rerank_eval.encoders.sparse import SparseEncoder
from rerank_eval.errors import ConfigError, DataError
from rerank_eval.protocols import TextEncoder
from rerank_eval.retrievers.dense import Dense
from rerank_eval.types import Ranking
from tests.encoders.tiny_models import save_bi_encoder, save_splade
from tests.fakes import Recorder, make_dataset

TINY = make_dataset()
TEXTS = ["password", "billing plan", "", "card " * 30]


@pytest.fixture(scope="module")
def bi_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prompts = {"query": "ask: ", "passage": "text: ", "other": "other: "}
    return save_bi_encoder(tmp_path_factory.mktemp("bi_encoder"), prompts=prompts)


@pytest.fixture(scope="module")
def splade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_splade(tmp_path_factory.mktemp("splade"))


def load(folder: Path, **settings: Any) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu", **settings)


def test_vectors_are_those_of_the_model_with_its_own_prompts(bi_encoder: Path) -> None:
    import sentence_transformers

    model = sentence_transformers.SentenceTransformer(str(bi_encoder), device="cpu")
    encoder = load(bi_encoder)
    expected = model.encode(TEXTS, prompt="ask: ", normalize_embeddings=True)
    assert encoder.encode_queries(TEXTS).vectors == pytest.approx(expected, abs=1e-6)
    expected = model.encode(TEXTS, prompt="text: ", normalize_embeddings=True)
    assert encoder.encode_documents(TEXTS).vectors == pytest.approx(expected, abs=1e-6)


def test_a_prompt_may_be_a_name_a_text_or_none_at_all(bi_encoder: Path) -> None:
    by_name, by_text = load(bi_encoder, query_prompt="other"), load(bi_encoder, query_prompt="other: ")
    assert by_name.identity() == by_text.identity()
    assert by_name.identity()["query_prompt"] == "other: "
    assert np.array_equal(by_name.encode_queries(TEXTS).vectors, by_text.encode_queries(TEXTS).vectors)
    none = load(bi_encoder, query_prompt="", document_prompt="")
    assert np.array_equal(none.encode_queries(TEXTS).vectors, none.encode_documents(TEXTS).vectors)
    assert by_name.document_identity() == {**none.document_identity(), "document_prompt": "text: "}


def test_the_similarity_is_the_models_own_or_the_one_asked_for(tmp_path: Path, bi_encoder: Path) -> None:
    dot = save_bi_encoder(tmp_path, similarity="dot")
    vectors = [encoder.encode_documents(TEXTS).vectors for encoder in (load(dot), load(dot, similarity="cosine"))]
    lengths = [np.linalg.norm(found, axis=1) for found in vectors]
    assert not np.allclose(lengths[0], 1, atol=0.1)
    assert lengths[1] == pytest.approx(1, abs=1e-6)
    assert load(bi_encoder).identity()["similarity"] == "cosine"
    assert load(dot).identity()["similarity"] == "dot"


def test_a_model_that_compares_by_a_distance_is_refused_unless_told_otherwise(tmp_path: Path) -> None:
    folder = save_bi_encoder(tmp_path, similarity="euclidean")
    with pytest.raises(ConfigError, match="compares by euclidean; this search knows cosine and dot"):
        load(folder)
    assert load(folder, similarity="dot").identity()["similarity"] == "dot"


@pytest.mark.parametrize("make", [save_bi_encoder, save_splade], ids=["dense", "sparse"])
def test_texts_longer_than_the_model_sees_are_marked_with_the_prompt_counted(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    folder = str(make(tmp_path))
    kind = SentenceTransformer if make is save_bi_encoder else SparseEncoder
    encoder: TextEncoder[Any] = kind(folder, device="cpu")
    assert encoder.encode_documents(["a " * 14, "a " * 15]).truncated.tolist() == [False, True]
    prompted: TextEncoder[Any] = kind(folder, device="cpu", query_prompt="a ")
    assert prompted.encode_queries(["a " * 13, "a " * 14]).truncated.tolist() == [False, True]
    assert kind(folder, device="cpu", max_length=8).encode_documents(["a " * 10]).truncated.all()


def test_its_identity_has_what_changes_a_vector(bi_encoder: Path, tmp_path: Path) -> None:
    other = save_bi_encoder(tmp_path)
    weights = load_file(other / "model.safetensors")
    save_file({name: tensor + 1e-3 for name, tensor in weights.items()}, other / "model.safetensors")
    made = [
        load(bi_encoder),
        load(other),
        load(bi_encoder, dtype="bfloat16"),
        load(bi_encoder, max_length=8),
        load(bi_encoder, batch_size=2),
        load(bi_encoder, document_prompt=""),
        load(bi_encoder, similarity="dot"),
    ]
    identities = [encoder.document_identity() for encoder in made]
    assert all(identities.count(identity) == 1 for identity in identities)
    assert {"model", "revision", "files_sha256", "torch", "device"} <= identities[0].keys()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "int8"}, "dtype 'int8' is unknown"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"max_length": 3}, "max_length is 3"),
        ({"similarity": "euclidean"}, "similarity 'euclidean' is unknown"),
        ({"model": "./nowhere"}, "the model folder ./nowhere does not exist"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(bi_encoder: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SentenceTransformer(**{"model": str(bi_encoder), **settings})


def test_a_model_with_nan_in_its_weights_is_named_with_the_document(tmp_path: Path) -> None:
    folder = save_bi_encoder(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.LayerNorm.bias"][0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match="the vector of document 'd000' has a number that is not finite"):
        Dense(load(folder), index_dir=str(tmp_path / "index")).build_index(TINY.corpus, Recorder())


def test_it_serves_as_first_stage(bi_encoder: Path, tmp_path: Path) -> None:
    encoder = load(bi_encoder)
    run = Dense(encoder, dtype="float32", index_dir=str(tmp_path)).retrieve(TINY, 5)
    cosines = encoder.encode_queries([query.text for query in TINY.queries]).vectors.astype(np.float64) @ (
        encoder.encode_documents(list(TINY.corpus.texts())).vectors.astype(np.float64).T
    )
    for query, scores in zip(TINY.queries, cosines.tolist(), strict=True):
        expected = Ranking(zip(TINY.corpus.doc_ids, scores, strict=True))[:5]
        assert run[query.query_id].doc_ids == tuple(doc.doc_id for doc in expected)


def test_sparse_weights_are_those_of_the_model(splade: Path) -> None:
    import sentence_transformers

    model = sentence_transformers.SparseEncoder(str(splade), device="cpu")
    encoder = SparseEncoder(str(splade), device="cpu", query_prompt="ask: ", max_active_dims=20)
    expected = model.encode(TEXTS, prompt="ask: ", max_active_dims=20).to_dense().numpy()
    found = encoder.encode_queries(TEXTS).vectors
    assert found.toarray() == pytest.approx(expected, abs=1e-5)
    assert np.diff(found.indptr).max() <= 20
    identities = [encoder.document_identity(), SparseEncoder(str(splade), device="cpu").document_identity()]
    assert identities[0]["max_active_dims"] == 20 != identities[1]["max_active_dims"]


def test_a_number_of_weights_below_one_is_refused(splade: Path) -> None:
    with pytest.raises(ConfigError, match="max_active_dims is 0; it must be"):
        SparseEncoder(str(splade), max_active_dims=0)


def test_a_folder_that_is_no_model_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(json.dumps([]))
    for kind in (SentenceTransformer, SparseEncoder):
        with pytest.raises(ConfigError, match="cannot be loaded"):
            kind(str(tmp_path))
