"""Keeps the memory of a server that runs for weeks from growing by what threads have given back."""

import ctypes
import os

_M_ARENA_MAX = -8  # malloc.h


def share_heaps() -> None:
    """Lets threads share as many heaps as there are cores, two at least; to be called before threads are started.

    glibc gives threads eight heaps a core. Each keeps the most that was ever taken from it, so that with requests of
    all sizes the memory grows for hours (`make bench-fuzz`, with `MALLOC_ARENA_MAX=16` and without). That variable is
    left as it is where it is set; other C libraries have no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, max(2, os.cpu_count() or 1))
