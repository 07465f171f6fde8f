"""Vectors on disk are used only for what they were made of, and only where they are whole."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from rerank_eval.corpus import Corpus
from rerank_eval.errors import ConfigError
from rerank_eval.protocols import EncodedTexts, SilentProgress, TextEncoder
from rerank_eval.retrievers.dense import Dense
from rerank_eval.retrievers.sparse import Sparse
from rerank_eval.search import encoded_corpus
from rerank_eval.search.encoded_corpus import EncodedCorpus, encode_corpus
from rerank_eval.search.vector_kinds import DenseVectors
from tests.fakes import make_dataset
from tests.retrievers.hashed_encoder import HashedEncoder

TEXTS = [(f"d{number:04}", f"text {number}") for number in range(1500)]
TINY = make_dataset()


class OtherEncoder(HashedEncoder):
    """Describes itself as its parent does, and gives other vectors."""

    def _encode(self, texts: Sequence[str]) -> EncodedTexts[Any]:
        encoded = super()._encode(texts)
        return encoded._replace(vectors=-encoded.vectors)


def encode(folder: Path, encoder: TextEncoder[Any], dtype: str = "float16", num_texts: int = 1500) -> EncodedCorpus:
    return encode_corpus(Corpus(TEXTS[:num_texts]), encoder, DenseVectors(dtype), folder, SilentProgress(), "dense")


def vectors(encoded: EncodedCorpus) -> Any:
    return np.concatenate([block[0] for block in encoded.blocks])


@pytest.mark.parametrize("constant", ["BLOCK", "SCHEMA_VERSION"])
def test_another_version_of_this_code_reads_none_of_the_blocks(
    constant: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = encode(tmp_path, HashedEncoder())
    monkeypatch.setattr(encoded_corpus, constant, getattr(encoded_corpus, constant) // 2)
    after = encode(tmp_path, HashedEncoder())
    assert after.folder != before.folder
    assert np.array_equal(vectors(after), vectors(before))


def test_another_encoder_type_of_numbers_or_corpus_has_another_folder(tmp_path: Path) -> None:
    first = encode(tmp_path, HashedEncoder())
    others = [
        encode(tmp_path, HashedEncoder(revision="r2")),
        encode(tmp_path, OtherEncoder()),
        encode(tmp_path, HashedEncoder(), "float32"),
        encode(tmp_path, HashedEncoder(), num_texts=1499),
    ]
    assert len({encoded.folder for encoded in (first, *others)}) == 5
    assert np.array_equal(vectors(others[1]), -vectors(first))


def test_a_block_with_another_number_of_documents_is_encoded_again(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole", HashedEncoder())
    fewer = encode(tmp_path / "fewer", HashedEncoder(), num_texts=1200)
    (short,) = fewer.folder.glob("00000001.*")
    (last,) = whole.folder.glob("00000001.*")
    last.unlink()
    short.rename(whole.folder / short.name)
    encoder = HashedEncoder()
    assert np.array_equal(vectors(encode(tmp_path / "whole", encoder)), vectors(whole))
    assert encoder.calls == 1


@pytest.mark.parametrize(
    ("stage", "sparse", "message"),
    [
        (Dense, True, "dense: the encoder HashedEncoder gives csr_array .*; for SciPy arrays use retriever=sparse"),
        (Sparse, False, "sparse: the encoder HashedEncoder gives ndarray .*; for NumPy arrays use retriever=dense"),
    ],
)
def test_an_encoder_of_the_other_kind_is_refused_with_the_first_stage_that_it_fits(
    stage: Callable[..., Dense | Sparse], sparse: bool, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        stage(HashedEncoder(sparse=sparse), index_dir=str(tmp_path)).build_index(TINY.corpus, SilentProgress())


Change = Callable[[Any, Any], Any]


class Changed(HashedEncoder):
    """Gives documents, or queries, what `change` makes of vectors and marks of truncation."""

    def __init__(self, of: str, change: Change, sparse: bool = False) -> None:
        super().__init__(sparse=sparse)
        self.of, self.change = of, change

    def encode_documents(self, texts: Sequence[str]) -> Any:
        encoded = super().encode_documents(texts)
        return self.change(*encoded) if self.of == "documents" else encoded

    def encode_queries(self, texts: Sequence[str]) -> Any:
        encoded = super().encode_queries(texts)
        return self.change(*encoded) if self.of == "queries" else encoded


WRONG: list[tuple[Change, str]] = [
    (lambda vectors, cut: EncodedTexts(vectors[1:], cut), r"gave (11|5) vectors and (12|6) marks .* for (12|6) texts"),
    (lambda vectors, cut: EncodedTexts(vectors, cut[1:]), r"gave (12|6) vectors and (11|5) marks .* for (12|6) texts"),
    (lambda vectors, cut: vectors, r"gives (ndarray|csr_array), not EncodedTexts\(vectors, truncated\)"),
    (lambda vectors, cut: EncodedTexts(vectors, cast("Any", None)), "gives NoneType as marks of truncation; it needs"),
    (lambda vectors, cut: EncodedTexts(vectors, cut.tolist()), "gives list as marks of truncation; it needs"),
    (lambda vectors, cut: EncodedTexts(vectors, np.array([cut])), r"gives ndarray of bool and shape \(1, .* as marks"),
    (lambda vectors, cut: EncodedTexts(vectors.astype(np.int64), cut), "gives (ndarray|csr_array) of int64 and"),
    (
        lambda vectors, cut: EncodedTexts(vectors[:, :0], cut),
        r"gives (ndarray|csr_array) of float32 and shape \(.*, 0\)",
    ),
]


@pytest.mark.parametrize("stage", [Dense, Sparse])
@pytest.mark.parametrize("of", ["documents", "queries"])
@pytest.mark.parametrize(("change", "message"), WRONG, ids=[message for _, message in WRONG])
def test_an_encoder_that_gives_something_else_is_named_with_what_it_gave(
    stage: Callable[..., Dense | Sparse], of: str, change: Change, message: str, tmp_path: Path
) -> None:
    encoder = Changed(of, change, sparse=stage is Sparse)
    with pytest.raises(ConfigError, match=f"^{stage.__name__.lower()}: the encoder Changed {message}"):
        stage(encoder, index_dir=str(tmp_path)).retrieve(TINY, 2)


@pytest.mark.parametrize(
    ("stage", "settings"), [(Dense, {}), (Dense, {"index": "hnsw"}), (Sparse, {})], ids=["exact", "hnsw", "sparse"]
)
def test_queries_of_another_width_than_documents_are_refused_with_both(
    stage: Callable[..., Dense | Sparse], settings: dict[str, str], tmp_path: Path
) -> None:
    encoder = Changed("queries", lambda vectors, cut: EncodedTexts(vectors[:, :7], cut), sparse=stage is Sparse)
    with pytest.raises(ConfigError, match="the encoder Changed gives some texts vectors of 7 numbers and others of 8"):
        stage(encoder, **settings, index_dir=str(tmp_path)).retrieve(TINY, 2)


def test_queries_are_searched_as_float32_whatever_floats_the_encoder_gives(tmp_path: Path) -> None:
    expected = Dense(HashedEncoder(), index_dir=str(tmp_path)).retrieve(TINY, 3)
    for dtype in (np.float16, np.float64):
        encoder = Changed("queries", lambda vectors, cut, dtype=dtype: EncodedTexts(vectors.astype(dtype), cut))  # type: ignore[misc]
        assert Dense(encoder, index_dir=str(tmp_path)).retrieve(TINY, 3) == expected


class Narrower(HashedEncoder):
    """Gives vectors of 7 numbers from its second call on, and describes itself as its parent does."""

    def encode_documents(self, texts: Sequence[str]) -> EncodedTexts[Any]:
        vectors, cut = super().encode_documents(texts)
        return EncodedTexts(vectors[:, :7] if self.calls > 1 else vectors, cut)


def test_documents_of_two_widths_are_refused_before_and_after_they_are_on_disk(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the encoder Narrower gives some texts vectors of 7 numbers and others of 8"):
        encode(tmp_path, Narrower())
    second = Narrower()
    second.calls = 1
    with pytest.raises(ConfigError, match=rf"vectors in {tmp_path}/\w+ have 7 and 8 numbers: the encoder Narrower has"):
        encode(tmp_path, second)
