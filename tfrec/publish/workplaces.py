"""Makes a hidden folder beside a result, on the same file system, so that a rename publishes it.

.tmp-NAME-1f0c.../
    .writer     held by the process that works here; what lies beside a free `.writer` is left over from a killed run
    new/NAME    what is being made; after names were swapped, what was there before
    old/NAME    what was there before, where names cannot be swapped
"""

import contextlib
import hashlib
import logging
import random
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from tfrec.errors import SourceError
from tfrec.publish.locks import HeldError, holding

logger = logging.getLogger(__name__)

WRITER, NEW, OLD = ".writer", "new", "old"
_PATTERN = re.compile(r"\.tmp-(?P<name>.+)-[0-9a-f]{16}", re.DOTALL)
_LONGEST = 200
"""Bytes of a name that still leave room for prefix and number within the 255 of common file systems."""
_ATTEMPTS = 5


@contextlib.contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """Gives the path, not yet there, where the file or folder `target` is to be made; all of it is gone at the end.

    Missing parents of `target` are made, and removed again after an error. What killed runs left beside `target` is
    cleared first.

    Raises:
        SourceError: another process is writing `target`.
    """
    made: list[Path] = []
    try:
        with contextlib.ExitStack() as stack:
            try:
                made = _make_parents(target)
                clear_stale(target.parent)
                place = _take(target, stack)
                for part in (NEW, OLD):
                    (place / part).mkdir()
            except PermissionError as error:
                raise SourceError(f"{target} cannot be written: {error.strerror}. Name another place.") from error
            yield place / NEW / target.name
    except BaseException:
        for folder in reversed(made):
            with contextlib.suppress(OSError):  # someone else has put something there
                folder.rmdir()
        raise


def clear_stale(folder: Path) -> None:
    """Removes the workplaces in `folder` whose process has ended; a result that was set aside there comes back."""
    if not folder.is_dir():
        return
    for place in folder.iterdir():
        if not _PATTERN.fullmatch(place.name) or place.is_symlink() or not place.is_dir():
            continue
        with contextlib.suppress(OSError):  # also of those held: `HeldError` is one
            if not (place / WRITER).exists():
                place.rmdir()  # killed before anything was made; fails where there is something
                continue
            with holding(place / WRITER) as is_locked:
                if is_locked:
                    _restore(place, folder)
                    shutil.rmtree(place, ignore_errors=True)


def _restore(place: Path, folder: Path) -> None:
    for result in (place / OLD).glob("*"):
        if not (folder / result.name).exists():
            result.rename(folder / result.name)


def _take(target: Path, stack: contextlib.ExitStack) -> Path:
    """Makes and holds a workplace; two processes that begin in the same moment both step back and try again."""
    holder = None
    for _ in range(_ATTEMPTS):
        place = target.parent / f".tmp-{_short(target.name)}-{secrets.token_hex(8)}"
        place.mkdir()
        with contextlib.ExitStack() as claim:
            claim.callback(shutil.rmtree, place, ignore_errors=True)
            try:
                is_locked = claim.enter_context(holding(place / WRITER))
            except (HeldError, FileNotFoundError):  # another process that clears up was there first
                continue
            holder = _other_writer(target, place)
            if holder is None:
                if not is_locked:
                    logger.warning("%s has no file locks: make sure that only one tfrec writes there.", target.parent)
                stack.enter_context(claim.pop_all())
                return place
        time.sleep(random.uniform(0.01, 0.1))
    raise SourceError(
        f"{target} is being written by another tfrec ({holder or 'just started'}). Wait until it has ended, or name "
        "another place."
    )


def _other_writer(target: Path, workplace: Path) -> str | None:
    """Returns who else is writing `target`."""
    for place in target.parent.iterdir():
        match = _PATTERN.fullmatch(place.name)
        if match is None or match["name"] != _short(target.name) or place == workplace:
            continue
        try:
            with holding(place / WRITER):
                pass
        except HeldError as error:
            return str(error)
        except OSError:  # gone, or just made
            continue
    return None


def _short(name: str) -> str:
    return name if len(name.encode()) <= _LONGEST else hashlib.sha256(name.encode()).hexdigest()[:32]


def _make_parents(target: Path) -> list[Path]:
    """Makes the parents that are missing and returns them, outermost first."""
    missing = [parent for parent in target.parents if not parent.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    return missing[::-1]
