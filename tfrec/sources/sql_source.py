"""Turns a table or query of a database into one stored table of text."""

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from tfrec.errors import EmptySourceError
from tfrec.sources.engine import Workspace, identifier, literal
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.kept_tables import KeptTables
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
        is_append_only: what was read is kept, and a later run reads the rows behind it.
    """

    rows: SqlRows
    folder: Path | None = None
    is_append_only: bool = False

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
        if self.is_append_only and workspace.kept is not None:
            folder = workspace.kept.chunk_folder(self.origin, wanted=wanted)
        earlier = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
        files = read_chunks(self.rows, self.state, folder, wanted=wanted)
        if workspace.kept is not None:
            self._note(workspace.kept, earlier, files)
        if not files:
            raise EmptySourceError(f"{self.origin} has no row. Name another table or correct the query.")
        listed = ", ".join(literal(str(file)) for file in files)
        workspace.connection.raw_sql(
            f"CREATE TABLE {identifier(name)} AS SELECT *, row_number() OVER () AS {ROW}, 0::INTEGER AS {FILE} "
            f"FROM read_parquet([{listed}])"
        )
        return RawTable(workspace.connection.table(name), (), self.origin, (self.origin,))

    def _note(self, kept: KeptTables, earlier: Mapping[Path, int], files: Sequence[Path]) -> None:
        """Notes how many rows were read, and why."""
        rows = {path: pq.read_metadata(path).num_rows for path in files}
        reused = sum(rows[path] for path in files if earlier.get(path) == path.stat().st_mtime_ns)
        text = f"{self.origin}: read {sum(rows.values()) - reused:,} rows"
        if reused:
            text = f"{self.origin}: {reused:,} rows unchanged: re-used; read {sum(rows.values()) - reused:,} rows"
        elif earlier:
            text += ", all of them, as there are not the same rows up to the last key"
        elif not self.is_append_only:
            text += ", all of them, as the recipe does not state that the table is `append_only`"
        kept.said.append(text)
