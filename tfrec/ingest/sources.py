"""Turns the raw files of a recipe into one lazy table of text, so that bad values are caught row by row."""

import codecs
import dataclasses
import glob
import gzip
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir

from tfrec.errors import RecipeError, SourceError, nearest_hint
from tfrec.ingest.readers import SPECIAL_READERS

log = logging.getLogger(__name__)

HOME_VARIABLE = "TFREC_DATA_HOME"
FILE, ROW = "_file", "_row"
"""Where a row comes from: position of the file in the recipe's list, and number of the data row in it, from 1."""

_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_FORMATS = (*sorted(set(_ENDINGS.values())), *sorted(SPECIAL_READERS))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Raw files that hold one table.

    Attributes:
        files: paths: absolute, or relative to the data home or to the recipe; read one after the other. A pattern
            (`logs/2024-*.csv.gz`) stands for the files that match, in alphabetical order.
        format: `csv`, `parquet`, `jsonl` or a special reader; by the file's ending when left out.
        delimiter: between the fields of a csv line.
        encoding: of a csv file, any name that Python knows.
        header: names of the fields where a csv file has no header line.
        decimal: decimal sign of numbers.
        missing: words that stand for no value.
    """

    files: tuple[str, ...] = ()
    format: str = ""
    delimiter: str = ","
    encoding: str = "utf-8"
    header: tuple[str, ...] = ()
    decimal: str = "."
    missing: tuple[str, ...] = ("NULL", "\\N", "NaN", "nan", "None", "<NA>")

    def __post_init__(self) -> None:
        if self.format and self.format not in _FORMATS:
            raise RecipeError(f"format {self.format!r} is unknown.{nearest_hint(self.format, _FORMATS)}")
        if len(self.delimiter) != 1:
            raise RecipeError(f"delimiter must be one character; got {self.delimiter!r}.")
        if self.decimal not in (".", ","):
            raise RecipeError(f"decimal must be '.' or ','; got {self.decimal!r}.")
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise RecipeError(
                f"encoding {self.encoding!r} is unknown. Usual ones: utf-8, cp1252, latin-1, gb18030."
            ) from None


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
        found = [place] if place.is_file() else sorted(map(Path, glob.glob(str(place), recursive=True)))  # noqa: PTH207
        files = [path for path in found if path.is_file()]
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


def read_text(
    connection: ibis.BaseBackend, source: Source, paths: Sequence[Path], *, name: str, scratch: Path
) -> tuple[ir.Table, list[Unreadable]]:
    """Returns the files as one stored table of text columns with `_file` and `_row`, and the lines that are no rows.

    Args:
        connection: DuckDB backend; the table is stored there as `name`.
        source: how to read.
        paths: the located files, in order.
        name: name of the stored table.
        scratch: folder for files in between.

    Raises:
        SourceError: a file is empty, is not of the format, or its columns differ from those of the first.
    """
    unreadable: list[Unreadable] = []
    first: ir.Table | None = None
    for at, path in enumerate(paths):
        try:
            lazy = _open(connection, source, paths, at, scratch=scratch)
            columns = {column: lazy[column].cast("string") for column in lazy.columns}
            stored = lazy.select(**columns).mutate(
                **{FILE: ibis.literal(at, "int32"), ROW: ibis.row_number().cast("int64") + 1}
            )
            if first is not None and set(stored.columns) != set(first.columns):
                differ = sorted(set(stored.columns) ^ set(first.columns))
                raise SourceError(f"{path} has other columns than {paths[0]}: {', '.join(differ)} are not in both.")
            if first is None:
                connection.create_table(name, stored)
                first = connection.table(name)
            else:
                connection.insert(name, stored.select(*first.columns))
            unreadable += _rejected_lines(connection, at)
        except duckdb.Error as error:
            raise SourceError(
                f"{path} cannot be read as {format_of(source, path)}: {_first_line(error)} "
                "Correct `format`, `delimiter` or `encoding` in the recipe."
            ) from error
        if source.format in SPECIAL_READERS:
            break  # a special reader takes all its files at once
    if first is None:
        raise SourceError(f"The table `{name}` has no files. Name them with `files` in the recipe.")
    if first.count().execute() == 0:
        raise SourceError(f"{', '.join(map(str, paths))}: there is a header but no row. Get the data again.")
    return first, unreadable


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


def _open(connection: ibis.BaseBackend, source: Source, paths: Sequence[Path], at: int, *, scratch: Path) -> ir.Table:
    path = paths[at]
    kind = format_of(source, path)
    if kind in SPECIAL_READERS:
        return ibis.memtable(SPECIAL_READERS[kind](paths))
    if kind == "parquet":
        return connection.read_parquet(path)
    if kind == "jsonl":
        return connection.read_json(path, format="newline_delimited", convert_strings_to_integers=False)
    if codecs.lookup(source.encoding).name != "utf-8":
        path = _as_utf8(path, source.encoding, scratch / f"utf8-{at}.csv")
    _check_has_text(path)
    named = {"names": list(source.header)} if source.header else {}
    return connection.read_csv(
        path,
        all_varchar=True,
        header=not source.header,
        delim="\t" if path.name.endswith(".tsv") else source.delimiter,
        quote='"',
        escape='"',
        null_padding=False,
        store_rejects=True,
        **named,
    )


def _check_has_text(path: Path) -> None:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        try:
            head = stream.read(64)
        except (OSError, EOFError) as error:
            raise SourceError(f"{path} cannot be unpacked: {error}. Get the data again.") from error
    if not head.strip():
        raise SourceError(f"{path} is empty: it has no header line. Get the data again.")


def _as_utf8(path: Path, encoding: str, target: Path) -> Path:
    try:
        with (
            gzip.open(path, "rt", encoding=encoding, newline="")
            if path.suffix == ".gz"
            else path.open(encoding=encoding, newline="") as reader,
            target.open("w", encoding="utf-8", newline="") as writer,
        ):
            shutil.copyfileobj(reader, writer, length=1 << 20)
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not {encoding}: {error.reason}. Correct `encoding` in the recipe.") from error
    return target


def _rejected_lines(connection: ibis.BaseBackend, at: int) -> list[Unreadable]:
    if not connection.raw_sql("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchall():
        return []
    rows = connection.raw_sql(
        "SELECT line, any_value(error_type), any_value(csv_line) FROM reject_errors GROUP BY line ORDER BY line"
    ).fetchall()
    connection.raw_sql("DELETE FROM reject_errors")
    return [
        Unreadable(at, int(line), f"unreadable line ({str(kind).lower().replace('_', ' ')})", str(text))
        for line, kind, text in rows
    ]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _from(source_url: str) -> str:
    return f" from {source_url}" if source_url else ""
