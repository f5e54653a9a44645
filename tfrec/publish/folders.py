"""Publishes a finished folder in one step, and replaces only a folder that tfrec itself wrote.

Each folder that is published names its own files in `.tfrec.json`. What is already there is replaced when it is of the
same kind and holds nothing else: a file that tfrec did not write, or that was changed since, refuses the whole folder.

Work is done in a hidden sibling (same file system) and renamed. Replacing a folder swaps the two names in one
system call where the kernel can (`renameat2` with `RENAME_EXCHANGE`, Linux ≥ 3.15); elsewhere the old folder steps
aside first and comes back after an interruption.
"""

import contextlib
import ctypes
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from tfrec.errors import SourceError
from tfrec.publish.contents import FolderKind, describe_contents, foreign_entries
from tfrec.publish.files import replacing
from tfrec.publish.places import check_folder_place, check_writable, followed
from tfrec.publish.workplaces import OLD, workplace

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
LAST_VERSION = ".last_version"
"""File beside the servables of a funnel that holds the highest number ever given to a version."""
_SHOWN = 5


@contextlib.contextmanager
def publishing(target: Path, kind: FolderKind, *, inputs: Iterable[Path] = (), is_new: bool = False) -> Iterator[Path]:
    """Gives an empty work folder; on a clean exit it becomes `target`, on an error it vanishes.

    Args:
        target: the folder; of a symbolic link, what the link leads to.
        kind: what is written there.
        inputs: files and folders that are read, which `target` must neither be nor hold.
        is_new: nothing is replaced, not even a folder of the same kind.

    Raises:
        SourceError: as `check_folder`, before the work and again after it; or another process is writing `target`.
    """
    inputs = tuple(inputs)
    check_folder(target, kind, inputs=inputs)
    target = followed(target)
    with workplace(target) as work:
        work.mkdir()
        yield work
        describe_contents(work, kind)
        check_folder(target, kind, inputs=inputs)
        if is_new and target.exists():
            raise SourceError(f"{target} has come to be while it was made: another process wrote it. Run this again.")
        _swap_in(work, target, kind)


def check_folder(target: Path, kind: FolderKind, *, inputs: Iterable[Path] = ()) -> None:
    """Refuses a folder that may not be replaced; verbs call it before they begin.

    Args:
        target: the folder to be written.
        kind: what is to be written there.
        inputs: files and folders that are read.

    Raises:
        SourceError: `target` is a file; is or holds an input, the current folder, the home or a mounted file system;
            or holds anything that tfrec did not write as this kind of folder.
    """
    target = followed(target)
    if target.exists() and not target.is_dir():
        raise SourceError(f"{target} is a file, but a folder is to be written there. Name another place.")
    check_folder_place(target, inputs)
    check_writable(target)
    if target.is_dir():
        _refuse_foreign(target, target, kind)


def next_version(base: Path) -> int:
    """Returns one more than the highest version folder in `base`; 1 when there is none.

    TF Serving burns a version number whose load failed, so a number is never used twice.
    """
    if not base.is_dir():
        return 1
    return max((int(entry.name) for entry in base.iterdir() if entry.name.isdigit()), default=0) + 1


def take_version(out: Path, names: Iterable[str], *, memory: str) -> int:
    """Returns the number of the next version of the folders `names` in `out`, and notes it there.

    A version that was deleted for being bad must not lend its number to the next.

    Args:
        out: folder of servables.
        names: servables that share their numbers.
        memory: name of the file that holds the highest number ever given.
    """
    noted = out / memory
    try:
        last = int(noted.read_text())
    except (FileNotFoundError, ValueError):
        last = 0
    version = max(last + 1, *(next_version(out / name) for name in names))
    with replacing(noted) as work:
        work.write_text(f"{version}\n")
    return version


def _refuse_foreign(folder: Path, target: Path, kind: FolderKind) -> None:
    """Refuses what lies in `folder`, which is or was at `target`."""
    foreign = foreign_entries(folder, kind)
    if foreign:
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        raise SourceError(
            f"{target} is not replaced: it holds what tfrec did not write there as {kind.name}: "
            f"{', '.join(foreign[:_SHOWN])}{more}. Nothing was changed. Name a new or an empty folder."
        )


def _swap_in(work: Path, target: Path, kind: FolderKind) -> None:
    """Puts `work` in the place of `target`, unless something came into the old folder in the last moment."""
    if not target.exists():
        work.rename(target)
        return
    shutil.copymode(target, work)
    if _exchange(work, target):
        try:
            _refuse_foreign(work, target, kind)
        except BaseException:
            _exchange(work, target)
            raise
        return
    aside = work.parent.with_name(OLD) / target.name
    target.rename(aside)
    try:
        _refuse_foreign(aside, target, kind)
        work.rename(target)
    except BaseException:
        if not target.exists():
            aside.rename(target)
        raise


def _exchange(left: Path, right: Path) -> bool:
    """Swaps two names atomically; False where the system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return renameat2(_AT_FDCWD, os.fsencode(left), _AT_FDCWD, os.fsencode(right), _RENAME_EXCHANGE) == 0
