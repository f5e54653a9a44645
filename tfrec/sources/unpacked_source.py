"""Makes a row of each entry that stands in a cell with others, such as all products of an order."""

import dataclasses
from collections.abc import Collection

from tfrec.errors import SourceError, nearest_hint
from tfrec.sources.engine import Workspace, identifier, literal
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note
from tfrec.sources.raw_table import DerivedRows, RawTable
from tfrec.sources.unpack import PREFIX, Unpack

_BETWEEN = "\x1f"  # a control character that separates, and that no export holds


@dataclasses.dataclass(frozen=True)
class UnpackedSource(DerivedRows):
    """Rows whose cells held several entries, as a row for each entry.

    Attributes:
        unpack: how the entries are written.
    """

    unpack: Unpack

    def read(self, workspace: Workspace, *, name: str, wanted: Collection[str] = ()) -> RawTable:
        """Returns a row for each entry, with the row's own columns; as `RowSource.read`, all columns as text.

        Rows are counted again, entry by entry. An entry that the pattern does not match, and a row without an entry, is
        a row whose new columns are empty.

        Raises:
            SourceError: the rows cannot be read or lack a column of entries, or not one entry is as the pattern says.
        """
        packed = f"{name}_packed"
        of_rows = [column for column in wanted if not column.startswith(PREFIX)]
        needed = tuple(dict.fromkeys((*of_rows, *self.unpack.columns)))
        raw = self.rows.read(workspace, name=packed, wanted=needed).as_text()
        for column in self.unpack.columns:
            if column not in raw.table.columns:
                raise SourceError(
                    f"{raw.origin} has no column {column!r}, which `unpack` names."
                    f"{nearest_hint(column, raw.table.columns)}"
                )
        workspace.store(f"{name}_stored", raw.table)
        workspace.connection.raw_sql(f"CREATE TABLE {identifier(name)} AS {self._query(f'{name}_stored')}")
        for part in (packed, f"{name}_stored"):
            workspace.drop(part)
        table = workspace.connection.table(name)
        entries, failed = workspace.connection.raw_sql(
            "SELECT count(*) FILTER (_entry <> ''), count(*) FILTER (_entry <> '' AND NOT _fits) "
            f"FROM {identifier(name)}"
        ).fetchall()[0]
        if failed == entries:
            raise SourceError(
                f"{raw.origin}: not one of {entries:,} entries in {', '.join(self.unpack.columns)} matches the "
                "pattern of `unpack`. Correct it in the recipe."
            )
        notes = raw.notes
        if failed:
            listed = ", ".join(self.unpack.columns)
            text = f"{failed:,} of {entries:,} entries in {listed} do not match the pattern of `unpack`."
            notes = (*notes, Note("entries_unmatched", failed, text))
        return dataclasses.replace(raw, table=table.drop("_entry", "_fits"), notes=notes, kept=())

    def _query(self, table: str) -> str:
        """Returns the SQL of the unpacked rows, with `_entry` and whether it fits."""
        parts = [
            f"SELECT * FROM (SELECT *, {at} AS _column, unnest(_entries) AS _entry, "
            f"generate_subscripts(_entries, 1) AS _place "
            f"FROM (SELECT *, {self._entries(column)} AS _entries FROM {identifier(table)})) WHERE trim(_entry) <> ''"
            for at, column in enumerate(self.unpack.columns)
        ]
        is_empty = " AND ".join(f"trim(coalesce({identifier(column)}, '')) = ''" for column in self.unpack.columns)
        parts.append(
            "SELECT *, []::VARCHAR[] AS _entries, 0 AS _column, '' AS _entry, 0 AS _place "
            f"FROM {identifier(table)} WHERE {is_empty}"
        )
        pattern = literal(self.unpack.pattern)
        values = ", ".join(
            f"regexp_extract(_entry, {pattern}, {number}) AS {identifier(PREFIX + group)}"
            for group, number in self.unpack.groups.items()
        )
        return (
            f"SELECT * EXCLUDE ({ROW}, _entries, _column, _place), {values}, "
            f"regexp_matches(_entry, {pattern}) AS _fits, "
            f"row_number() OVER (PARTITION BY {FILE} ORDER BY {ROW}, _column, _place) AS {ROW} "
            f"FROM ({' UNION ALL BY NAME '.join(parts)})"
        )

    def _entries(self, column: str) -> str:
        """Returns the SQL of the list of a cell's entries, blank ones among them."""
        text = f"coalesce({identifier(column)}, '')"
        if not self.unpack.begin:
            return f"[{text}]"
        begin = literal(f"({self.unpack.begin})")
        mark = f"chr({ord(_BETWEEN)})"
        return f"string_split(regexp_replace({text}, {begin}, {mark} || '\\1', 'g'), {mark})"
