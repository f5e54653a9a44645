"""Claims a folder that grows over many runs, such as that of models, for one process at a time.

What lies in such a folder is never removed. The first run takes a new or an empty folder only.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from tfrec.errors import SourceError
from tfrec.publish.locks import HeldError, holding
from tfrec.publish.places import check_writable, followed

logger = logging.getLogger(__name__)

_WRITER = ".writer"
_SIGNS = (_WRITER, ".last_version*", "trained/manifest.json", "*/[0-9]*/saved_model.pb")
_OF_THE_SYSTEM = {"lost+found", "Thumbs.db", "desktop.ini"}
_SHOWN = 5


@contextlib.contextmanager
def claiming(folder: Path, *, signs: Iterable[str] = ()) -> Iterator[None]:
    """Holds `folder`, which is made, for the block; the operating system lets go of it whenever the process ends.

    Two trainings in one folder would empty each other's work. Where the file system has no locks the block runs without
    one, with a warning. The file `.writer` stays: it names who wrote last.

    Args:
        folder: may be new or empty.
        signs: patterns of further names by which a folder that tfrec wrote is recognised.

    Raises:
        SourceError: as `check_claim`; or another process, or another thread of this one, holds the folder.
    """
    check_claim(folder, signs=signs)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            is_locked = stack.enter_context(holding(folder / _WRITER))
        except HeldError as error:
            raise SourceError(
                f"{folder} is being written by another tfrec ({error}). Wait until it has ended, or name another "
                "folder."
            ) from None
        if not is_locked:
            logger.warning("%s knows no file locks: see to it that only one tfrec writes there.", folder)
        yield


def check_claim(folder: Path, *, signs: Iterable[str] = ()) -> None:
    """Refuses a folder that holds files, but none that tfrec wrote; verbs call it before they begin.

    Raises:
        SourceError: `folder` is a file, cannot be written, or is another's.
    """
    if folder.exists() and not folder.is_dir():
        raise SourceError(f"{folder} is a file, but a folder is to be written there. Name another place.")
    place = followed(folder)
    check_writable(place / _WRITER)
    if not place.is_dir() or any(mark for sign in (*_SIGNS, *signs) for mark in place.glob(sign)):
        return
    names = sorted(path.name for path in place.iterdir())
    others = [name for name in names if not name.startswith(".") and name not in _OF_THE_SYSTEM]
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        raise SourceError(
            f"{folder} holds files, and none that tfrec wrote there: {', '.join(others[:_SHOWN])}{more}. Nothing was "
            "changed. Name a new or an empty folder."
        )
