"""Defines what a source of rows offers, and the table that it yields."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from tfrec.sources.cells import as_text
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.locate import RawFile
from tfrec.sources.notes import Note


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """A line that is no row of its table: `line` counts from 1 in the file, the header included."""

    file: int
    line: int
    reason: str
    text: str


@dataclasses.dataclass(frozen=True)
class RawTable:
    """A table as its source holds it.

    Attributes:
        table: columns of text, or of the types that the source has, with `_file` and `_row`.
        unreadable: lines that are no rows.
        origin: where it comes from, for messages.
        files: name of each file, by `_file`.
        notes: what the owner of the files should know.
        kept: where the rows of each file are kept, in order; empty where the table holds anything else.
    """

    table: ir.Table
    unreadable: tuple[Unreadable, ...]
    origin: str
    files: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    kept: tuple[Path, ...] = ()

    def as_text(self) -> "RawTable":
        """Returns the table with all columns as text."""
        columns = {name: self.table[name] for name in self.table.columns if name not in (FILE, ROW)}
        typed = {name: as_text(column) for name, column in columns.items() if not column.type().is_string()}
        return dataclasses.replace(self, table=self.table.mutate(**typed)) if typed else self

    def counted_from(self, first: int) -> "RawTable":
        """Returns the table with its files numbered from `first` on."""
        if not first:
            return self
        return dataclasses.replace(
            self,
            table=self.table.mutate(**{FILE: (self.table[FILE] + first).cast("int32")}),
            unreadable=tuple(dataclasses.replace(line, file=line.file + first) for line in self.unreadable),
        )


@dataclasses.dataclass(frozen=True)
class RowsState:
    """What a look at the rows of a database shows, up to some key.

    Attributes:
        origin: where they are, for messages.
        rows: their number.
        last: highest key, None where there is no row.
        changed: highest value of the column that states when a row was changed, as text; `""` without one.
    """

    origin: str
    rows: int
    last: Any
    changed: str = ""

    @property
    def digest(self) -> str:
        """Equal for equal states."""
        return hashlib.sha256(json.dumps([self.rows, str(self.last), self.changed]).encode()).hexdigest()


class RowSource(Protocol):
    """Where the rows of one table come from; all that follows knows no more of it."""

    @property
    def origin(self) -> str:
        """Where it lies, for messages."""
        ...

    @property
    def inputs(self) -> tuple[RawFile, ...]:
        """Files whose content decides on the rows."""
        ...

    @property
    def states(self) -> tuple[RowsState, ...]:
        """States of databases that decide on the rows."""
        ...

    def read(self, workspace: Workspace, *, name: str, wanted: Collection[str] = ()) -> RawTable:
        """Returns the rows as one table, and the lines that are no rows.

        Args:
            workspace: where the table is stored.
            name: name of the stored table.
            wanted: raw columns that the recipe maps.

        Raises:
            SourceError: the rows cannot be read.
        """
        ...


@dataclasses.dataclass(frozen=True)
class DerivedRows:
    """What sources have in common that change the rows of another one.

    Attributes:
        rows: where the rows come from.
    """

    rows: RowSource

    @property
    def origin(self) -> str:
        """Where the rows come from, for messages."""
        return self.rows.origin

    @property
    def inputs(self) -> tuple[RawFile, ...]:
        """Files whose content decides on the rows."""
        return self.rows.inputs

    @property
    def states(self) -> tuple[RowsState, ...]:
        """States of databases that decide on the rows."""
        return self.rows.states


def union_by_name(tables: Sequence[ir.Table]) -> ir.Table:
    """Returns the rows of tables that may differ in columns: where one lacks a column, its rows have none.

    A column whose types have none in common becomes text. Names that differ in case alone are one, as they are
    for the engine.
    """
    if len(tables) == 1:
        return tables[0]
    names: dict[str, str] = {}
    kinds: dict[str, dt.DataType] = {}
    for table in tables:
        for name in table.columns:
            names.setdefault(name.casefold(), name)
    found: dict[str, list[dt.DataType]] = {folded: [] for folded in names}
    for table in tables:
        for name in table.columns:
            found[name.casefold()].append(table[name].type())
    kinds = {folded: _common_type(types) for folded, types in found.items()}
    parts = []
    for table in tables:
        present = {name.casefold(): name for name in table.columns}
        parts.append(
            table.select(
                **{name: _as_type(table, present.get(folded), kinds[folded]) for folded, name in names.items()}
            )
        )
    return ibis.union(*parts)


def _common_type(types: Sequence[dt.DataType]) -> dt.DataType:
    """Returns a type that holds the values of columns of all these types."""
    if len(set(types)) == 1:
        return types[0]
    if all(kind.is_numeric() for kind in types):
        return dt.float64
    if all(kind.is_timestamp() and kind.timezone is None for kind in types):
        return dt.timestamp
    return dt.string


def _as_type(table: ir.Table, name: str | None, kind: dt.DataType) -> ir.Value:
    if name is None:
        return ibis.null(kind)
    column = table[name]
    if column.type() == kind:
        return column
    return as_text(column) if kind.is_string() else column.cast(kind)
