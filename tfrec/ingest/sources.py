"""Turns the raw files of a table into one stored table of text, so that bad values are caught row by row."""

import dataclasses
import glob
import logging
import os
from collections.abc import Collection, Sequence
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow.parquet as pq

from tfrec.errors import RecipeError, SourceError, nearest_hint
from tfrec.ingest.csv_files import store_csv
from tfrec.ingest.csv_layout import CsvDialect, as_utf8, find_layout
from tfrec.ingest.csv_lines import BadLine
from tfrec.ingest.engine import Workspace, identifier, literal
from tfrec.ingest.json_lines import nested_message, write_json_lines
from tfrec.ingest.readers import SPECIAL_READERS

logger = logging.getLogger(__name__)

HOME_VARIABLE = "TFREC_DATA_HOME"
FILE, ROW = "_file", "_row"
"""Where a row comes from: position of the file in the recipe's list, and number of the data row in it, from 1."""

_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_FORMATS = (*sorted(set(_ENDINGS.values())), *sorted(SPECIAL_READERS))
_NESTED = ("STRUCT", "MAP", "LIST", "UNION", "ARRAY")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source(CsvDialect):
    """Raw files that hold one table; see `CsvDialect` for what is stated of delimited text.

    Attributes:
        files: paths: absolute, or relative to the data home or to the recipe; read one after the other. A pattern
            (`logs/2024-*.csv.gz`) stands for the files that match, in alphabetical order.
        format: `csv`, `parquet`, `jsonl` or a special reader; by the file's ending when left out.
        decimal: decimal sign of numbers; found in each column when left out.
        missing: words that stand for no value.
    """

    files: tuple[str, ...] = ()
    format: str = ""
    decimal: str = ""
    missing: tuple[str, ...] = (
        *("NULL", "null", "Null", "(null)", "#NULL!", "\\N", "NaN", "nan", "None", "nil", "<NA>"),
        *("N/A", "n/a", "#N/A", "undefined", "(not set)"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.format and self.format not in _FORMATS:
            raise RecipeError(f"format {self.format!r} is unknown.{nearest_hint(self.format, _FORMATS)}")
        if self.decimal not in ("", ".", ","):
            raise RecipeError(f"decimal must be '.' or ','; got {self.decimal!r}.")


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """A line that is no row of its table: `line` counts from 1 in the file, the header included."""

    file: int
    line: int
    reason: str
    text: str


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


@dataclasses.dataclass(frozen=True)
class RawTable:
    """A table as its source holds it.

    Attributes:
        table: stored table of text columns, with `_file` and `_row`.
        unreadable: lines that are no rows.
        origin: where it comes from, for messages.
        files: name of each file, by `_file`.
    """

    table: ir.Table
    unreadable: tuple[Unreadable, ...]
    origin: str
    files: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class FileSource:
    """Located files that hold one table.

    All that follows knows no more of a source than `origin` and `read`; one of another kind offers the same two.

    Attributes:
        how: what the recipe states of the files.
        paths: the files, at least one, in order.
    """

    how: Source
    paths: tuple[Path, ...]

    @property
    def origin(self) -> str:
        """Names of the files, for messages."""
        return ", ".join(map(str, self.paths))

    def read(self, workspace: Workspace, *, name: str, wanted: Collection[str] = ()) -> RawTable:
        """Returns the files as one stored table of text columns, and the lines that are no rows.

        Each line of a csv or JSON file is a row, or is reported. Files may differ in columns that are not mapped: where
        a file lacks one, its rows have none.

        Args:
            workspace: where the table is stored.
            name: name of the stored table.
            wanted: raw columns that the recipe maps; each file must have them.

        Raises:
            SourceError: a file is empty, is not of the format, lacks a wanted column, or holds nested values there.
        """
        table, unreadable = _read_files(self.how, self.paths, workspace, name=name, wanted=wanted)
        if table.count().execute() == 0:
            reasons = (
                f" {len(unreadable):,} lines are no rows, the first: {unreadable[0].reason}." if unreadable else ""
            )
            raise SourceError(
                f"{self.origin}: there is a header but no row.{reasons} Get the data again, or correct `delimiter`, "
                "`quote` or `header` in the recipe."
            )
        return RawTable(table, tuple(unreadable), self.origin, self._names())

    def _names(self) -> tuple[str, ...]:
        """Returns the name of each file, with its folder where two are called the same."""
        if self.how.format in SPECIAL_READERS:
            return (self.origin,)  # such a reader takes all its files at once
        names = tuple(path.name for path in self.paths)
        return names if len(set(names)) == len(names) else tuple(map(str, self.paths))


def _read_files(
    source: Source, paths: Sequence[Path], workspace: Workspace, *, name: str, wanted: Collection[str]
) -> tuple[ir.Table, list[Unreadable]]:
    connection, scratch = workspace.connection, workspace.scratch
    unreadable: list[Unreadable] = []
    parts: list[str] = []
    columns: list[str] = []
    for at, path in enumerate(paths):
        part = f"{name}_{at}"
        try:
            bad = _store(connection, part, source, paths, at, wanted=wanted, scratch=scratch)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise SourceError(
                f"{path} cannot be read as {format_of(source, path)}: {_first_line(error)} "
                "Correct `format`, `delimiter` or `encoding` in the recipe."
            ) from error
        column_names = [column for column in connection.table(part).columns if column not in (FILE, ROW)]
        _check_columns(column_names, wanted, path=path, first=paths[0] if parts else None)
        columns = columns or column_names
        if set(column_names) != set(columns):
            logger.info("%s has other columns than %s: %s", path, paths[0], sorted(set(column_names) ^ set(columns)))
        unreadable += [Unreadable(at, line.line, line.reason, line.text) for line in bad]
        parts.append(part)
        if source.format in SPECIAL_READERS:
            break  # a special reader takes all its files at once
    return _union(connection, name, parts), unreadable


def format_of(source: Source, path: Path) -> str:
    """Returns the format of `path`: the recipe's, else by the ending.

    Raises:
        SourceError: the ending says nothing.
    """
    if source.format:
        return source.format
    for suffix in reversed(path.suffixes):
        if suffix.lower() in _ENDINGS:
            return _ENDINGS[suffix.lower()]
    raise SourceError(f"The ending of {path} names no format. Add `format = ...` (one of {', '.join(_FORMATS)}).")


def _store(
    connection: ibis.BaseBackend,
    table: str,
    source: Source,
    paths: Sequence[Path],
    at: int,
    *,
    wanted: Collection[str],
    scratch: Path,
) -> list[BadLine]:
    """Stores one file, or all files of a special reader, as text columns with `_file` and `_row`."""
    path, kind = paths[at], format_of(source, paths[at])
    bad: list[BadLine] = []
    if kind == "csv":
        is_tabbed = {".tsv", ".tab"} & {suffix.lower() for suffix in path.suffixes}
        layout = find_layout(
            path,
            source,
            wanted=wanted,
            default_delimiter="\t" if is_tabbed else ",",
            scratch=scratch / f"{table}.utf8.csv",
        )
        bad = store_csv(connection, table, layout, source, scratch=scratch / f"{table}.parquet")
    elif kind == "jsonl":
        text = as_utf8(path, source.encoding, scratch / f"{table}.utf8.jsonl")
        files, bad = write_json_lines(text, wanted=wanted, folder=scratch / f"{table}.json")
        listed = ", ".join(literal(str(file)) for file in files)
        _create(connection, table, f"SELECT * FROM read_parquet([{listed}], union_by_name = true)")
    elif kind == "parquet":
        _check_parquet(connection, path, wanted)
        _create(connection, table, f"SELECT COLUMNS(*)::VARCHAR FROM read_parquet({literal(str(path))})")
    else:
        connection.create_table(
            table, ibis.memtable(SPECIAL_READERS[kind](paths)).mutate(**{ROW: ibis.row_number().cast("int64") + 1})
        )
    connection.raw_sql(f"ALTER TABLE {identifier(table)} ADD COLUMN {FILE} INTEGER DEFAULT {at}")
    return bad


def _create(connection: ibis.BaseBackend, table: str, query: str) -> None:
    connection.raw_sql(
        f"CREATE OR REPLACE TABLE {identifier(table)} AS SELECT *, row_number() OVER () AS {ROW} FROM ({query})"
    )


def _check_parquet(connection: ibis.BaseBackend, path: Path, wanted: Collection[str]) -> None:
    described = connection.raw_sql(f"DESCRIBE SELECT * FROM read_parquet({literal(str(path))})").fetchall()
    names = pq.read_schema(path).names
    for name in wanted:
        if names.count(name) > 1:
            raise SourceError(f"{path} has the column {name!r} twice. Rename one of them.")
    for name, kind, *_ in described:
        if name in wanted and (kind.endswith("]") or kind.startswith(_NESTED)):
            raise SourceError(nested_message(path, name, kind))


def _check_columns(names: Sequence[str], wanted: Collection[str], *, path: Path, first: Path | None) -> None:
    absent = [name for name in wanted if name not in names]
    if absent and first is not None:
        raise SourceError(
            f"{path} has no column {absent[0]!r}, which the recipe maps and {first} has."
            f"{nearest_hint(absent[0], names)}"
        )


def _union(connection: ibis.BaseBackend, name: str, parts: Sequence[str]) -> ir.Table:
    if len(parts) == 1:
        connection.raw_sql(f"ALTER TABLE {identifier(parts[0])} RENAME TO {identifier(name)}")
        return connection.table(name)
    union = " UNION ALL BY NAME ".join(f"SELECT * FROM {identifier(part)}" for part in parts)
    connection.raw_sql(f"CREATE TABLE {identifier(name)} AS {union}")
    for part in parts:
        connection.raw_sql(f"DROP TABLE {identifier(part)}")
    return connection.table(name)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _from(source_url: str) -> str:
    return f" from {source_url}" if source_url else ""
