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
    waiting = [pool.submit(call) for call in calls[:1]]

    def results() -> Iterator[T]:
        for call in calls[1:]:
            result = waiting.pop().result()
            waiting.append(pool.submit(call))
            yield result
        yield from (future.result() for future in waiting)

    return results()
