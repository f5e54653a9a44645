"""Turns a table or query of a database into one stored table of text."""

import dataclasses
import functools
from collections.abc import Collection
from pathlib import Path

from tfrec.errors import EmptySourceError
from tfrec.sources.engine import Workspace, identifier, literal
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.locate import RawFile
from tfrec.sources.raw_table import RawTable, RowsState
from tfrec.sources.sql_chunks import read_chunks
from tfrec.sources.sql_rows import SqlRows


@dataclasses.dataclass(frozen=True)
class SqlSource:
    """Rows of a database that hold one table.

    Attributes:
        rows: the table or query.
        folder: for what was read before all is read, see `chunk_folder`; None = within the workspace.
    """

    rows: SqlRows
    folder: Path | None = None

    @property
    def origin(self) -> str:
        """Database and table, for messages; without secrets."""
        return self.rows.origin

    @property
    def inputs(self) -> tuple[RawFile, ...]:
        """None: a database is no file."""
        return ()

    @property
    def states(self) -> tuple[RowsState, ...]:
        """The state of the rows."""
        return (self.state,)

    @functools.cached_property
    def state(self) -> RowsState:
        """What the rows were at the first look; rows that come later are not read."""
        return self.rows.look()

    def read(self, workspace: Workspace, *, name: str, wanted: Collection[str] = ()) -> RawTable:
        """Returns the rows as one stored table of text columns; every row is a row.

        Args:
            workspace: where the table is stored.
            name: name of the stored table.
            wanted: raw columns that the recipe maps.

        Raises:
            EmptySourceError: there is no row.
            SourceError: as `SqlRows.chunks`.
        """
        folder = self.folder or workspace.scratch / f"{name}.reading"
        files = read_chunks(self.rows, self.state, folder, wanted=wanted)
        if not files:
            raise EmptySourceError(f"{self.origin} has no row. Name another table or correct the query.")
        listed = ", ".join(literal(str(file)) for file in files)
        workspace.connection.raw_sql(
            f"CREATE TABLE {identifier(name)} AS SELECT *, row_number() OVER () AS {ROW}, 0::INTEGER AS {FILE} "
            f"FROM read_parquet([{listed}])"
        )
        return RawTable(workspace.connection.table(name), (), self.origin, (self.origin,))
