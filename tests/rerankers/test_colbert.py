import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rerank_eval.errors import ConfigError
from rerank_eval.evaluation.systems import System
from rerank_eval.rerankers.colbert import ColBERT
from rerank_eval.types import Document, Query, Request

QUERY = Query("q1", "how to reset my password")
TEXTS = (
    "reset it. on the sign-in page",
    "invoices are sent monthly.",
    "",
    "billing " * 300,
    "😀 שלום",
    "https://a.b/c.png",
)
REQUEST = Request(QUERY, tuple(Document(str(i), text) for i, text in enumerate(TEXTS)))


@pytest.fixture(scope="module")
def reranker(tiny_colbert: Path) -> ColBERT:
    return ColBERT(str(tiny_colbert), device="cpu")


@pytest.fixture
def copied(tiny_colbert: Path, tmp_path: Path) -> Path:
    """A copy of the model to change."""
    return shutil.copytree(tiny_colbert, tmp_path / "model")


def change_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


class Reference:
    """Late interaction written out: one text at a time, no padding, numpy in float64 after the transformer."""

    def __init__(self, folder: Path) -> None:
        from safetensors.numpy import load_file
        from transformers import AutoTokenizer, BertModel

        self.bert = BertModel.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.projection = load_file(folder / "1_Dense" / "model.safetensors")["linear.weight"].astype(np.float64)

    def vectors(self, ids: list[int], attended: int, kept: list[bool]) -> NDArray[np.float64]:
        import torch

        mask = [[1] * attended + [0] * (len(ids) - attended)]
        with torch.inference_mode():
            hidden = self.bert(torch.tensor([ids]), torch.tensor(mask)).last_hidden_state[0]
        vectors: NDArray[np.float64] = hidden.numpy().astype(np.float64)[kept] @ self.projection.T
        lengths: NDArray[np.float64] = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / lengths

    def score(self, query: str, document: str) -> float:
        """Expand the query to 16 tokens by [MASK], which are scored and not attended to; leave full stops of the document out."""
        ids = self.tokenizer("[Q] " + query, truncation=True, max_length=16)["input_ids"]
        expanded = [*ids, *[self.tokenizer.mask_token_id] * (16 - len(ids))]
        queries = self.vectors(expanded, len(ids), [True] * 16)
        ids = self.tokenizer("[D] " + document, truncation=True, max_length=64)["input_ids"]
        stop = self.tokenizer.convert_tokens_to_ids(".")
        documents = self.vectors(ids, len(ids), [token_id != stop for token_id in ids])
        return sum(max(float(token @ other) for other in documents) for token in queries)


def test_a_score_is_maxsim_as_written_out_in_numpy(reranker: ColBERT, tiny_colbert: Path) -> None:
    reference = Reference(tiny_colbert)
    for query in (QUERY.text, "", "password " * 40):
        values = reranker.score(Request(Query("q", query), REQUEST.documents)).values
        assert values == pytest.approx([reference.score(query, text) for text in TEXTS], rel=1e-6, abs=1e-6)


def test_maxsim_alone_agrees_with_numpy_to_1e_6(reranker: ColBERT) -> None:
    """The scoring apart from the transformer, on documents of different lengths with negative similarities only."""
    import torch

    random = np.random.default_rng(1)
    query = np.abs(random.normal(size=(5, 16))).astype(np.float32)
    documents = [-np.abs(random.normal(size=(length, 16))).astype(np.float32) for length in (1, 7, 3)]
    found = reranker._model.similarity([torch.tensor(query)], [torch.tensor(document) for document in documents])
    expected = [(query.astype(np.float64) @ document.T.astype(np.float64)).max(1).sum() for document in documents]
    assert found[0].tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_score_many_gives_what_score_gives_whatever_the_batch(
    reranker: ColBERT, tiny_colbert: Path, batch_size: int
) -> None:
    batched = ColBERT(str(tiny_colbert), device="cpu", batch_size=batch_size)
    requests = [REQUEST, Request(Query("q2", "invoice"), REQUEST.documents[::-1]), Request(QUERY, ())]
    for request, scores in zip(requests, batched.score_many(requests), strict=True):
        alone = [reranker.score(Request(request.query, (document,))).values[0] for document in request.documents]
        assert scores.values == pytest.approx(alone, abs=1e-5)


