"""Defines what a source of rows offers, and the table that it yields."""

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

import ibis.expr.types as ir

from tfrec.sources.engine import Workspace


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
    """

    table: ir.Table
    unreadable: tuple[Unreadable, ...]
    origin: str
    files: tuple[str, ...] = ()


class RowSource(Protocol):
    """Where the rows of one table come from; all that follows knows no more of it."""

    @property
    def origin(self) -> str:
        """Where it lies, for messages."""
        ...

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files whose content decides on the rows."""
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
