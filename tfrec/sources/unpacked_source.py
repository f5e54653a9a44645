"""Makes a row of each entry that stands in a cell with others, such as all products of an order."""

import dataclasses
import re
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tfrec.errors import RecipeError, SourceError, nearest_hint
from tfrec.sources.engine import Workspace, identifier, literal
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note
from tfrec.sources.raw_table import RawTable, RowSource

PREFIX = "unpack."
"""Before the names of the columns that the pattern's groups give."""

_BETWEEN = "\x1f"  # a control character that separates, and that no export holds


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unpack:
    r"""How the entries of a cell are written.

    Attributes:
        columns: raw columns whose cells hold entries.
        pattern: regular expression (RE2) of one entry; each named group `(?P<sku>...)` becomes a column `unpack.sku`.
        begin: regular expression of what each entry begins with, `\d+× ` of `2× Mug, 1× Plate`; a cell holds one entry
            where it is left out.
    """

    columns: tuple[str, ...]
    pattern: str
    begin: str = ""

    def __post_init__(self) -> None:
        if not self.columns:
            raise RecipeError("unpack must name at least one column whose cells hold entries.")
        for name in ("pattern", "begin"):
            try:
                pc.match_substring_regex(pa.array([""]), getattr(self, name))  # RE2, as in the engine
                re.compile(getattr(self, name))
            except (pa.ArrowInvalid, re.error) as error:
                raise RecipeError(f"unpack: {name} is no regular expression (RE2): {error}.") from error
        if not self.groups:
            raise RecipeError(r"unpack: pattern must have a named group for each column, e.g. (?P<sku>\w+).")

    @property
    def groups(self) -> dict[str, int]:
        """Name of each column in the pattern and the number of its group."""
        return dict(re.compile(self.pattern).groupindex)


@dataclasses.dataclass(frozen=True)
class UnpackedSource:
    """Rows whose cells held several entries, as a row for each entry.

    Attributes:
        rows: where the rows come from.
        unpack: how the entries are written.
    """

    rows: RowSource
    unpack: Unpack

    @property
    def origin(self) -> str:
        """Where the rows come from, for messages."""
        return self.rows.origin

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files whose content decides on the rows."""
        return self.rows.paths

    def read(self, workspace: Workspace, *, name: str, wanted: Collection[str] = ()) -> RawTable:
        """Returns a row for each entry, with the row's own columns; as `RowSource.read`.

        Rows are counted anew, entry by entry. An entry that the pattern does not match, and a row without an entry, is
        a row whose new columns are empty.

        Raises:
            SourceError: the rows cannot be read or lack a column of entries, or not one entry is as the pattern says.
        """
        packed = f"{name}_packed"
        of_rows = [column for column in wanted if not column.startswith(PREFIX)]
        raw = self.rows.read(workspace, name=packed, wanted=tuple(dict.fromkeys((*of_rows, *self.unpack.columns))))
        for column in self.unpack.columns:
            if column not in raw.table.columns:
                raise SourceError(
                    f"{raw.origin} has no column {column!r}, which `unpack` names."
                    f"{nearest_hint(column, raw.table.columns)}"
                )
        stored = workspace.store(f"{name}_stored", raw.table)
        workspace.connection.raw_sql(f"CREATE TABLE {identifier(name)} AS {self._query(f'{name}_stored')}")
        for part in (packed, f"{name}_stored"):
            workspace.connection.raw_sql(f"DROP TABLE IF EXISTS {identifier(part)}")
        table = workspace.connection.table(name)
        entries, failed = workspace.connection.raw_sql(
            f"SELECT count(*) FILTER (_entry <> ''), count(*) FILTER (_entry <> '' AND NOT _fits) FROM {identifier(name)}"
        ).fetchone()
        if failed == entries:
            raise SourceError(
                f"{raw.origin}: not one of {entries:,} entries in {', '.join(self.unpack.columns)} matches the pattern of "
                "`unpack`. Correct it in the recipe."
            )
        notes = raw.notes
        if failed:
            text = f"{failed:,} of {entries:,} entries in {', '.join(self.unpack.columns)} do not match the pattern of `unpack`."
            notes = (*notes, Note("entries_unmatched", failed, text))
        del stored
        return dataclasses.replace(raw, table=table.drop("_entry", "_fits"), notes=notes)

    def _query(self, table: str) -> str:
        """Returns the SQL of the unpacked rows, with `_entry` and whether it fits."""
        parts = [
            f"SELECT *, {at} AS _column, unnest(_entries) AS _entry, generate_subscripts(_entries, 1) AS _place "
            f"FROM (SELECT *, {self._entries(column)} AS _entries FROM {identifier(table)})"
            for at, column in enumerate(self.unpack.columns)
        ]
        has_none = " AND ".join(f"len({self._entries(column)}) = 0" for column in self.unpack.columns)
        parts.append(
            f"SELECT *, 0 AS _column, '' AS _entry, 0 AS _place FROM "
            f"(SELECT *, []::VARCHAR[] AS _entries FROM {identifier(table)} WHERE {has_none})"
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
            f"FROM ({' UNION ALL '.join(parts)})"
        )

    def _entries(self, column: str) -> str:
        """Returns the SQL of the list of a cell's entries."""
        text = f"coalesce({identifier(column)}, '')"
        if self.unpack.begin:
            begin = literal(f"({self.unpack.begin})")
            marked = f"regexp_replace({text}, {begin}, chr({ord(_BETWEEN)}) || '\\1', 'g')"
            listed = f"string_split({marked}, chr({ord(_BETWEEN)}))"
        else:
            listed = f"[{text}]"
        return f"list_filter({listed}, entry -> trim(entry) <> '')"
