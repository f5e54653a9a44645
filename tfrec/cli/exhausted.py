"""Recognises errors of any library that mean that disk or memory ran out, and explains them in one sentence."""

import errno
import re
from collections.abc import Iterator

from tfrec.errors import TfrecError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FULL_WORDS = re.compile(
    r"no space left on device|disk is full|disk quota exceeded|\d+ requested and \d+ written|max_temp_directory_size"
)
_MEMORY_NAMES = {"MemoryError", "OutOfMemoryException", "ArrowMemoryError", "_ArrayMemoryError"}
_MEMORY_WORDS = re.compile(
    r"cannot allocate memory|std::bad_alloc|out of memory|failed to allocate|oom when allocating"
)


def explain_exhaustion(error: BaseException) -> str | None:
    """Returns what ran out and what to do; None where the error is another."""
    for cause in _causes(error):
        # Messages of tfrec or of a server are no sign: they may be about another machine.
        text = "" if isinstance(cause, TfrecError) or type(cause).__module__.startswith("grpc") else str(cause).lower()
        number = cause.errno if isinstance(cause, OSError) else None
        if number in _FULL or _FULL_WORDS.search(text):
            place = f" at {cause.filename}" if isinstance(cause, OSError) and cause.filename else ""
            return (
                f"The disk is full{place}. What was there before is untouched. Free some space, or name a folder on "
                "another disk, and run the same command again."
            )
        if number == errno.ENOMEM or type(cause).__name__ in _MEMORY_NAMES or _MEMORY_WORDS.search(text):
            return (
                "The memory does not suffice. What was there before is untouched. Give the process more memory (limits "
                "of containers and `ulimit -v` count), or work on fewer rows."
            )
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
