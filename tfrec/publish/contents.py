"""Lists what a published folder holds in `.tfrec.json`, so that foreign files are recognised."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

LIST = ".tfrec.json"
_HASHED = 16 * 2**20
"""Bytes up to which a file is compared by its hash: what is edited by hand is smaller. Of larger files the size counts,
since to hash gigabytes would take longer than to write them."""
_OF_THE_SYSTEM = {".DS_Store", "Thumbs.db", "desktop.ini"}
"""What file managers leave in any folder that was looked at."""


@dataclasses.dataclass(frozen=True)
class FolderKind:
    """What a folder is published as; only the same kind takes its place.

    Attributes:
        name: in words, with its article where it has one: `a prepared shop`.
        mark: JSON file by which a folder of an earlier release, without `.tfrec.json`, is recognised; empty = never.
        keys: that the object in `mark` must have.
        files: patterns of all the names that such a folder may hold, relative, with `/`.
        names_in: key in `mark` of an object whose values are further such names; empty = none.
        is_edited: whether its files are for people, who may have edited them: a changed file refuses the folder too.
    """

    name: str
    mark: str = ""
    keys: frozenset[str] = frozenset()
    files: tuple[str, ...] = ()
    names_in: str = ""
    is_edited: bool = True


def describe_contents(folder: Path, kind: FolderKind) -> None:
    """Writes `.tfrec.json`: the kind and each entry's size, and its hash where it is small."""
    entries = {name: _describe(folder / name) for name in sorted(_entries(folder))}
    text = json.dumps({"kind": kind.name, "entries": entries}, indent=1, ensure_ascii=False)
    (folder / LIST).write_text(text + "\n", encoding="utf-8")


def foreign_entries(folder: Path, kind: FolderKind) -> list[str]:
    """Returns what lies in `folder` and was not written there as this kind, sorted; empty when it may be replaced."""
    names = sorted(_entries(folder))
    if not names and not (folder / LIST).exists():
        return []
    listed = _read_object(folder / LIST)
    if listed is None:
        if _is_of_earlier_release(folder, kind, names):
            return []
        return names or [LIST]
    if listed.get("kind") != kind.name:
        return [f"{listed.get('kind')} ({names[0] if names else LIST})"]
    entries = listed.get("entries")
    if not isinstance(entries, dict):
        return [LIST]
    return [
        name if name not in entries else f"{name} (changed since)"
        for name in names
        if name not in entries or (kind.is_edited and entries[name] != _describe(folder / name))
    ]


def _is_of_earlier_release(folder: Path, kind: FolderKind, entries: list[str]) -> bool:
    """Returns whether a folder without a list has the mark of this kind, and known names alone."""
    if not kind.mark:
        return False
    marked = _read_object(folder / kind.mark)
    if marked is None or not kind.keys <= marked.keys():
        return False
    names = marked.get(kind.names_in)
    patterns = (*kind.files, *(map(str, names.values()) if isinstance(names, dict) else ()))
    return not any((folder / name.rstrip("/")).is_symlink() or not _is_known(name, patterns) for name in entries)


def _is_known(name: str, patterns: tuple[str, ...]) -> bool:
    if name.endswith("/"):
        return any(pattern.startswith(name) for pattern in patterns)
    return any(fnmatchcase(name, pattern) and name.count("/") == pattern.count("/") for pattern in patterns)


def _entries(folder: Path) -> Iterator[str]:
    """Gives the relative names of all that lies in a folder, those of folders with `/` at the end."""
    for parent, folders, files in os.walk(folder, onerror=_raise):
        here = Path(parent)
        for name in folders:
            is_link = (here / name).is_symlink()
            yield (here / name).relative_to(folder).as_posix() + ("" if is_link else "/")
        for name in files:
            if name not in _OF_THE_SYSTEM and (here / name) != folder / LIST:
                yield (here / name).relative_to(folder).as_posix()


def _raise(error: OSError) -> None:
    raise error


def _describe(path: Path) -> dict[str, Any]:
    if path.is_symlink():
        return {"link": str(path.readlink())}
    if path.is_dir():
        return {}
    size = path.stat().st_size
    if not path.is_file() or size > _HASHED:
        return {"size": size}
    with path.open("rb") as file:
        return {"size": size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _read_object(path: Path) -> dict[str, Any] | None:
    """Returns the JSON object in a file; None where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
