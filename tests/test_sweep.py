"""What a sweep says of its jobs, and when it begins no other."""

import pytest

from rerank_eval.errors import ConfigError, UnreachableError
from rerank_eval.sweep import Sweep

AWAY = UnreachableError("no answer", "https://hub")
FAULT = ConfigError("wrong")


def run(*outcomes: Exception | None) -> tuple[Sweep, int]:
    """Return the sweep, and how many jobs were run."""
    sweep, begun = Sweep(), 0
    for number, outcome in enumerate(outcomes):
        if sweep.begin(["same=1", f"n={number}"]):
            begun += 1
            if outcome is None:
                sweep.succeed()
            else:
                sweep.fail(outcome, getattr(outcome, "exit_code", 3))
    return sweep, begun


def test_a_sweep_without_a_fault_ends_with_0() -> None:
    sweep, begun = run(None, None)
    assert (sweep.exit_code, begun) == (0, 2)


def test_failed_jobs_are_named_by_what_differs_and_the_worst_code_counts() -> None:
    sweep, begun = run(None, FAULT, AWAY, FAULT, None)
    assert (sweep.exit_code, begun) == (3, 5)
    assert sweep.summary() == "3 of 5 jobs of the sweep failed: n=1, n=2, n=3"


def test_a_single_job_is_named_by_all_of_its_overrides() -> None:
    assert run(FAULT)[0].summary() == "1 of 1 jobs of the sweep failed: same=1 n=0"


def test_no_job_begins_after_two_in_a_row_that_miss_one_host() -> None:
    sweep, begun = run(None, AWAY, AWAY, None, None)
    assert (sweep.exit_code, begun) == (3, 3)
    assert sweep.summary() == (
        "2 of 5 jobs of the sweep failed: n=1, n=2; 2 not begun, since https://hub cannot be reached"
    )


@pytest.mark.parametrize("between", [None, FAULT, UnreachableError("no answer", "https://other")])
def test_jobs_go_on_where_the_host_was_not_missed_twice_in_a_row(between: Exception | None) -> None:
    assert run(AWAY, between, AWAY, None)[1] == 4


def test_a_host_is_found_below_the_error_that_is_shown() -> None:
    shown = ConfigError("dataset: no answer")
    shown.__cause__ = AWAY
    assert run(shown, shown, None)[1] == 2
