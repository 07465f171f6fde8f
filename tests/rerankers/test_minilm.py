import pytest

from rerank_eval.errors import ConfigError
from rerank_eval.models.onnx_models import BUNDLED_SHA256
from rerank_eval.rerankers.minilm import MiniLM
from rerank_eval.types import Document, Query, Request

TEXTS = (
    "To get a refund, send the device back within 30 days.",
    "The cafeteria opens at nine.",
    "We give your money back when you return what you bought within a month.",
)
REQUEST = Request(Query("q", "can I get my money back"), tuple(Document(str(i), t) for i, t in enumerate(TEXTS)))


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM()


def test_it_puts_what_answers_the_question_above_what_does_not(minilm: MiniLM) -> None:
    refund, cafeteria, money_back = minilm.score(REQUEST).values
    assert min(refund, money_back) > cafeteria + 3


def test_a_score_is_a_logit_and_no_probability(minilm: MiniLM) -> None:
    assert min(minilm.score(REQUEST).values) < 0


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_score_is_bit_for_bit_the_same_alone_and_with_others(minilm: MiniLM, threads: int) -> None:
    """Dynamic int8 makes a score depend on its batch (up to 0.84 logits), so there must be no batch."""
    other = MiniLM(threads=threads)
    alone = [other.score(Request(REQUEST.query, (document,))).values[0] for document in REQUEST.documents]
    assert alone == list(minilm.score(REQUEST).values) == list(other.score(REQUEST).values)


def test_truncated_pairs_and_tokens_are_counted() -> None:
    short = MiniLM(max_length=12)
    scores = short.score(Request(Query("q", "password"), (Document("a", "password"), Document("b", "password " * 30))))
    assert scores.truncated == [False, True]
    assert (scores.usage.calls, scores.usage.input_tokens) == (2, 5 + 12)


def test_a_pair_of_exactly_the_limit_is_not_truncated() -> None:
    pair = Request(Query("q", "password"), (Document("a", "password password"),))  # [CLS] 1 [SEP] 2 [SEP]
    assert MiniLM(max_length=6).score(pair).truncated == [False]
    assert MiniLM(max_length=5).score(pair).truncated == [True]


def test_its_identity_has_the_weights_and_what_changes_a_score(minilm: MiniLM) -> None:
    assert minilm.identity()["model_sha256"] == BUNDLED_SHA256["reranker_en"]
    assert minilm.identity() != MiniLM(max_length=64).identity()
    assert minilm.identity() == MiniLM(name="another", threads=1).identity()


@pytest.mark.parametrize("settings", [{"max_length": 3}, {"max_length": 513}, {"threads": 0}])
def test_a_setting_out_of_range_is_named(settings: dict[str, int]) -> None:
    (name,) = settings
    with pytest.raises(ConfigError, match=f"{name} is {settings[name]}"):
        MiniLM(**settings)  # type: ignore[arg-type] # only the integers
