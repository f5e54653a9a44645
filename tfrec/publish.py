"""A finished folder appears under its name in one step, so that a reader sees the old result or the new, never a half.

Work is done in a hidden sibling (same file system) and renamed. Replacing a folder swaps the two names in one
system call where the kernel can (`renameat2` with `RENAME_EXCHANGE`, Linux ≥ 3.15); elsewhere the old folder steps
aside first and `recover` brings it back after an interruption.
"""

import contextlib
import ctypes
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tfrec.errors import SourceError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def publishing(target: Path) -> Iterator[Path]:
    """Gives an empty work folder beside `target`; on a clean exit it becomes `target`, on an error it vanishes.

    Raises:
        SourceError: `target` exists and is no folder.
    """
    target = target.absolute()
    if target.exists() and not target.is_dir():
        raise SourceError(f"{target} is a file, but a folder is to be written there. Name another place.")
    target.parent.mkdir(parents=True, exist_ok=True)
    recover(target)
    work = target.parent / f".tmp-{target.name}-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        yield work
        _swap_in(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def recover(target: Path) -> None:
    """Finishes or undoes what an interrupted run left behind: stale work folders go, a set-aside result returns."""
    aside = target.parent / f".old-{target.name}"
    if aside.exists():
        if target.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(target)
    for stale in target.parent.glob(f".tmp-{target.name}-*"):
        pid = stale.name.rsplit("-", 1)[1]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(stale, ignore_errors=True)


def next_version(base: Path) -> int:
    """Returns one more than the highest version folder in `base`; 1 when there is none.

    TF Serving burns a version number whose load failed, so a number is never used twice.
    """
    if not base.is_dir():
        return 1
    return max((int(entry.name) for entry in base.iterdir() if entry.name.isdigit()), default=0) + 1


def _swap_in(work: Path, target: Path) -> None:
    if not target.exists():
        work.rename(target)
        return
    if not _exchange(work, target):
        aside = target.parent / f".old-{target.name}"
        target.rename(aside)
        work.rename(target)
        shutil.rmtree(aside)


def _exchange(left: Path, right: Path) -> bool:
    """Swaps two names atomically; False where the system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return renameat2(_AT_FDCWD, os.fsencode(left), _AT_FDCWD, os.fsencode(right), _RENAME_EXCHANGE) == 0


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
