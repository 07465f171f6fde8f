"""What a store key covers: everything that can change a score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval import fingerprint as module
from rerank_eval.errors import ConfigError
from rerank_eval.fingerprint import answer_key, fingerprint
from rerank_eval.types import Document, Query, Request
from tests.fakes import make_request

BASE = make_request("q1", "how", [("d1", "one"), ("d2", "two")])


@pytest.mark.parametrize(
    "changed",
    [
        make_request("q2", "how", [("d1", "one"), ("d2", "two")]),
        make_request("q1", "how?", [("d1", "one"), ("d2", "two")]),
        make_request("q1", "how", [("d9", "one"), ("d2", "two")]),
        make_request("q1", "how", [("d1", "one"), ("d2", "two.")]),
        make_request("q1", "how", [("d2", "two"), ("d1", "one")]),
        make_request("q1", "how", [("d1", "one")]),
        make_request("q1", "how", [("d1", "one"), ("d2", "two"), ("d3", "")]),
        BASE._replace(first_stage_scores=(2.0, 1.0)),
    ],
    ids=["query_id", "query text", "doc_id", "document text", "order", "fewer", "more", "first-stage scores"],
)
def test_every_part_of_a_request_changes_the_key(changed: Request) -> None:
    assert answer_key("system", changed) != answer_key("system", BASE)


def test_the_system_and_the_schema_version_change_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = answer_key("system", BASE)
    assert answer_key("other", BASE) != before
    monkeypatch.setattr(module, "SCHEMA_VERSION", module.SCHEMA_VERSION + 1)
    assert answer_key("system", BASE) != before


def test_equal_requests_have_one_key() -> None:
    again = make_request("q1", "how", [("d1", "one"), ("d2", "two")])
    assert answer_key("system", again) == answer_key("system", BASE)


cuts = st.tuples(*[st.integers(0, 6)] * 3).map(sorted)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(left=cuts, right=cuts)
def test_parts_cannot_run_into_each_other(left: list[int], right: list[int]) -> None:
    def request(ends: list[int]) -> Request:
        first, second, third = ends
        text = "a1 1a1"
        return Request(Query(text[:first], text[first:second]), (Document(text[second:third], text[third:]),))

    assert (answer_key("s", request(left)) == answer_key("s", request(right))) == (request(left) == request(right))


def test_a_lone_surrogate_has_a_key() -> None:
    assert answer_key("s", make_request("q1", "\ud800")) != answer_key("s", make_request("q1", "\ud801"))


def test_the_order_of_settings_does_not_matter_but_every_value_does() -> None:
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    variants: list[dict[str, object]] = [
        {"a": 1},
        {"a": 1.5},
        {"a": "1"},
        {"a": None},
        {"a": True},
        {"a": [1]},
        {"b": 1},
    ]
    assert len({fingerprint(variant) for variant in variants}) == len(variants)


@pytest.mark.parametrize(
    "value",
    [np.arange(3), np.float32(1), {1, 2}, b"x", object(), {"nested": [object()]}, {(1, 2): "x"}],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_is_not_plain_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"no plain text, number, list or mapping .* convert it"):
        fingerprint({"a": value})


def test_two_arrays_that_look_the_same_as_text_share_no_fingerprint() -> None:
    weights = [np.zeros(2000), np.zeros(2000)]
    weights[1][1000] = 1.0
    assert str(weights[0]) == str(weights[1])  # what made them one identity if they were taken as text
    for array in weights:
        with pytest.raises(ConfigError, match="ndarray is not JSON serializable"):
            fingerprint({"weights": array})
