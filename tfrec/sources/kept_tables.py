"""Keeps what was made of each raw file, so that a later run makes it of new and changed files alone.

A kept table is a Parquet file, or a folder of them, whose name states file, content and way of reading:
`KIND-FILE-CONTENT-HOW`, digests of 16 digits; what is made of several kept tables is called `KIND-TABLES-HOW`. What
another run has not finished ends in `.part`.
"""

import dataclasses
import functools
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tfrec.sources.engine import literal

_ABOUT, _FACTS = "tfrec.about", ".json"
_FAST = "COMPRESSION lz4_raw, PARQUET_VERSION V2, DICTIONARY_SIZE_LIMIT 3000, WRITE_BLOOM_FILTER false"
"""How tables are written that are read whole and soon: a quarter less time than by the engine's defaults."""
_CODE = ("sources", "ingest", "schema")
"""Packages whose code decides on what is made of a raw file."""

NEW, CHANGED, REMADE, REUSED = "new", "changed", "remade", "reused"
"""What became of a file: it was not there before; its content is another one; it is the same, but recipe or program
differ, or what was made is damaged; what was made of it is used."""
_ORDER = (REUSED, REMADE, CHANGED, NEW)
_REASONS = {NEW: "", CHANGED: "", REMADE: " again, as what was kept is damaged, or of another recipe or program"}


