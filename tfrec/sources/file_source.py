"""Turns the raw files of a table into one stored table of text, so that bad values are caught row by row."""

import dataclasses
import itertools
import logging
import shutil
from collections.abc import Collection, Mapping, Sequence

import duckdb
import ibis.expr.types as ir

from tfrec.errors import EmptySourceError, SourceError, nearest_hint
from tfrec.sources.engine import Workspace, identifier, is_view
from tfrec.sources.file_format import FILE, ROW, StoreTask
from tfrec.sources.formats import format_of
from tfrec.sources.locate import RawFile, local_file, stored_file
from tfrec.sources.notes import Note
from tfrec.sources.raw_table import RawTable, RowsState, Unreadable
from tfrec.sources.source import Source

logger = logging.getLogger(__name__)

_SHOWN = 5  # names of files in a message


@dataclasses.dataclass(frozen=True)
class FileSource:
    """Located files that hold one table.

    Attributes:
        how: what the recipe states of the files.
        paths: the files, at least one, in order.
    """

    how: Source
    paths: tuple[RawFile, ...]

    @property
    def origin(self) -> str:
        """Names of the files, for messages."""
        shown = ", ".join(map(str, self.paths[:_SHOWN]))
        return f"{shown} and {len(self.paths) - _SHOWN:,} more" if len(self.paths) > _SHOWN else shown

    @property
    def inputs(self) -> tuple[RawFile, ...]:
        """Files whose content decides on the rows."""
        return tuple(dict.fromkeys(map(stored_file, self.paths)))

    @property
    def states(self) -> tuple[RowsState, ...]:
        """None: files are no database."""
        return ()

    def read(self, workspace: Workspace, *, name: str, wanted: Collection[str] = ()) -> RawTable:
        """Returns the files as one table, and the lines that are no rows.

        Each line of a csv or JSON file is a row, or is reported. Files may differ in columns that are not mapped: where
        a file lacks one, its rows have none.

        Args:
            workspace: where the table is stored.
            name: name of the stored table.
            wanted: raw columns that the recipe maps; each file must have them.

        Raises:
            EmptySourceError: no file has a row.
            SourceError: a file is empty, is not of the format, lacks a wanted column, or holds nested values there.
        """
        unreadable: list[Unreadable] = []
        notes: list[Note] = []
        parts: dict[str, int] = {}
        columns: list[list[str]] = []
        groups = self._groups()
        first = 0
        for paths in groups:
            part = f"{name}_part_{len(parts)}"
            task = StoreTask((), part, self.how, tuple(wanted), workspace, notes)
            unreadable += self._store(task, paths, first)
            names = workspace.connection.table(part).columns
            columns.append([column for column in names if column not in (FILE, ROW)])
            parts[part] = first
            first += len(paths)
        _check_columns(columns, wanted, paths=[paths[0] for paths in groups])
        table = _union(workspace, name, parts)
        if table.count().execute() == 0:
            reasons = (
                f" {len(unreadable):,} lines are no rows, the first: {unreadable[0].reason}." if unreadable else ""
            )
            error = SourceError if unreadable else EmptySourceError
            raise error(
                f"{self.origin}: there is a header but no row.{reasons} Get the data again, or correct `delimiter`, "
                "`quote` or `header` in the recipe."
            )
        return RawTable(table, tuple(unreadable), self.origin, self._names(), tuple(notes))

    def _groups(self) -> list[tuple[RawFile, ...]]:
        """Returns the files that are read at once: each by itself, or those whose format reads them together."""
        groups: list[tuple[RawFile, ...]] = []
        for form, same in itertools.groupby(self.paths, key=lambda path: format_of(str(path), stated=self.how.format)):
            paths = tuple(same)
            groups += [paths] if form.reads_together else [(path,) for path in paths]
        return groups

    def _names(self) -> tuple[str, ...]:
        """Returns the name of each file, with the folders where two are called the same."""
        names = tuple(path.name for path in self.paths)
        return names if len(set(names)) == len(names) else tuple(map(str, self.paths))

    def _store(self, task: StoreTask, paths: tuple[RawFile, ...], first: int) -> list[Unreadable]:
        """Stores one group with `_file`, from 0 on, and `_row`; lines that are no rows count files from `first` on."""
        form = format_of(str(paths[0]), stated=self.how.format)
        copies = task.scratch("copies")
        local = tuple(local_file(path, copies) for path in paths)
        try:
            bad = form.store(dataclasses.replace(task, paths=local, is_copied=local != paths))
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise SourceError(
                f"{paths[0]} cannot be read as {form.name}: {_first_line(error)} "
                "Correct `format`, `delimiter` or `encoding` in the recipe."
            ) from error
        except SourceError as error:  # of a copy: under the name that the recipe knows
            text = str(error)
            for path, copy in zip(paths, local, strict=True):
                text = text.replace(str(copy), str(path))
            is_all = isinstance(error, EmptySourceError) and len(self.paths) == 1  # of several files others have rows
            raise (EmptySourceError if is_all else SourceError)(text) from error
        finally:
            shutil.rmtree(copies, ignore_errors=True)
        connection = task.workspace.connection
        if FILE not in connection.table(task.table).columns:
            connection.raw_sql(f"ALTER TABLE {identifier(task.table)} ADD COLUMN {FILE} INTEGER DEFAULT 0")
        return [Unreadable(first, line.line, line.reason, line.text) for line in bad]


def _check_columns(columns: Sequence[Sequence[str]], wanted: Collection[str], *, paths: Sequence[RawFile]) -> None:
    """Checks that each file has the wanted columns that another one has."""
    everywhere = {name for names in columns for name in names}
    for path, names in zip(paths, columns, strict=True):
        absent = [name for name in wanted if name not in names and name in everywhere]
        if absent:
            other = next(other for other, found in zip(paths, columns, strict=True) if absent[0] in found)
            raise SourceError(
                f"{path} has no column {absent[0]!r}, which the recipe maps and {other} has."
                f"{nearest_hint(absent[0], names)}"
            )
        if set(names) != set(columns[0]):
            logger.info("%s has other columns than %s: %s", path, paths[0], sorted({*names} ^ {*columns[0]}))


def _union(workspace: Workspace, name: str, parts: Mapping[str, int]) -> ir.Table:
    """Returns the rows of the parts under one name; of several parts, whose types may differ, as text.

    Args:
        workspace: where they are stored.
        name: name of the result.
        parts: name of each → number of its first file.
    """
    connection = workspace.connection
    if len(parts) == 1:
        (part,) = parts
        kind = "VIEW" if is_view(connection, part) else "TABLE"
        connection.raw_sql(f"ALTER {kind} {identifier(part)} RENAME TO {identifier(name)}")
        return connection.table(name)
    union = " UNION ALL BY NAME ".join(
        f"SELECT COLUMNS(* EXCLUDE ({FILE}, {ROW}))::VARCHAR, ({FILE} + {first})::INTEGER AS {FILE}, {ROW} "
        f"FROM {identifier(part)}"
        for part, first in parts.items()
    )
    connection.raw_sql(f"CREATE TABLE {identifier(name)} AS {union}")
    for part in parts:
        workspace.drop(part)
    return connection.table(name)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
