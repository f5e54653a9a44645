"""Work that hangs on no model, done in a thread while the models learn."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


@contextlib.contextmanager
def beside() -> Iterator[ThreadPoolExecutor]:
    """Gives a pool of one thread; on leaving, with an error too, nothing waits for what is still under way."""
    pool = ThreadPoolExecutor(1)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def one_ahead(pool: ThreadPoolExecutor, calls: Sequence[Callable[[], T]]) -> Iterator[T]:
    """Returns the calls' results in their order; while one is used, the next is under way, the first from now on."""
    first = pool.submit(calls[0]) if calls else None

    def results() -> Iterator[T]:
        waiting = first
        for call in (*calls[1:], None):
            if waiting is None:
                return
            result = waiting.result()
            waiting = pool.submit(call) if call is not None else None
            yield result

    return results()
