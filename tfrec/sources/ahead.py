"""Takes the next part of something while the last one is worked on."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_END = object()


def ahead(parts: Iterable[T]) -> Iterator[T]:
    """Yields the parts; another thread takes the next one meanwhile, which helps where that runs outside of Python.

    Examples:
        >>> list(ahead(range(3)))
        [0, 1, 2]
    """
    iterator = iter(parts)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, iterator, _END)
        while (part := following.result()) is not _END:
            following = pool.submit(next, iterator, _END)
            yield part  # type: ignore[misc]
