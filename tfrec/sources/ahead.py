"""Takes the next part of something while the last one is worked on."""

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(parts: Iterable[T]) -> Iterator[T]:
    """Yields the parts; another thread takes the next one meanwhile, which helps where that runs outside of Python.

    Examples:
        >>> list(ahead(range(3)))
        [0, 1, 2]
    """
    iterator = iter(parts)

    def take() -> list[T]:
        return [*itertools.islice(iterator, 1)]

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(take)
        while taken := following.result():
            following = pool.submit(take)
            yield from taken
