"""Work in threads: what it changes in the process ends with it."""

import sys

from rerank_eval.threads import work_in_threads


def test_threads_take_turns_faster_only_while_the_work_goes_on() -> None:
    before = sys.getswitchinterval()
    found = list(work_in_threads(lambda _: sys.getswitchinterval(), range(4), 2))
    assert all(during < before for _, during in found)
    assert sys.getswitchinterval() == before
    left = work_in_threads(str, range(4), 2)
    next(iter(left))
    left.close()  # type: ignore[attr-defined] # it is a generator
    assert sys.getswitchinterval() == before
