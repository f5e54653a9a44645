"""Reads the rows of a database's table or query in the order of a key, a chunk at a time."""

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from tfrec.errors import SourceError
from tfrec.sources import mysql_rows
from tfrec.sources.database import Database
from tfrec.sources.raw_table import RowsState
from tfrec.sources.sql_text import KEY_TYPES, as_text, key_from_text, mysql_table, text_table

if TYPE_CHECKING:
    from sqlalchemy import ColumnClause, Connection, FromClause, Select


@dataclasses.dataclass(frozen=True)
class SqlRows:
    """The rows of a table or a query.

    Attributes:
        database: where they are.
        table: name of a table or view, with its schema before a point where it has one.
        query: a SELECT, in place of `table`.
        key: column with unique values by which the rows are read.
        changed: column that states when a row was changed last; empty where there is none.
    """

    database: Database
    table: str = ""
    query: str = ""
    key: str = ""
    changed: str = ""

    @property
    def origin(self) -> str:
        """Where the rows come from, for messages."""
        return f"{self.database.shown}, {f'table {self.table}' if self.table else 'query'}"

    def look(self, *, until: Any = None) -> RowsState:
        """Returns the state of the rows with keys up to `until`; without it of all.

        Raises:
            SourceError: the rows cannot be read, a key is NULL, or is of a type that has no order.
        """
        from sqlalchemy import column, func, select

        key: ColumnClause[Any] = column(self.key)
        changed = func.max(column(self.changed)) if self.changed else func.count(key)
        statement = select(func.count(), func.count(key), func.max(key), changed).select_from(self._rows())
        if until is not None:
            statement = statement.where(key <= until)
        with self.database.connection(f"looking at the {self._what}") as connection:
            rows, keys, last, newest = next(iter(connection.execute(statement)))
        if rows != keys:
            raise SourceError(
                f"{self.origin}: {rows - keys:,} rows have no {self.key!r}. `key` must name a column that is unique "
                "and never NULL, such as the primary key."
            )
        if last is not None and not isinstance(last, KEY_TYPES):
            raise SourceError(
                f"{self.origin}: the key {self.key!r} holds values of the type {type(last).__name__}. `key` must name "
                "a column of whole numbers, text or times."
            )
        return RowsState(self.origin, int(rows), last, (as_text(newest) or "") if self.changed else "")

    def first(self, size: int) -> pa.Table:
        """Returns the first rows by their keys as text; columns with bytes are left out.

        Raises:
            SourceError: the rows cannot be read.
        """
        from sqlalchemy import column, select, text

        key: ColumnClause[Any] = column(self.key)
        statement = select(text("*")).select_from(self._rows()).order_by(key).limit(size)
        with self.database.connection(f"reading the {self._what}") as connection:
            return self._fetch(connection, statement, wanted=())[0]

    def chunks(self, *, after: Any, until: Any, size: int, wanted: Collection[str]) -> Iterator[tuple[pa.Table, Any]]:
        """Yields the rows with keys in (`after`, `until`] as tables of text, each with its last key.

        Each chunk is a statement of its own, so that no transaction stays open while chunks are stored.

        Args:
            after: key of the last row that is known, or None.
            until: key of the last row to be read.
            size: rows of a chunk.
            wanted: columns that must be text.

        Raises:
            SourceError: the rows cannot be read, two have equal keys, or a wanted column holds bytes.
        """
        with self.database.connection(f"reading the {self._what}") as connection:
            while True:
                table, keys = self._fetch(connection, self._next(after, until, size), wanted=wanted)
                if after is not None and keys and _as_key(keys[0], until) == after:
                    table, keys = table.slice(1), keys[1:]  # the row that is known already
                if not keys:
                    return
                if len(set(keys)) < len(keys) or _as_key(keys[0], until) == after:
                    raise SourceError(
                        f"{self.origin}: several rows have the same {self.key!r}. `key` must name a column that is "
                        "unique, such as the primary key; a query over several tables can make one."
                    )
                after = _as_key(keys[-1], until)
                yield table, after

    def _fetch(
        self, connection: "Connection", statement: "Select[Any]", *, wanted: Collection[str]
    ) -> tuple[pa.Table, Sequence[Any]]:
        """Returns the rows of a statement as text, and their keys; see `_as_key`."""
        cursor = mysql_rows.execute(connection, statement)
        if cursor is not None:
            description = list(cursor.description)
            at = self._place_of_key([about[0] for about in description])
            columns, are_binary = mysql_rows.read_columns(cursor)
            cursor.close()
            table = mysql_table(columns, are_binary, description, wanted=wanted, origin=self.origin)
            return table, columns[at]
        result = connection.execute(statement)
        assert result.cursor is not None  # a SELECT has one
        description = list(result.cursor.description)
        at = self._place_of_key([about[0] for about in description])
        rows = result.cursor.fetchall()
        result.close()
        return text_table(rows, description, wanted=wanted, origin=self.origin), [row[at] for row in rows]

    @property
    def _what(self) -> str:
        return f"table {self.table}" if self.table else "query"

    def _rows(self) -> "FromClause":
        from sqlalchemy import table, text

        if self.table:
            schema, _, name = self.table.rpartition(".")
            return table(name, schema=schema or None)
        query = self.query.strip().rstrip(";").replace(":", "\\:")
        return cast("FromClause", text(f"({query}) AS tfrec_rows"))  # `select_from` takes text, too

    def _next(self, after: Any, until: Any, size: int) -> "Select[Any]":
        """Returns the statement of the next chunk; it begins with the last known row, which shows equal keys."""
        from sqlalchemy import column, select, text

        key: ColumnClause[Any] = column(self.key)
        statement = select(text("*")).select_from(self._rows()).where(key <= until)
        if after is not None:
            statement = statement.where(key >= after)
        return statement.order_by(key).limit(size + (after is not None))

    def _place_of_key(self, names: list[str]) -> int:
        if self.key not in names:
            raise SourceError(
                f"{self.origin} has no column {self.key!r}, which `key` names. It has: {', '.join(names)}."
            )
        return names.index(self.key)


def _as_key(value: Any, like: Any) -> Any:
    """Returns a key of the type of `like`, of which the text of the protocol may be given."""
    return key_from_text(value.decode(), like) if isinstance(value, bytes) else value
