"""Defines what a file format brings: the endings of its files, and how they become a table of text."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tfrec.sources.dialect import Dialect
from tfrec.sources.engine import Workspace, identifier
from tfrec.sources.notes import Note

if TYPE_CHECKING:
    from tfrec.sources.kept_tables import Keeping

FILE, ROW = "_file", "_row"
"""Where a row comes from: position of the file in the recipe's list, and number of the data row in it, from 1."""

NOT_UTF8 = "not UTF-8"
"""Reason of a line that is no text."""


class BadLine(NamedTuple):
    """A line that is no row: its number in the file, from 1, the reason and its text."""

    line: int
    reason: str
    text: str


@dataclasses.dataclass(frozen=True)
class StoreTask:
    """Files that a format stores as one table, of text columns or of the types that the files have.

    Attributes:
        paths: the file; all files of the source where the format reads them together.
        table: name of the table.
        how: what the recipe states of the files.
        wanted: raw columns that the recipe maps.
        workspace: where the table is stored.
        notes: receives what the owner of the files should know.
        is_copied: the files are copies that are gone when the table is stored; else a view of them will do.
        keeping: takes the rows in place of a table, where the format has a query that reads them.
    """

    paths: tuple[Path, ...]
    table: str
    how: Dialect
    wanted: tuple[str, ...]
    workspace: Workspace
    notes: list[Note] = dataclasses.field(default_factory=list)
    is_copied: bool = False
    keeping: "Keeping | None" = None

    @property
    def path(self) -> Path:
        """The only or first file."""
        return self.paths[0]

    def scratch(self, ending: str) -> Path:
        """Returns the path of a file in between."""
        return self.workspace.scratch / f"{self.table}.{ending}"

    def create(self, query: str) -> None:
        """Stores the rows of a query, numbered."""
        self.workspace.connection.raw_sql(
            f"CREATE OR REPLACE TABLE {identifier(self.table)} AS "
            f"SELECT *, row_number() OVER () AS {ROW} FROM ({query})"
        )


@dataclasses.dataclass(frozen=True)
class FileFormat:
    """A format of raw files; `formats` lists them all.

    Attributes:
        name: word of a recipe's `format`.
        endings: of its files, such as `.csv`; empty where a recipe must name the format.
        store: stores the files as text columns with `_row`, and returns the lines that are no rows; raises
            `SourceError` where the files are not of the format.
        reads_together: the format takes all files of a source at once; its rows may have `_file` (from 0), else they
            count through all files.
    """

    name: str
    endings: tuple[str, ...]
    store: Callable[[StoreTask], list[BadLine]]
    reads_together: bool = False
