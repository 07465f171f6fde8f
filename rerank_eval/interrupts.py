"""Ctrl-C in the command: once ends the run and keeps what it has, twice ends the process."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_LAST_WORDS = (
    "\nrerank_eval: interrupted twice: what was in flight is lost; answers that are kept in the store are not, and the same command "
    "goes on from there\n"
)
_SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def ending_at_the_second_interrupt() -> Iterator[None]:
    """Have the first Ctrl-C raise KeyboardInterrupt as always, and the second end the process at once with 130, whatever threads wait for.

    Changes nothing where Ctrl-C is ignored, as in a shell's background job, or means something else already.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    is_first = True

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            signal.default_int_handler(number, frame)
        words = _LAST_WORDS + (_SHOW_CURSOR if sys.stderr.isatty() else "")
        # a stream may be locked by what is interrupted
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, words.encode())
        os._exit(130)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
