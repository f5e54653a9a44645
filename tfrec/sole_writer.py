"""One process at a time writes a folder of models: two trainings in one would empty each other's work."""

import contextlib
import datetime
import errno
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tfrec.errors import SourceError

logger = logging.getLogger(__name__)

_NAME = ".writer"
_CANNOT = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Holds `folder`, which is made, for the block; the operating system lets go of it whenever the process ends.

    Where the file system knows no locks the block runs without one, with a warning. The file `.writer` stays: it tells
    who wrote last.

    Raises:
        SourceError: another process, or another thread of this one, holds the folder; or `folder` is a file.
    """
    import fcntl  # not everywhere, and clients import the package on all systems

    if folder.exists() and not folder.is_dir():
        raise SourceError(f"{folder} is a file, but a folder of models is to be written there. Name another place.")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _NAME).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _CANNOT:
                file.seek(0)
                raise SourceError(
                    f"{folder} is being written by another tfrec ({file.read().strip() or 'just started'}). "
                    "Wait until it has ended, or name another folder."
                ) from None
            logger.warning("%s knows no file locks: see to it that only one tfrec writes there.", folder)
        file.truncate(0)
        since = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {since}\n")
        file.flush()
        yield
