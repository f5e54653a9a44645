"""Finds the raw files that a recipe names."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from tfrec.errors import SourceError

HOME_VARIABLE = "TFREC_DATA_HOME"


def locate(name: str, *, homes: Sequence[Path], source_url: str) -> list[Path]:
    """Returns the files called `name`: absolute, or below the first of `homes` that has them.

    Args:
        name: a path, or a pattern with `*`, `?` or `[...]` that may match several files.
        homes: folders where relative names are looked for.
        source_url: where to get the data.

    Raises:
        SourceError: there is none, or one is empty; says where it was looked for and where to get it.
    """
    places = [Path(name)] if Path(name).is_absolute() else [home / name for home in homes]
    for place in places:
        paths = [place] if place.is_file() else sorted(map(Path, glob.glob(str(place), recursive=True)))  # noqa: PTH207
        files = [path for path in paths if path.is_file()]
        empty = [path for path in files if path.stat().st_size == 0]
        if empty:
            raise SourceError(f"{empty[0]} is empty. Get the data again{_from(source_url)}.")
        if files:
            return files
    raise SourceError(
        f"There is no file {name!r}. Looked for: {', '.join(map(str, places))}. "
        f"Get the data{_from(source_url)} and name its folder with --data-home DIR or {HOME_VARIABLE}=DIR."
    )


def data_homes(recipe_folder: Path, data_home: Path | None) -> list[Path]:
    """Returns where relative names are looked for: the data home (else `TFREC_DATA_HOME`), then the recipe's folder."""
    named = str(data_home) if data_home is not None else os.environ.get(HOME_VARIABLE, "")
    return [*([Path(named).expanduser()] if named else []), recipe_folder]


def _from(source_url: str) -> str:
    return f" from {source_url}" if source_url else ""
