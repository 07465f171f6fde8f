"""Work that waits more than it computes, several pieces at a time."""

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

_SWITCH_S = 0.0005
"""How long one thread may compute while another has a reply to read; Python's own 5 ms would become part of a recorded latency."""
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def work_in_threads(
    work: Callable[[Item], Outcome], items: Iterable[Item], concurrency: int, stop: Callable[[], None] | None = None
) -> Iterator[tuple[Item, Outcome]]:
    """Yield each item with what `work` makes of it, as they are finished, up to `concurrency` at a time.

    An error ends nothing by itself: every other item is worked on and yielded first, since its answer may be kept already. Where the
    caller leaves early, as at an interrupt, nothing more is begun. `stop` is called in both cases, to end what threads still wait for.
    Threads take turns faster until the end: for the whole process, but not any more when local rerankers are timed.

    Raises:
        BaseException: the first that `work` raised, at the end.
    """
    pool = ThreadPoolExecutor(concurrency)
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(min(switch_s, _SWITCH_S))
    try:
        futures = {pool.submit(work, item): item for item in items}
        ended_by: BaseException | None = None
        for future in as_completed(futures):
            if future.exception() is None:
                yield futures[future], future.result()
            ended_by = ended_by or future.exception()
        if ended_by is not None:
            raise ended_by
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)  # first, or a thread that `stop` frees would begin another
        if stop is not None:
            stop()
        raise
    finally:
        pool.shutdown()
        sys.setswitchinterval(switch_s)
