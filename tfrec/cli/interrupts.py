"""Turns Ctrl-C into KeyboardInterrupt, also where it met C code that raised another error, or none.

Python raises KeyboardInterrupt wherever its byte code runs next. Where that is inside a call from C, the caller may
raise an error of its own, as NumPy does that parses a buffer's format, or drop it, as NumPy does that looks for an
attribute: of the moments of `tfrec campaign plan` every tenth is one of these.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

_AGAIN = 0.5  # seconds after which work that has not stopped is interrupted again


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Lets Ctrl-C end the work inside; a handler that someone else has set is left alone.

    Raises:
        KeyboardInterrupt: Ctrl-C came before the work was done, whatever became of it on the way.
    """
    if threading.current_thread() is not threading.main_thread() or (
        signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    has_come = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal has_come
        has_come = True
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        if number == signal.SIGINT or not _is_clearing_up():
            raise KeyboardInterrupt

    alarm = signal.signal(signal.SIGALRM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except Exception as error:
        if has_come:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_clearing_up() -> bool:
    """Returns whether the running code was called by an `except`, `finally` or `with` that an interruption reached."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
