"""Finds the raw files that a recipe names."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from tfrec.errors import EmptySourceError, MissingSourceError, SourceError
from tfrec.sources.archives import archive_of, members_of, unpack
from tfrec.sources.formats import is_known
from tfrec.sources.remote_files import RemoteFile, bring, find_remote, is_url

HOME_VARIABLE = "TFREC_DATA_HOME"


RawFile = Path | RemoteFile
"""A located file; one in an archive is a path through the archive."""


def locate(name: str, *, homes: Sequence[Path], source_url: str) -> list[RawFile]:
    """Returns the files called `name`: absolute, or below the first of `homes` that has them.

    Args:
        name: a path, or a pattern with `*`, `?` or `[...]` that may match several files; a folder, all files of known
            endings below which are meant; a zip archive or a file in it; or a URL of an object store.
        homes: folders where relative names are looked for.
        source_url: where to get the data.

    Raises:
        MissingSourceError: there is none; says where it was looked for and where to get it.
        EmptySourceError: all are empty.
        SourceError: one of several is empty.
    """
    if is_url(name):
        remote = [file for file in find_remote(name) if _is_data(file.name) or file.url == name]
        if not remote:
            raise MissingSourceError(f"There is no file {name!r}. Get the data{_from(source_url)}, or correct the URL.")
        return [*remote]
    places = [Path(name)] if Path(name).is_absolute() else [home / name for home in homes]
    for place in places:
        files = _find(place)
        empty = [path for path in files if archive_of(path) is None and path.stat().st_size == 0]
        if empty:
            error = EmptySourceError if len(empty) == len(files) else SourceError
            raise error(f"{empty[0]} is empty. Get the data again{_from(source_url)}.")
        if files:
            return [*files]
    raise MissingSourceError(
        f"There is no file {name!r}. Looked for: {', '.join(map(str, places))}. "
        f"Get the data{_from(source_url)} and name its folder with --data-home DIR or {HOME_VARIABLE}=DIR."
    )


def locate_plain(name: str, *, homes: Sequence[Path], source_url: str) -> Path:
    """Returns the first file called `name`, as `locate`, which must lie unpacked on this machine.

    Raises:
        SourceError: there is none, or it lies in an archive or an object store.
    """
    file = locate(name, homes=homes, source_url=source_url)[0]
    if isinstance(file, RemoteFile) or not file.is_file():
        raise SourceError(f"{file} must be a file by itself on this machine. Copy or unpack it first.")
    return file


def local_file(file: RawFile, folder: Path) -> Path:
    """Returns where a located file can be read: itself, or a copy in `folder` where it is packed or far away.

    Raises:
        SourceError: it cannot be unpacked or brought here.
    """
    if isinstance(file, RemoteFile):
        return bring(file, folder)
    return file if file.is_file() else unpack(file, folder)


def stored_file(file: RawFile) -> RawFile:
    """Returns the file whose content decides on a located one: the archive that it lies in, or itself."""
    return file if isinstance(file, RemoteFile) else (archive_of(file) or file)


def _find(place: Path) -> list[Path]:
    if archive_of(place) is not None:
        return members_of(place)
    if place.is_file():
        return [place]
    if place.is_dir():
        below = (path for path in sorted(place.rglob("*")) if path.is_file() and path.stat().st_size)
        return [path for path in below if _is_data(str(path.relative_to(place)))]
    found = [path for path in sorted(map(Path, glob.glob(str(place), recursive=True))) if path.is_file()]  # noqa: PTH207
    return [member for path in found for member in (members_of(path) if archive_of(path) else [path])]


def _is_data(name: str) -> bool:
    """Returns whether a file of a folder is data, and no mark or checksum that a program left there."""
    return is_known(name) and not any(part.startswith(("_", ".")) for part in PurePath(name).parts)


def data_homes(recipe_folder: Path, data_home: Path | None) -> list[Path]:
    """Returns where relative names are looked for: the data home (else `TFREC_DATA_HOME`), then the recipe's folder."""
    named = str(data_home) if data_home is not None else os.environ.get(HOME_VARIABLE, "")
    return [*([Path(named).expanduser()] if named else []), recipe_folder]


def _from(source_url: str) -> str:
    return f" from {source_url}" if source_url else ""
