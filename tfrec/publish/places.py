"""Refuses output paths that would replace an input, the current folder, a home or a whole disk."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from tfrec.errors import SourceError


def followed(target: Path) -> Path:
    """Returns the absolute path of `target`, where symbolic links lead to: the link stays and what it names is written.

    Raises:
        SourceError: the links lead in a circle, or something in the path of `target` is a file.
    """
    try:
        resolved = target.resolve()
        for parent in resolved.parents:
            if parent.exists():
                if not parent.is_dir():
                    raise SourceError(f"{target} cannot be written: {parent} is a file. Name another place.")
                break
    except (OSError, RuntimeError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{target} cannot be written: {_reason(error)}. Name another place.") from error
    if resolved.is_symlink():
        raise SourceError(f"{target} cannot be written: its symbolic links lead in a circle. Name another place.")
    return resolved


def check_writable(target: Path) -> None:
    """Refuses a place in which nothing can be made, before any work is done.

    Raises:
        SourceError: the nearest folder above `target` that exists takes no new entries.
    """
    above = next(parent for parent in target.parents if parent.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise SourceError(f"{target} cannot be written: no permission to write in {above}. Name another place.")


def check_folder_place(target: Path, inputs: Iterable[Path]) -> None:
    """Refuses a folder that must not be replaced, whatever it holds.

    Args:
        target: resolved.
        inputs: files and folders that are read.

    Raises:
        SourceError: `target` is, or holds, an input, the current folder, the home or a file system of its own.
    """
    for what, place in (("the current folder", Path.cwd()), ("your home folder", _home())):
        if place is not None and _holds(target, place):
            raise SourceError(
                f"{target} is not replaced: it {_is_or_holds(target, place)} {what}. Name a folder of its own, such as "
                f"{target / 'NAME'}."
            )
    if target.parent == target or os.path.ismount(target):
        raise SourceError(
            f"{target} is a mounted file system, which cannot be replaced as a whole. Name a folder inside it, such as "
            f"{target / 'NAME'}."
        )
    for path in inputs:
        place = path.resolve()
        if _holds(target, place):
            raise SourceError(
                f"{target} is not replaced: it {_is_or_holds(target, place)} {path}, which is read. Name another "
                "folder."
            )


def check_file_place(target: Path, inputs: Iterable[Path]) -> None:
    """Refuses a file that must not be replaced, whatever it holds.

    Raises:
        SourceError: `target` is a folder, a device or a pipe, or one of the input files.
    """
    if target.is_dir():
        raise SourceError(f"{target} is a folder, but a file is to be written there. Name a file in it.")
    if not target.exists():
        return
    if not stat.S_ISREG(target.stat().st_mode):
        raise SourceError(f"{target} is no regular file (a device or a pipe), so it is not replaced. Name a file.")
    for path in inputs:
        if path.is_file() and path.samefile(target):
            raise SourceError(f"{target} is not overwritten: it is read by the same command. Name another file.")


def _holds(target: Path, place: Path) -> bool:
    """Returns whether `place` is `target` or lies in it, even if spelled differently (case, bind mounts)."""
    if place.is_relative_to(target):
        return True
    if not target.exists():
        return False
    return any(part.exists() and part.samefile(target) for part in (place, *place.parents))


def _is_or_holds(target: Path, place: Path) -> str:
    return "is" if place == target else "holds"


def _home() -> Path | None:
    try:
        return Path.home().resolve()
    except RuntimeError:
        return None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
