import threading

import pytest

from rerank_eval.calls.pace import MARGIN, Pace
from tests.clocks import StandingClock


def pace_of(clock: StandingClock, calls: float | None = None, tokens: float | None = None) -> Pace:
    pace = Pace(clock, threading.Event())
    pace.set_limits(calls, tokens)
    return pace


def test_without_a_limit_nobody_waits() -> None:
    clock = StandingClock()
    pace = pace_of(clock)
    assert [pace.wait_for_turn(1000) for _ in range(50)] == [0.0] * 50
    assert clock.waits == []


def test_turns_are_evenly_spaced_a_little_below_the_limit() -> None:
    clock = StandingClock()
    pace = pace_of(clock, calls=600)
    for _ in range(601):
        pace.wait_for_turn()
    assert clock.skipped_s == pytest.approx(60 / MARGIN, abs=0.01)
    assert max(clock.waits) == pytest.approx(0.1 / MARGIN, abs=1e-6)


def test_tokens_are_paced_as_well() -> None:
    clock = StandingClock()
    pace = pace_of(clock, calls=6000, tokens=60_000)
    for _ in range(11):
        pace.wait_for_turn(1000)
    assert clock.skipped_s == pytest.approx(10 / MARGIN, abs=0.01)


def test_a_limit_that_the_replies_tell_is_kept_to() -> None:
    clock = StandingClock()
    pace = pace_of(clock)
    pace.wait_for_turn()
    pace.accepted(clock.now_ns(), {"anthropic-ratelimit-requests-limit": "60"})
    for _ in range(3):
        pace.wait_for_turn()
    assert clock.skipped_s == pytest.approx(2 / MARGIN, abs=0.01)


def test_the_limit_of_the_settings_holds_whatever_the_replies_tell() -> None:
    pace = pace_of(StandingClock(), calls=10)
    pace.accepted(0, {"anthropic-ratelimit-requests-limit": "4000"})
    assert pace.calls_per_minute == 10


def test_of_several_limits_that_are_set_the_smallest_holds() -> None:
    clock = StandingClock()
    pace = pace_of(clock)
    for calls, tokens in ((60, None), (30, 6000), (None, 60_000)):
        pace.set_limits(calls, tokens)
    assert pace.calls_per_minute == 30
    pace.wait_for_turn(1000)
    assert pace.wait_for_turn() == pytest.approx(10 / MARGIN)


def test_nothing_left_is_a_pause_for_all() -> None:
    clock = StandingClock()
    pace = pace_of(clock)
    pace.accepted(0, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "20"})
    assert pace.wait_for_turn() == pytest.approx(20)
    pace.accepted(0, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4000"})
    assert pace.wait_for_turn() < 1


def refuse(pace: Pace, clock: StandingClock, pause_s: float) -> None:
    pace.rejected(pause_s, {})
    pace.wait_for_turn()
    pace.accepted(clock.now_ns() + 1, {})


def accept(pace: Pace, clock: StandingClock, count: int) -> None:
    for _ in range(count):
        pace.wait_for_turn()
        pace.accepted(clock.now_ns(), {})


def test_refusals_show_the_limit_of_a_server_that_tells_none() -> None:
    """600 calls at once, then a pause to the end of the minute, twice: 600 a minute."""
    clock = StandingClock()
    pace = pace_of(clock)
    for minute in (1, 2):
        accept(pace, clock, 600 if minute == 1 else 599)
        clock.skipped_s += 15
        refuse(pace, clock, 45)
        assert clock.skipped_s == pytest.approx(60 * minute)
    assert pace.calls_per_minute == pytest.approx(600, rel=0.01)


@pytest.mark.parametrize("num_before", [1, 4, 49])
def test_one_refusal_is_a_pause_and_no_limit(num_before: int) -> None:
    clock = StandingClock()
    pace = pace_of(clock)
    accept(pace, clock, num_before)
    refuse(pace, clock, 30)
    accept(pace, clock, 1000)
    assert pace.calls_per_minute is None
    assert clock.skipped_s == pytest.approx(30)


def test_refusals_with_few_calls_between_them_count_together() -> None:
    """5 calls a minute."""
    clock = StandingClock()
    pace = pace_of(clock)
    for minute in range(4):
        accept(pace, clock, 5 if minute == 0 else 4)
        refuse(pace, clock, 60)
    assert pace.calls_per_minute == pytest.approx(5, rel=0.1)


def test_refusals_that_are_far_apart_show_no_limit() -> None:
    clock = StandingClock()
    pace = pace_of(clock)
    for _ in range(4):
        refuse(pace, clock, 1)
        accept(pace, clock, 20)
        clock.skipped_s += 600
    assert pace.calls_per_minute is None


def test_a_token_limit_below_one_call_is_not_believed() -> None:
    clock = StandingClock()
    pace = pace_of(clock)
    pace.accepted(0, {"x-ratelimit-limit-tokens": "1"})
    for _ in range(20):
        pace.wait_for_turn(100)
    assert clock.skipped_s == 0


def test_what_was_in_flight_at_a_refusal_does_not_count_as_accepted_again() -> None:
    clock = StandingClock()
    pace = pace_of(clock)
    pace.wait_for_turn()
    sent_before = clock.now_ns()
    clock.skipped_s += 1
    pace.rejected(10, {})
    pace.accepted(sent_before, {})
    assert pace.calls_per_minute is None


def test_refusals_by_chance_do_not_slow_a_run_down_without_end() -> None:
    clock = StandingClock()
    pace = pace_of(clock)
    for turn in range(2000):
        pace.wait_for_turn()
        clock.skipped_s += 0.05
        if turn % 10 == 9:
            pace.rejected(0.5, {})
        else:
            pace.accepted(clock.now_ns(), {})
    assert pace.calls_per_minute is not None
    assert pace.calls_per_minute > 100


def test_a_learned_pace_grows_again_when_nothing_is_refused() -> None:
    clock = StandingClock()
    pace = pace_of(clock)
    for _ in range(2):
        refuse(pace, clock, 1)
        accept(pace, clock, 20)
    learned = pace.calls_per_minute
    assert learned is not None
    for growth in (1.05, 1.05**2, 1.05**4, 1.05**8, 1.5, 1.5):
        clock.skipped_s += 61
        pace.accepted(clock.now_ns(), {})
        learned *= growth
        assert pace.calls_per_minute == pytest.approx(learned)


def test_a_stopped_run_waits_for_no_turn() -> None:
    clock, stopped = StandingClock(), threading.Event()
    pace = Pace(clock, stopped)
    pace.set_limits(1, None)
    pace.wait_for_turn()
    stopped.set()
    pace.wait_for_turn()
    assert clock.waits == []
