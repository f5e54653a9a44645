"""Finds the raw files below the paths that a user names, and the tables of databases."""

import dataclasses
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from tfrec.errors import SourceError
from tfrec.layouts.draft import DatabaseRows

_TEXT = (".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".json", ".xml", ".data", ".labels")
_PACKED = (".gz", ".zst")
SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
"""Endings of files that hold sheets."""

_BINARY = (".parquet", *SPREADSHEETS)
_MAX_MEMBERS = 1_000
_MAX_UNPACKED = 4 << 30  # bytes: a small archive may hold any number of them


@dataclasses.dataclass(frozen=True)
class FoundFile:
    """A file that may hold a table.

    Attributes:
        path: the file, or the archive that holds it.
        member: name in the archive; empty = the file itself.
        content: where its content lies on disk: the file itself, the unpacked member, or rows of a database.
        database: the table whose first rows it holds, or None.
    """

    path: Path
    member: str
    content: Path
    database: DatabaseRows | None = None

    @property
    def shown(self) -> str:
        """Its name, for messages."""
        if self.database is not None:
            return f"table {self.database.table}"
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def endings(self) -> tuple[str, ...]:
        """The endings of its name, in lower case, that of the packing left out."""
        if self.content.is_dir() or self.database is not None:
            return (".parquet",)
        suffixes = [suffix.lower() for suffix in PurePosixPath(self.member or self.path.name).suffixes]
        return tuple(suffix for suffix in suffixes if suffix not in _PACKED)


def find_files(paths: Sequence[Path], *, scratch: Path) -> list[FoundFile]:
    """Returns the files that may hold tables, in the order of the paths, those of a folder or archive by name.

    Args:
        paths: files, folders and zip archives.
        scratch: folder for unpacked members of archives.

    Raises:
        SourceError: a path does not exist, cannot be read, or holds nothing that could be a table.
    """
    found: dict[tuple[Path, str], FoundFile] = {}
    for path in paths:
        files = [*_expand(path, scratch)]
        if not files:
            raise SourceError(
                f"{path} holds no file that could be a table. Known endings: "
                f"{', '.join((*_TEXT, *_BINARY, '.zip'))}, text also packed ({', '.join(_PACKED)})."
            )
        found |= {(file.path.resolve(), file.member): file for file in files}
    return list(found.values())


def _expand(path: Path, scratch: Path) -> Iterator[FoundFile]:
    if not path.exists():
        raise SourceError(f"There is no file or folder {path}. Name the raw files, or the folder that holds them.")
    if path.is_dir() and any(part.is_dir() and "=" in part.name for part in path.iterdir()):
        yield FoundFile(path, "", path)  # a folder of Parquet with its partitions
        return
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            is_hidden = any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
            if file.is_file() and not is_hidden and _may_be_table(file.name):
                yield from _expand(file, scratch)
        return
    if not path.is_file():
        raise SourceError(f"{path} is neither a file nor a folder. Name the raw files.")
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty. Export it again.")
    if path.suffix.lower() == ".zip":
        yield from _unpack(path, scratch)
    else:
        yield FoundFile(path, "", path)


def _may_be_table(name: str) -> bool:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    kept = [suffix for suffix in suffixes if suffix not in _PACKED]
    return bool(kept) and kept[-1] in (*_TEXT, *_BINARY, ".zip")


def _unpack(path: Path, scratch: Path) -> Iterator[FoundFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir() and _is_wanted(info.filename)]
            if len(members) > _MAX_MEMBERS or sum(info.file_size for info in members) > _MAX_UNPACKED:
                raise SourceError(f"{path} holds more than is unpacked to look at it. Unpack it and name the folder.")
            for at, info in enumerate(sorted(members, key=lambda info: info.filename)):
                if info.file_size == 0:
                    continue
                suffixes = "".join(PurePosixPath(info.filename).suffixes[-2:])
                target = scratch / f"member_{path.stem}_{at}{suffixes}"
                with archive.open(info) as packed, target.open("wb") as unpacked:
                    while block := packed.read(1 << 20):
                        unpacked.write(block)
                yield FoundFile(path, info.filename, target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise SourceError(f"{path} is no zip archive that can be unpacked: {error}. Get the data again.") from error


def _is_wanted(member: str) -> bool:
    parts = PurePosixPath(member).parts
    is_hidden = any(part.startswith((".", "__")) for part in parts)
    return not is_hidden and not member.lower().endswith(".zip") and _may_be_table(member)
