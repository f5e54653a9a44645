"""Turns the raw files of a table into one stored table of text, so that bad values are caught row by row."""

import contextlib
import dataclasses
import itertools
import logging
import os
import queue
import shutil
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import ibis.expr.types as ir

from tfrec.errors import EmptySourceError, SourceError, nearest_hint
from tfrec.sources.engine import Workspace, identifier, is_view, literal
from tfrec.sources.file_format import FILE, ROW, BadLine, StoreTask
from tfrec.sources.formats import format_of
from tfrec.sources.kept_tables import Keeping
from tfrec.sources.locate import RawFile, local_file, stored_file
from tfrec.sources.notes import Note
from tfrec.sources.raw_table import RawTable, RowsState, Unreadable
from tfrec.sources.source import Source

logger = logging.getLogger(__name__)

_READERS = min(4, os.cpu_count() or 1)  # files at once
_SHOWN = 5  # names of files in a message
_ROWS = "rows"  # kind of what is kept


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
        pieces = self._pieces(workspace, name, wanted)
        _check_columns([piece.columns for piece in pieces], wanted, paths=[piece.paths[0] for piece in pieces])
        unreadable = [line for piece in pieces for line in piece.unreadable]
        table = _union(workspace, name, pieces)
        if table.count().execute() == 0:
            reasons = (
                f" {len(unreadable):,} lines are no rows, the first: {unreadable[0].reason}." if unreadable else ""
            )
            error = SourceError if unreadable else EmptySourceError
            raise error(
                f"{self.origin}: there is a header but no row.{reasons} Get the data again, or correct `delimiter`, "
                "`quote` or `header` in the recipe."
            )
        notes = tuple(note for piece in pieces for note in piece.notes)
        places = tuple(piece.place for piece in pieces if isinstance(piece.place, Path))
        kept = places if len(places) == len(self.paths) > 1 else ()
        return RawTable(table, tuple(unreadable), self.origin, self._names(), notes, kept)

    def _pieces(self, workspace: Workspace, name: str, wanted: Collection[str]) -> list["_Piece"]:
        """Returns the rows of all groups; those that are kept are read several at once.

        The engine reads a file with one thread for each few megabytes, and files of days are short.
        """
        groups = self._groups()
        firsts = itertools.accumulate(map(len, groups), initial=0)
        asked = [(f"{name}_part_{at}", *group) for at, group in enumerate(zip(groups, firsts, strict=False))]
        if len(groups) == 1 or workspace.kept is None or workspace.kept.is_private:
            return [self._stored(paths, workspace, name=part, wanted=wanted, first=at) for part, paths, at in asked]
        with contextlib.ExitStack() as stack:
            free = queue.SimpleQueue[Workspace]()
            for _ in range(_READERS):
                free.put(stack.enter_context(workspace.beside()))

            def read(part: str, paths: tuple[RawFile, ...], first: int) -> _Piece:
                mine = free.get()
                try:
                    return self._stored(paths, mine, name=part, wanted=wanted, first=first)
                finally:
                    free.put(mine)

            pool = stack.enter_context(ThreadPoolExecutor(_READERS))
            try:
                return list(pool.map(read, *zip(*asked, strict=True)))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

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

    def _stored(
        self,
        paths: tuple[RawFile, ...],
        workspace: Workspace,
        *,
        name: str,
        wanted: Collection[str],
        first: int,
    ) -> "_Piece":
        """Returns the rows of one group; those of one of several files are kept, or were by an earlier run."""
        form, kept, file = format_of(str(paths[0]), stated=self.how.format), workspace.kept, str(paths[0])
        place = None
        if kept is not None and not form.reads_together and len(self.paths) > 1:  # one file is never partly new
            how = [form.name, dataclasses.asdict(self.how) | {"files": ()}, sorted(wanted)]
            place = kept.place(_ROWS, file, stored=str(stored_file(paths[0])), how=how)
        if kept is None or place is None:
            notes: list[Note] = []
            bad = self._store(StoreTask((), name, self.how, tuple(wanted), workspace, notes), paths)
            columns = tuple(column for column in workspace.connection.table(name).columns if column != FILE)
            return _Piece(paths, first, columns, tuple(notes), _lines(bad, first), name)
        about = kept.find(place, file=file)
        if about is None:
            keeping = Keeping(kept, place, workspace.connection)
            task = StoreTask((), name, self.how, tuple(wanted), workspace, [], keeping=keeping)
            bad = self._store(task, paths)
            if keeping.rows is None:
                self._keep(task, keeping, bad)
            kept.publish(place)
            about = kept.find(place, file=file)
            assert about is not None
            kept.rows[file] = keeping.rows or 0
        return _Piece(
            paths,
            first,
            tuple(about["columns"]),
            tuple(Note(**note) for note in about["notes"]),
            _lines((BadLine(*line) for line in about["unreadable"]), first),
            place,
        )

    def _store(self, task: StoreTask, paths: tuple[RawFile, ...]) -> list[BadLine]:
        """Stores one group with `_file`, from 0 on, and `_row`; returns the lines that are no rows."""
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
        if task.keeping is None and FILE not in connection.table(task.table).columns:
            connection.raw_sql(f"ALTER TABLE {identifier(task.table)} ADD COLUMN {FILE} INTEGER DEFAULT 0")
        return bad

    def _keep(self, task: StoreTask, keeping: Keeping, bad: Sequence[BadLine]) -> None:
        """Takes the rows of a stored table, which is dropped."""
        connection = task.workspace.connection
        columns = [column for column in connection.table(task.table).columns if column != FILE]
        notes = [dataclasses.asdict(note) for note in task.notes]
        about = {"columns": columns, "unreadable": bad, "notes": notes}
        keeping.take(f"SELECT {', '.join(map(identifier, columns))} FROM {identifier(task.table)}", about)
        task.workspace.drop(task.table)


