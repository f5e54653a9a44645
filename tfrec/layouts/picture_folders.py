"""Finds a folder of product pictures beside a shop's files: its files are named by the ids of items."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import ibis

from tfrec.layouts.draft import Entry, FileNames, Part, Section

_ENDINGS = (".jpg", ".jpeg", ".png")
_FITTING = 0.5  # of the pictures that must be of items: others are logos and photos of categories


def propose_pictures(paths: Sequence[Path], ids: ibis.Table) -> Part | None:
    """Returns the section of a folder of pictures, or None where there is none.

    Args:
        paths: what was named; folders are looked through.
        ids: one column `id`, the items of the log.
    """
    items = {row["id"] for row in ids.to_pyarrow().to_pylist()}
    for folder in (path for path in paths if path.is_dir()):
        pictures = [*_pictures(folder)]
        stems = {path.stem for path in pictures}
        found = len(stems & items)
        if not found or found < _FITTING * len(stems):
            continue
        place = Path(os.path.commonpath([path.parent for path in pictures]))
        why = f"{len(stems):,} pictures; {found:,} of {len(items):,} items have one that is called as their id"
        entry = Entry("folder", FileNames((place,)), why)
        return Part(title="a folder of pictures", rest=(Section("pictures", (entry,)),))
    return None


def _pictures(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _ENDINGS and path.is_file())
