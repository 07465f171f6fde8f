"""Work in several threads: all of it is done, none of it is lost by an error, and nothing is begun after an interrupt."""

import sys
import threading

import pytest

from rerank_eval.threads import work_in_threads


def test_every_item_comes_once_with_what_was_made_of_it() -> None:
    assert sorted(work_in_threads(str, range(50), 4)) == [(number, str(number)) for number in range(50)]
    assert list(work_in_threads(str, [], 4)) == []


def test_as_many_are_worked_on_at_once_as_asked_for_and_no_more() -> None:
    together = threading.Barrier(3, timeout=30)  # passes only if three meet
    lock, at_once, most = threading.Lock(), 0, 0

    def work(number: int) -> int:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        together.wait()
        with lock:
            at_once -= 1
        return number

    assert len(list(work_in_threads(work, range(9), 3))) == 9
    assert most == 3


def test_what_is_finished_first_comes_first() -> None:
    second_came = threading.Event()

    def work(number: int) -> bool:
        return number == 1 or second_came.wait(30)

    found = []
    for number, outcome in work_in_threads(work, range(2), 2):
        found.append((number, outcome))
        second_came.set()
    assert found == [(1, True), (0, True)]


def test_an_error_is_raised_after_all_others_were_yielded_and_stop_is_called_once() -> None:
    def work(number: int) -> int:
        if number in (2, 7):
            raise ValueError(number)
        return number

    found: list[int] = []
    stops: list[str] = []

    def collect() -> None:
        for number, _ in work_in_threads(work, range(10), 1, lambda: stops.append("stop")):
            found.append(number)

    with pytest.raises(ValueError, match=r"^2$"):
        collect()
    assert sorted(found) == [0, 1, 3, 4, 5, 6, 8, 9]
    assert stops == ["stop"]


def test_after_an_interrupt_stop_frees_what_waits_and_nothing_more_is_begun() -> None:
    stopped = threading.Event()
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number:
            assert stopped.wait(30)
        return number

    def leave() -> None:
        for _ in work_in_threads(work, range(1000), 2, stopped.set):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert stopped.is_set()
    assert set(begun) <= {0, 1, 2}


def test_without_an_error_stop_is_not_called() -> None:
    assert len(list(work_in_threads(str, range(3), 2, lambda: pytest.fail("called")))) == 3


def test_threads_take_turns_faster_only_while_the_work_goes_on() -> None:
    before = sys.getswitchinterval()
    found = list(work_in_threads(lambda _: sys.getswitchinterval(), range(4), 2))
    assert all(during < before for _, during in found)
    assert sys.getswitchinterval() == before
    left = work_in_threads(str, range(4), 2)
    next(iter(left))
    left.close()  # type: ignore[attr-defined] # it is a generator
    assert sys.getswitchinterval() == before