@dataclasses.dataclass
class KeptTables:
    """Tables that were made of raw files, and what became of each file in this run.

    Attributes:
        folder: where they lie; only its owner may read it, as it holds what the raw files hold.
        contents: raw file → digest of its content; nothing is kept of other files.
        is_fresh: what earlier runs left is not used.
        is_private: the shop has pseudonyms, so that no rows with plain ids are left beside it.
        recipe: text of the recipe, which decides on what is made of rows.
        states: raw file → `NEW`, `CHANGED`, `REMADE` or `REUSED`.
        rows: raw file → its rows, where it was read.
        said: what became of tables of databases, a text each.
    """

    folder: Path
    contents: Mapping[str, str] = dataclasses.field(default_factory=dict)
    is_fresh: bool = False
    is_private: bool = False
    recipe: str = ""
    states: dict[str, str] = dataclasses.field(default_factory=dict)
    rows: dict[str, int] = dataclasses.field(default_factory=dict)
    said: list[str] = dataclasses.field(default_factory=list)
    _used: set[str] = dataclasses.field(default_factory=set)

    def place(self, kind: str, file: str, *, stored: str, how: Any) -> Path | None:
        """Returns where the table of a file is kept; None where nothing is.

        Args:
            kind: what is made of the file.
            file: the file, or a path through the archive that it lies in.
            stored: the file whose content decides.
            how: all else that decides, apart from the program's code; can be written as JSON.
        """
        content = self.contents.get(stored)
        if self.is_private or content is None:
            return None
        return self.folder / f"{kind}-{_digest(file)}-{_digest(content)}-{_digest([how, code_digest()])}"

    def place_of(self, kind: str, parts: Sequence[Path], *, how: Any = ()) -> Path:
        """Returns where something is kept that is made of other kept tables by the recipe.

        Args:
            kind: what is made.
            parts: places of the tables, in order.
            how: all else that decides, apart from recipe and program; can be written as JSON.
        """
        names = [part.name for part in parts]
        return self.folder / f"{kind}-{_digest(names)}-{_digest([self.recipe, how, code_digest()])}"

    def find_made(self, place: Path) -> dict[str, Any] | None:
        """Returns what is known of what is kept at a place of `place_of`; None where there is nothing usable."""
        if place.name not in self._used and self.is_fresh:
            return None
        about = _facts(place) if place.suffix == _FACTS else _about(place)
        if about is not None:
            self._used.add(place.name)
        return about

    def all_made(self, kind: str) -> list[Path]:
        """Returns all places of a kind, whatever recipe and program made what is there."""
        return [] if self.is_fresh else sorted(path for path in self.folder.glob(f"{kind}-*") if not _is_part(path))

    def leave(self, place: Path) -> None:
        """States that this run has no use for what is kept at a place, after a look at it."""
        self._used.discard(place.name)

    def write_facts(self, place: Path, facts: Mapping[str, Any]) -> None:
        """Keeps what can be written as JSON; it appears by one rename."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = part_of(place)
        part.write_text(json.dumps(facts), encoding="utf-8")
        part.replace(place)
        self._used.add(place.name)

    def find(self, place: Path, *, file: str) -> dict[str, Any] | None:
        """Returns what is known of the table that is kept there, and notes what that means for the file.

        None where there is none, it is damaged, or a whole run is wanted.
        """
        if place.name in self._used:
            return _about(place)
        kind, name, content, _how = place.name.split("-")
        if not self.is_fresh and (about := _about(place)) is not None:
            self._used.add(place.name)
            self._note(file, REUSED)
            return about
        earlier = {path.name.split("-")[2] for path in self.folder.glob(f"{kind}-{name}-*-*") if not _is_part(path)}
        self._note(file, NEW if not earlier else REMADE if content in earlier else CHANGED)
        return None

    def write(self, place: Path, connection: Any, query: str, about: Mapping[str, Any]) -> int:
        """Keeps the rows of a query, with what can be written as JSON about them; they appear by one rename.

        Returns their number.
        """
        rows = self.write_part(place, connection, query, about)
        self.publish(place)
        return rows

    def write_part(self, place: Path, connection: Any, query: str, about: Mapping[str, Any]) -> int:
        """Writes what `publish` lets appear; returns the number of rows."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = part_of(place)
        _remove(part)
        ((rows,),) = connection.raw_sql(
            f"COPY ({query}) TO {literal(str(part))} (FORMAT parquet, {_FAST}, "
            f"KV_METADATA {{{literal(_ABOUT)}: {literal(json.dumps(about))}}})"
        ).fetchall()
        return int(rows)

    def publish(self, place: Path) -> None:
        """Lets appear what `write_part` wrote."""
        _remove(place)
        part_of(place).rename(place)
        self._used.add(place.name)

    def write_table(self, place: Path, table: pa.Table) -> None:
        """Keeps a table of this process; it appears by one rename."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = part_of(place)
        pq.write_table(table, part)
        part.replace(place)
        self._used.add(place.name)

    def use(self, place: Path) -> bool:
        """Returns whether a table of `write_table` is kept there whole and may be used, which this run then does."""
        is_usable = (place.name in self._used or not self.is_fresh) and _is_table(place)
        if is_usable:
            self._used.add(place.name)
        return is_usable

    def chunk_folder(self, origin: str, *, wanted: Collection[str]) -> Path:
        """Returns where the rows of a table of a database are kept, see `read_chunks`."""
        folder = self.folder / f"chunks-{_digest(origin)}-{_digest(sorted(wanted))}-{code_digest()[:16]}"
        if self.is_fresh:
            _remove(folder)
        self._used.add(folder.name)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        return folder

    def summary(self) -> str:
        """Returns one line on what became of files and tables; empty where nothing is read by way of kept tables."""
        counts = Counter(self.states.values())
        if not counts:
            return "; ".join(self.said)
        said = [f"{counts[REUSED]:,} of {_files(len(self.states))} unchanged: re-used"] if counts[REUSED] else []
        for state, reason in _REASONS.items():
            if counts[state] and not self.is_fresh:
                rows = sum(self.rows.get(file, 0) for file, found in self.states.items() if found == state)
                said.append(f"read {_files(counts[state], state)}, {rows:,} rows{reason}")
        if self.is_fresh:
            said.append(
                f"read all {_files(len(self.states))}, {sum(self.rows.values()):,} rows, as a whole run was wanted"
            )
        said += self.said
        if gone := len(self._earlier() - {_digest(file) for file in self.states}):
            said.append(f"{_files(gone)} gone since the last run")
        return "; ".join(said)

    def _earlier(self) -> set[str]:
        """Returns the digests of the files of which something is kept."""
        return {path.name.split("-")[1] for path in self.folder.glob("rows-*-*-*") if not _is_part(path)}

    def sweep(self) -> None:
        """Removes what this run had no use for: tables of files that are gone or changed, and unfinished ones."""
        if self.folder.is_dir() and not self.folder.is_symlink():
            for path in self.folder.iterdir():
                if path.name not in self._used:
                    _remove(path)

    def _note(self, file: str, state: str) -> None:
        known = self.states.get(file, REUSED)
        self.states[file] = max(known, state, key=_ORDER.index)


@dataclasses.dataclass
class Keeping:
    """Keeps the rows of one raw file, which its format may hand over as a query, so that no table is made in between.

    Attributes:
        kept: where they are kept.
        place: of the file's rows.
        connection: of the engine.
        rows: number of rows that were taken; None where there are none.
    """

    kept: KeptTables
    place: Path
    connection: Any
    rows: int | None = None

    def take(self, query: str, about: Mapping[str, Any]) -> Path:
        """Writes the rows of a query, with what is known of them; returns the file, which is unfinished."""
        self.rows = self.kept.write_part(self.place, self.connection, query, about)
        return part_of(self.place)

    def give_back(self) -> None:
        """Forgets what was taken: the rows are not those of the file."""
        self.rows = None


def kept_folder(out: Path) -> Path:
    """Returns where the tables of the prepared folder `out` are kept: hidden beside it."""
    out = Path(os.path.abspath(out))  # noqa: PTH100, as a link must not be followed
    return out.parent / f".{out.name}.kept"


@functools.cache
def code_digest() -> str:
    """Returns a digest of the code, and of the engine's version, that decide on what is made of a raw file."""
    package = Path(__file__).parents[1]
    files = [file for name in _CODE for file in sorted((package / name).glob("*.py"))]
    digest = hashlib.sha256(duckdb.__version__.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _files(number: int, state: str = "") -> str:
    word = f"{state} file" if state in (NEW, CHANGED) else "file"
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def part_of(place: Path) -> Path:
    """Returns the file that becomes what is kept at a place when it is finished."""
    return place.with_name(place.name + ".part")


def _is_part(path: Path) -> bool:
    return path.name.endswith(".part")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _about(place: Path) -> dict[str, Any] | None:
    """Returns what is known of a kept table; None where there is none, or its file is damaged."""
    try:
        return json.loads((pq.read_schema(place).metadata or {})[_ABOUT.encode()])
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return None


def _facts(place: Path) -> dict[str, Any] | None:
    """Returns the facts that are kept; None where there are none, or they are damaged."""
    try:
        facts = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def _is_table(place: Path) -> bool:
    try:
        pq.read_schema(place)
    except (pa.ArrowException, OSError):
        return False
    return True