def test_truncated_texts_and_tokens_are_counted(reranker: ColBERT, tiny_colbert: Path) -> None:
    pair = Request(Query("q", "password"), (Document("a", "password"), Document("b", "password " * 100)))
    (scores,) = reranker.score_many([pair])
    assert scores.truncated == [False, True]
    prefix_and_ends = 3 + 2  # [Q] and [D] are no words of this vocabulary: three tokens each
    assert scores.usage.input_tokens == (prefix_and_ends + 1) + (prefix_and_ends + 1) + 64
    for limit, is_cut in ((6, False), (5, True)):
        short = ColBERT(str(tiny_colbert), device="cpu", query_length=limit)
        assert short.score_many([Request(pair.query, pair.documents[:1])])[0].truncated == [is_cut]
        short = ColBERT(str(tiny_colbert), device="cpu", document_length=limit)
        assert short.score_many([pair])[0].truncated == [is_cut, True]


def test_a_length_changes_what_is_read(reranker: ColBERT, tiny_colbert: Path) -> None:
    before = reranker.score(REQUEST).values
    after = ColBERT(str(tiny_colbert), device="cpu", document_length=32).score(REQUEST).values
    assert [abs(a - b) > 1e-5 for a, b in zip(before, after, strict=True)] == [i == 3 for i in range(len(TEXTS))]
    wide = ColBERT(str(tiny_colbert), device="cpu", query_length=32).score(REQUEST).values  # 16 more [MASK]
    assert min(a - b for a, b in zip(wide, before, strict=True)) > 1


def test_the_identity_follows_the_weights_and_what_changes_a_score(
    reranker: ColBERT, tiny_colbert: Path, copied: Path
) -> None:
    from safetensors.torch import load_file, save_file

    path = copied / "1_Dense" / "model.safetensors"
    save_file({name: -tensor for name, tensor in load_file(path).items()}, path)
    changes: list[dict[str, Any]] = [
        {},
        {"model": str(copied)},
        {"query_length": 8},
        {"document_length": 32},
        {"batch_size": 1},
        {"dtype": "bfloat16"},
    ]
    prints = [
        System("any", ColBERT(**{"model": str(tiny_colbert), "device": "cpu", **change})).fingerprint
        for change in changes
    ]
    assert len(set(prints)) == len(changes)
    assert System("any", reranker).fingerprint == prints[0]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_close(reranker: ColBERT, tiny_colbert: Path, dtype: str) -> None:
    half = ColBERT(str(tiny_colbert), device="cpu", dtype=dtype)
    assert half.score(REQUEST).values == pytest.approx(reranker.score(REQUEST).values, abs=0.2)


def test_an_encoder_without_a_trained_projection_is_refused(copied: Path, tiny_cross_encoder: Path) -> None:
    """Whatever it is, sentence-transformers would add a random projection and score with it."""
    message = "is no late-interaction model: it has no trained projection"
    with pytest.raises(ConfigError, match=message):
        ColBERT(str(tiny_cross_encoder))
    change_json(copied / "config_sentence_transformers.json", model_type="SentenceTransformer")
    with pytest.raises(ConfigError, match=message):
        ColBERT(str(copied))
    change_json(copied / "config_sentence_transformers.json", model_type="ColBERT")
    modules = json.loads((copied / "modules.json").read_text())
    (copied / "modules.json").write_text(json.dumps(modules[:1]))
    with pytest.raises(ConfigError, match=message):
        ColBERT(str(copied))


