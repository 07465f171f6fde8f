from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_eval.calls.headers import Limits, read_limits, read_retry_after, read_wait

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12", 12.0),
        (" 0.5 ", 0.5),
        ("0", 0.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("2026-11-23T12:01:00Z", 60.0),
        ("2026-11-23T13:01:00+01:00", 60.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        (str(int(NOON.timestamp()) + 7), 7.0),
        ("-3", None),
        ("soon", None),
        ("12 parsecs", None),
        ("inf", None),
        ("NaN", None),
        ("9" * 15, 1e15 - 1 - NOON.timestamp()),
        ("9" * 20, 1e15 - NOON.timestamp()),
        ("9" * 400, 1e15 - NOON.timestamp()),
        ("", None),
        (None, None),
    ],
)
def test_a_wait_is_read_in_every_form_that_providers_use(text: str | None, seconds: float | None) -> None:
    assert read_wait(text, NOON) == seconds


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader_or_gives_a_negative_wait(text: str) -> None:
    seconds = read_wait(text, NOON)
    assert seconds is None or seconds >= 0


def test_milliseconds_are_the_more_exact_word() -> None:
    assert read_retry_after({"retry-after-ms": "1500", "retry-after": "2"}, NOON) == 1.5
    assert read_retry_after({"retry-after": "2"}, NOON) == 2.0
    assert read_retry_after({}, NOON) is None


def test_a_date_is_compared_with_the_date_of_the_reply_and_not_with_this_machines_clock() -> None:
    theirs = {"date": "Mon, 23 Nov 2026 09:00:00 GMT"}
    told = {"retry-after": "Mon, 23 Nov 2026 09:00:20 GMT"}
    assert read_retry_after({**told, **theirs}, NOON) == 20
    assert read_retry_after({**told, "date": "soon"}, NOON) == 0
    used = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2026-11-23T09:00:08Z"}
    assert read_limits({**used, **theirs}, NOON).exhausted_s == 8


@pytest.mark.parametrize("limit", ["0.000000001", "0.01", "0"])
def test_a_limit_below_one_call_a_minute_is_not_believed(limit: str) -> None:
    assert read_limits({"x-ratelimit-limit-requests": limit}, NOON).calls_per_minute is None


def test_limits_per_minute_are_read_only_where_they_are_documented_to_be_that() -> None:
    assert read_limits({"anthropic-ratelimit-requests-limit": "50"}, NOON).calls_per_minute == 50
    assert read_limits({"x-ratelimit-limit-requests": "600"}, NOON).calls_per_minute == 600
    assert read_limits({"x-trial-endpoint-call-limit": "10"}, NOON).calls_per_minute == 10
    assert read_limits({"anthropic-ratelimit-input-tokens-limit": "40000"}, NOON).tokens_per_minute == 40000
    assert read_limits({"x-ratelimit-limit": "10", "ratelimit-limit": "10"}, NOON) == Limits()


def test_what_is_used_up_is_waited_for_and_what_is_left_is_not() -> None:
    used = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "8"}
    assert read_limits(used, NOON).exhausted_s == 8
    assert read_limits({**used, "x-ratelimit-remaining": "1"}, NOON).exhausted_s is None
    assert read_limits({"anthropic-ratelimit-requests-remaining": "0"}, NOON).exhausted_s is None
