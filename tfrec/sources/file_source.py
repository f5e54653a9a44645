"""Turns the raw files of a table into one stored table of text, so that bad values are caught row by row."""

import dataclasses
import logging
from collections.abc import Collection, Sequence
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir

from tfrec.errors import SourceError, nearest_hint
from tfrec.sources.engine import Workspace, identifier
from tfrec.sources.file_format import FILE, ROW, StoreTask
from tfrec.sources.formats import format_of
from tfrec.sources.raw_table import RawTable, Unreadable
from tfrec.sources.source import Source

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class FileSource:
    """Located files that hold one table.

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
        groups = self._groups()
        unreadable: list[Unreadable] = []
        parts = [f"{name}_part_{at}" for at in range(len(groups))]
        columns: list[list[str]] = []
        for at, (part, paths) in enumerate(zip(parts, groups, strict=True)):
            unreadable += self._store(StoreTask(paths, part, self.how, tuple(wanted), workspace), at)
            names = workspace.connection.table(part).columns
            columns.append([column for column in names if column not in (FILE, ROW)])
        _check_columns(columns, wanted, paths=[paths[0] for paths in groups])
        table = _union(workspace.connection, name, parts)
        if table.count().execute() == 0:
            reasons = (
                f" {len(unreadable):,} lines are no rows, the first: {unreadable[0].reason}." if unreadable else ""
            )
            raise SourceError(
                f"{self.origin}: there is a header but no row.{reasons} Get the data again, or correct `delimiter`, "
                "`quote` or `header` in the recipe."
            )
        return RawTable(table, tuple(unreadable), self.origin, self._names(groups))

    def _groups(self) -> list[tuple[Path, ...]]:
        """Returns the files that are read at once: each by itself, or all where their format reads them together."""
        if format_of(self.paths[0], stated=self.how.format).reads_together:
            return [self.paths]
        return [(path,) for path in self.paths]

    def _names(self, groups: Sequence[tuple[Path, ...]]) -> tuple[str, ...]:
        """Returns the name of each group, with the folders where two are called the same."""
        if len(groups) < len(self.paths):
            return (self.origin,)
        names = tuple(path.name for path in self.paths)
        return names if len(set(names)) == len(names) else tuple(map(str, self.paths))

    def _store(self, task: StoreTask, at: int) -> list[Unreadable]:
        """Stores one group as text columns with `_file` and `_row`."""
        form = format_of(task.path, stated=self.how.format)
        try:
            bad = form.store(task)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise SourceError(
                f"{task.path} cannot be read as {form.name}: {_first_line(error)} "
                "Correct `format`, `delimiter` or `encoding` in the recipe."
            ) from error
        task.workspace.connection.raw_sql(
            f"ALTER TABLE {identifier(task.table)} ADD COLUMN {FILE} INTEGER DEFAULT {at}"
        )
        return [Unreadable(at, line.line, line.reason, line.text) for line in bad]


def _check_columns(columns: Sequence[Sequence[str]], wanted: Collection[str], *, paths: Sequence[Path]) -> None:
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