def test_a_model_saved_by_pylate_scores_as_it_does(reranker: ColBERT, copied: Path) -> None:
    """PyLate lists transformer and projection only, and keeps prefixes, lengths and the words to leave out at the top."""
    modules = json.loads((copied / "modules.json").read_text())[:2]
    modules[1]["type"] = "pylate.models.Dense.Dense"
    (copied / "modules.json").write_text(json.dumps(modules))
    (copied / "sentence_bert_config.json").write_text('{"max_seq_length": 63, "do_lower_case": false}')
    (copied / "config_sentence_transformers.json").write_text(
        json.dumps(
            {
                "model_type": "ColBERT",
                "query_prefix": "[Q] ",
                "document_prefix": "[D] ",
                "query_length": 16,
                "document_length": 64,
                "attend_to_expansion_tokens": False,
                "skiplist_words": ["."],
                "similarity_fn_name": "MaxSim",
            }
        )
    )
    saved_by_pylate = ColBERT(str(copied), device="cpu")
    assert saved_by_pylate.score(REQUEST).values == pytest.approx(reranker.score(REQUEST).values, abs=1e-6)


def test_a_model_saved_by_stanford_scores_as_it_does(reranker: ColBERT, copied: Path) -> None:
    """ColBERTv2 and answerai-colbert-small-v1: the projection among the weights of the transformer, settings in artifact.metadata."""
    from safetensors.torch import load_file, save_file

    weights = {f"bert.{name}": tensor for name, tensor in load_file(copied / "model.safetensors").items()}
    weights |= load_file(copied / "1_Dense" / "model.safetensors")
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (copied / name).unlink()
    shutil.rmtree(copied / "1_Dense")
    change_json(copied / "config.json", architectures=["HF_ColBERT"])
    metadata = {"query_token_id": "[unused0]", "doc_token_id": "[unused1]", "query_maxlen": 16, "doc_maxlen": 64}
    (copied / "artifact.metadata").write_text(json.dumps({**metadata, "mask_punctuation": False}))
    stanford = ColBERT(str(copied), device="cpu")
    assert len(set(stanford.score(REQUEST).values)) == len(TEXTS)
    assert (stanford.identity()["query_length"], stanford.identity()["document_length"]) == (16, 64)
    (scores,) = stanford.score_many([Request(Query("q", "password"), (Document("d", "password"),))])
    assert scores.usage.input_tokens == 4 + 4  # [CLS] marker password [SEP]: a marker is one token


@pytest.mark.parametrize("place", ["1_Dense", "."])
def test_pickled_weights_are_refused_and_never_read(copied: Path, place: str) -> None:
    """The projection too: sentence-transformers would open the pickle in its folder."""
    (copied / place / "model.safetensors").rename(copied / place / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"pytorch_model\.bin is a pickle, which is never opened"):
        ColBERT(str(copied), device="cpu")


def test_code_of_a_model_is_not_run_unless_asked(copied: Path) -> None:
    (copied / "modeling_own.py").write_text(f"from pathlib import Path\nPath({str(copied / 'ran')!r}).touch()\n")
    modules = json.loads((copied / "modules.json").read_text())
    modules[0]["type"] = "modeling_own.Own"
    (copied / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ConfigError, match="trust_remote_code"):
        ColBERT(str(copied), device="cpu")
    assert not (copied / "ran").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"query_length": 3}, "query_length is 3; this model takes 4 to 128 tokens"),
        ({"document_length": 129}, "document_length is 129; this model takes 4 to 128 tokens"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"dtype": "int8"}, "dtype 'int8' is unknown"),
        ({"device": "no-such-device"}, "cannot be loaded"),
        ({"model": "./no-such-model"}, r"the model folder \./no-such-model does not exist"),
        ({"model": "nobody/no-such-model"}, "the model 'nobody/no-such-model' cannot be loaded"),
    ],
)
def test_a_wrong_setting_is_named(tiny_colbert: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ColBERT(**{"model": str(tiny_colbert), **settings})
