"""Finds files in zip archives, and unpacks them to be read.

A file in an archive is named as if the archive were a folder: `export.zip/orders.csv`.
"""

import fnmatch
import shutil
import zipfile
import zlib
from pathlib import Path

from tfrec.errors import SourceError

_HIDDEN = ("__MACOSX/", ".", "_")


def archive_of(path: Path) -> Path | None:
    """Returns the archive that a path lies in or is, or None."""
    for place in (path, *path.parents):
        if place.suffix.lower() == ".zip" and place.is_file():
            return place
    return None


def members_of(path: Path) -> list[Path]:
    """Returns the files that a path into an archive names: one, those that match its pattern, or the only one.

    Raises:
        SourceError: there is none, or the archive itself is named and holds several; names them.
    """
    archive = archive_of(path)
    assert archive is not None
    names = sorted(
        name
        for name in _names(archive)
        if not name.endswith("/") and not Path(name).name.startswith(_HIDDEN) and not name.startswith(_HIDDEN)
    )
    if path == archive:
        if len(names) != 1:
            listed = ", ".join(map(repr, names[:9])) or "nothing"
            hint = f' Name what is read: files = "{archive.name}/{names[0]}".' if names else " Get the data again."
            raise SourceError(f"{archive} holds {len(names)} files: {listed}.{hint}")
        return [archive / names[0]]
    wanted = path.relative_to(archive).as_posix()
    found = [name for name in names if name == wanted] or [name for name in names if fnmatch.fnmatchcase(name, wanted)]
    if not found:
        raise SourceError(f"{archive} holds no file {wanted!r}, but {', '.join(map(repr, names[:9]))}.")
    return [archive / name for name in found]


def unpack(path: Path, folder: Path) -> Path:
    """Returns a copy of a file in an archive, in `folder` below the folders of the archive.

    Raises:
        SourceError: it is encrypted or damaged.
    """
    archive = archive_of(path)
    assert archive is not None
    name = path.relative_to(archive).as_posix()
    target = folder.joinpath(*[part for part in Path(name).parts if part != ".."])
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as packed:
            if packed.getinfo(name).flag_bits & 1:
                raise SourceError(f"{path} is encrypted. Unpack the archive, and name the unpacked files.")
            with packed.open(name) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, length=1 << 22)
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
        raise SourceError(f"{path} cannot be unpacked: {error}. Get the data again.") from error
    return target


def _names(archive: Path) -> list[str]:
    try:
        with zipfile.ZipFile(archive) as packed:
            return packed.namelist()
    except zipfile.BadZipFile as error:
        raise SourceError(f"{archive} is no zip archive: {error}. Get the data again.") from error
