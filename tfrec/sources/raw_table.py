"""Defines what a source of rows offers, and the table that it yields."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Sequence
from typing import Any, Protocol

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE
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
        table: stored table of text columns, with `_file` and `_row`.
        unreadable: lines that are no rows.
        origin: where it comes from, for messages.
        files: name of each file, by `_file`.
        notes: what the owner of the files should know.
    """

    table: ir.Table
    unreadable: tuple[Unreadable, ...]
    origin: str
    files: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()

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
        """Returns the rows as one stored table of text columns, and the lines that are no rows.

        Args:
            workspace: where the table is stored.
            name: name of the stored table.
            wanted: raw columns that the recipe maps.

        Raises:
            SourceError: the rows cannot be read.
        """
        ...


def union_by_name(tables: Sequence[ir.Table]) -> ir.Table:
    """Returns the rows of tables that may differ in columns: where one lacks a column, its rows have none.

    Names that differ in case alone are one, as they are for the engine.
    """
    if len(tables) == 1:
        return tables[0]
    names: dict[str, str] = {}
    kinds: dict[str, dt.DataType] = {}
    for table in tables:
        for name in table.columns:
            names.setdefault(name.casefold(), name)
            kinds.setdefault(name.casefold(), table[name].type())
    parts = []
    for table in tables:
        present = {name.casefold(): name for name in table.columns}
        parts.append(
            table.select(
                **{
                    name: table[present[folded]] if folded in present else ibis.null(kinds[folded])
                    for folded, name in names.items()
                }
            )
        )
    return ibis.union(*parts)
