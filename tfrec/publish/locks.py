"""Locks a file for one process at a time; the operating system releases it whenever the process ends."""

import contextlib
import datetime
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tfrec.errors import SourceError

_CANNOT = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class HeldError(SourceError):
    """Another process, or another thread of this one, holds the file; the message names the holder."""


@contextlib.contextmanager
def holding(path: Path) -> Iterator[bool]:
    """Holds the file `path`, which is made, for the block and writes into it who does; gives whether there is a lock.

    Where the file system has no locks the block runs without one.

    Raises:
        HeldError: it is held already.
        FileNotFoundError: another process has removed it in the moment before it was held.
    """
    import fcntl  # not everywhere, and clients import the package on all systems

    with path.open("a+", encoding="utf-8") as file:
        is_locked = True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _CANNOT:
                file.seek(0)
                raise HeldError(file.read().strip() or "just started") from None
            is_locked = False
        if path.stat().st_ino != os.fstat(file.fileno()).st_ino:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        file.truncate(0)
        since = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {since}\n")
        file.flush()
        yield is_locked