@dataclasses.dataclass(frozen=True)
class _Piece:
    """The rows of files that are read at once.

    Attributes:
        paths: the files.
        first: number of the first one.
        columns: of the rows, with `_row`.
        notes: what the owner of the files should know.
        unreadable: lines that are no rows.
        place: name of the engine's table, or the file where the rows are kept.
    """

    paths: tuple[RawFile, ...]
    first: int
    columns: tuple[str, ...]
    notes: tuple[Note, ...]
    unreadable: tuple[Unreadable, ...]
    place: str | Path


def _lines(bad: Iterable[BadLine], file: int) -> tuple[Unreadable, ...]:
    return tuple(Unreadable(file, line.line, line.reason, line.text) for line in bad)


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


def _union(workspace: Workspace, name: str, pieces: Sequence[_Piece]) -> ir.Table:
    """Returns the rows of the pieces under one name; of several pieces, whose types may differ, as text."""
    connection = workspace.connection
    if len(pieces) == 1 and isinstance(pieces[0].place, str):
        kind = "VIEW" if is_view(connection, pieces[0].place) else "TABLE"
        connection.raw_sql(f"ALTER {kind} {identifier(pieces[0].place)} RENAME TO {identifier(name)}")
        return connection.table(name)
    texts = "*" if len(pieces) == 1 else f"COLUMNS(* EXCLUDE ({FILE}, {ROW}))::VARCHAR, {FILE}, {ROW}"
    parts = [
        f"SELECT {texts} FROM ({_query(tuple(same))})"
        for _kind, same in itertools.groupby(pieces, key=lambda piece: isinstance(piece.place, Path))
    ]
    is_kept = all(isinstance(piece.place, Path) for piece in pieces)
    connection.raw_sql(
        f"CREATE {'VIEW' if is_kept else 'TABLE'} {identifier(name)} AS {' UNION ALL BY NAME '.join(parts)}"
    )
    for piece in pieces:
        if isinstance(piece.place, str):
            workspace.drop(piece.place)
    return connection.table(name)


def _query(pieces: Sequence[_Piece]) -> str:
    """Returns the query of the rows of pieces that follow one another, all kept or all stored in the engine."""
    first = pieces[0].first
    if isinstance(pieces[0].place, Path):
        listed = ", ".join(literal(str(piece.place)) for piece in pieces)
        rows = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
        return f"SELECT *, (file_index + {first})::INTEGER AS {FILE} FROM {rows}"
    return " UNION ALL BY NAME ".join(
        f"SELECT * REPLACE (({FILE} + {piece.first})::INTEGER AS {FILE}) FROM {identifier(str(piece.place))}"
        for piece in pieces
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
