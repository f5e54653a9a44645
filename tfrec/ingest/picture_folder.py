"""Turns a folder of picture files, each named by the id of its item, into one array of small square pictures."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from tfrec.errors import SourceError
from tfrec.sources.notes import Note

logger = logging.getLogger(__name__)

_ENDINGS = (".jpg", ".jpeg", ".png")
_WHITE = (255, 255, 255)


@dataclasses.dataclass(frozen=True)
class PictureRows:
    """The rows of `images.npy`.

    Attributes:
        rows: name of a picture file without its ending, or its path in the folder → row.
        notes: what the owner of the pictures should know.
    """

    rows: Mapping[str, int] = dataclasses.field(default_factory=dict)
    notes: tuple[Note, ...] = ()


@dataclasses.dataclass(frozen=True)
class PictureFiles:
    """The picture files of a folder.

    Attributes:
        folder: where they lie.
        paths: the files in it and below, in alphabetical order.
        are_named_by_path: items name a picture by its path in the folder; else its file is named by the item.
    """

    folder: Path
    paths: tuple[Path, ...]
    are_named_by_path: bool = False

    def name_of(self, path: Path) -> str:
        """Returns the name by which the picture of an item is found."""
        return path.relative_to(self.folder).as_posix() if self.are_named_by_path else path.stem


def picture_name(path: ir.StringValue) -> ir.StringValue:
    """Returns the path of a picture as `PictureFiles.name_of` writes it: from the folder on, with `/`."""
    return path.replace("\\", "/").re_replace(r"^(\./|/)+", "")


def find_pictures(folder: str, *, homes: Sequence[Path], are_named_by_path: bool = False) -> PictureFiles:
    """Returns the picture files in a folder and below.

    Args:
        folder: the recipe's name of it.
        homes: folders where relative names are looked for.
        are_named_by_path: see `PictureFiles`.

    Raises:
        SourceError: there is no such folder, or it holds no picture; says where it was looked for.
    """
    places = [Path(folder)] if Path(folder).is_absolute() else [home / folder for home in homes]
    for place in places:
        if place.is_dir():
            found = tuple(
                path for path in sorted(place.rglob("*")) if path.suffix.lower() in _ENDINGS and path.is_file()
            )
            if found:
                return PictureFiles(place, found, are_named_by_path)
    raise SourceError(
        f"There is no folder {folder!r} with JPEG or PNG files. Looked for: {', '.join(map(str, places))}. Correct "
        "[pictures] folder, or leave [pictures] out."
    )


def write_picture_folder(files: PictureFiles, target: Path, *, size: int) -> PictureRows:
    """Writes the pictures as uint8 `[n, size, size, 3]`, each whole on white, and returns their rows.

    A file that cannot be read is left out. Of files with one name, the first counts.

    Args:
        files: JPEG or PNG files.
        target: path of the `.npy` file.
        size: pixels of a side.

    Raises:
        SourceError: not one file can be read.
    """
    rows: dict[str, int] = {}
    broken: list[Path] = []
    paths, names = files.paths, [files.name_of(path) for path in files.paths]
    is_repeated = pd.Series(names).duplicated().tolist()
    repeated = [path for path, is_later in zip(paths, is_repeated, strict=True) if is_later]
    pictures = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=(len(paths), size, size, 3))
    for path, name in zip(tqdm(paths, unit="picture", delay=2.0, disable=None), names, strict=True):
        if name in rows:
            continue
        try:
            pictures[len(rows)] = read_picture(path, size=size)
        except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            logger.info("%s cannot be read as a picture: %s", path, error)
            broken.append(path)
        else:
            rows[name] = len(rows)
    if not rows:
        raise SourceError(f"{broken[0]} and all other pictures cannot be read. Give JPEG or PNG files.")
    pictures.flush()
    del pictures
    if len(rows) < len(paths):
        np.save(target, np.load(target, mmap_mode="r")[: len(rows)].copy())
    return PictureRows(rows, tuple(_notes(broken, repeated)))


def read_picture(path: Path, *, size: int) -> np.ndarray:
    """Returns a picture as uint8 `[size, size, 3]`: upright, whole, on white."""
    with Image.open(path) as opened:
        opened.draft("RGB", (size, size))  # a JPEG is decoded no larger than needed
        upright = ImageOps.exif_transpose(opened).convert("RGBA")
    ground = Image.new("RGBA", upright.size, (*_WHITE, 255))
    flat = Image.alpha_composite(ground, upright).convert("RGB")
    return np.asarray(ImageOps.pad(flat, (size, size), method=Image.Resampling.LANCZOS, color=_WHITE))


def add_picture_rows(
    items: pd.DataFrame, pictures: PictureRows, *, upper_case: bool
) -> tuple[pd.DataFrame, list[Note]]:
    """Returns the items with the rows of their pictures, and what the owner should know.

    Args:
        items: `ITEM_COLUMNS`; with `picture`, the path of each item's file, which is left out of the result.
        pictures: rows by name.
        upper_case: item ids are in capitals, whatever the names of the files are.
    """
    if not pictures.rows:
        return items, []
    if "picture" in items.columns:
        return _add_named_rows(items, pictures)
    named = {name.upper() if upper_case else name: row for name, row in pictures.rows.items()}
    index = items["item_id"].map(named).fillna(-1).astype(np.int32)
    notes = [*pictures.notes]
    unused = len(named) - int((index >= 0).sum())
    if unused:
        known = set(items["item_id"])
        example = next(name for name in named if name not in known)
        text = (
            f"{unused:,} of {len(named):,} pictures are named by no item, e.g. {example!r}. Name files by item ids: "
            f"{items['item_id'].iloc[0]}.jpg."
        )
        notes.append(Note("pictures_without_item", unused, text))
    return items.assign(image_index=index), notes


def _add_named_rows(items: pd.DataFrame, pictures: PictureRows) -> tuple[pd.DataFrame, list[Note]]:
    """Returns the items with the rows of the pictures that they name by their paths, as `add_picture_rows`."""
    index = items["picture"].map(pictures.rows).fillna(-1).astype(np.int32)
    notes = [*pictures.notes]
    unused = len(pictures.rows) - index[index >= 0].nunique()
    if unused:
        text = f"{unused:,} of {len(pictures.rows):,} pictures are named by no item."
        notes.append(Note("pictures_without_item", unused, text))
    return items.drop(columns="picture").assign(image_index=index), notes


def _notes(broken: Sequence[Path], repeated: Sequence[Path]) -> list[Note]:
    notes = []
    if broken:
        text = f"{len(broken):,} pictures cannot be read and were left out, e.g. {broken[0]}."
        notes.append(Note("pictures_unreadable", len(broken), text))
    if repeated:
        text = f"{len(repeated):,} pictures have the name of an earlier one, which counts, e.g. {repeated[0]}."
        notes.append(Note("pictures_repeated", len(repeated), text))
    return notes
