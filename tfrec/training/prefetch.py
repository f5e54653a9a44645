"""Computes what needs no model in a background thread while the models are trained."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


@contextlib.contextmanager
def background_thread() -> Iterator[ThreadPoolExecutor]:
    """Yields a pool of one thread; on exit, after an error too, calls that are still running are not waited for."""
    pool = ThreadPoolExecutor(1)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def prefetched(pool: ThreadPoolExecutor, calls: Sequence[Callable[[], T]]) -> Iterator[T]:
    """Returns the results of the calls in order; while the caller uses one, the next is computed.

    The first call is started at once, before the first result is asked for.
    """
    waiting = [pool.submit(call) for call in calls[:1]]

    def results() -> Iterator[T]:
        for call in calls[1:]:
            result = waiting.pop().result()
            waiting.append(pool.submit(call))
            yield result
        yield from (future.result() for future in waiting)

    return results()
