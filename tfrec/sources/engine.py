"""Holds what an engine offers (a workspace), functions of DuckDB that Ibis lacks, names and texts quoted for SQL.

Ibis reads the names and types of a declaration alone; its body never runs. On Spark the functions of DuckDB run within
the executors, see `spark_plan`.
"""

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa

from tfrec.sources.ahead import ahead

if TYPE_CHECKING:
    from tfrec.sources.kept_tables import KeptTables


@dataclasses.dataclass(frozen=True)
class Workspace:
    """Where tables in between are stored: on DuckDB; `SparkWorkspace` stores them on Spark.

    Attributes:
        connection: backend of the engine.
        scratch: folder for files in between.
        kept: tables of raw files that outlast a run; None = each run reads all files.
        is_in_memory: the memory holds all tables with ease, and reads them faster than files.
    """

    connection: ibis.BaseBackend
    scratch: Path
    kept: "KeptTables | None" = None
    is_in_memory: bool = False

    @contextlib.contextmanager
    def beside(self) -> Iterator["Workspace"]:
        """Yields a workspace of the same tables for another thread (DuckDB)."""
        connection = ibis.duckdb.from_connection(self.connection.con.cursor())
        try:
            yield dataclasses.replace(self, connection=connection)
        finally:
            connection.disconnect()

    @property
    def of_files(self) -> "Workspace":
        """Workspace of DuckDB in which raw files become rows, whatever the engine of all that follows."""
        return self

    def adopt(self, name: str, rows: ir.Table) -> ir.Table:
        """Returns the rows of a table of `of_files` on this engine."""
        return rows

    def store(self, name: str, expression: ir.Table) -> ir.Table:
        """Returns the stored rows of an expression."""
        self.connection.create_table(name, expression)
        return self.connection.table(name)

    def name_of_table(self, rows: ir.Table) -> str:
        """Returns the name of the stored table that `rows` are, which can be changed where it lies; else `""`."""
        operation = rows.op()
        is_table = isinstance(operation, ops.DatabaseTable) and not is_view(self.connection, operation.name)
        return operation.name if is_table else ""

    def stored(self, name: str) -> ir.Table:
        """Returns the rows that were stored under a name."""
        return self.connection.table(name)

    def open_file(self, name: str, path: Path) -> ir.Table:
        """Returns the rows of a Parquet file."""
        return self.connection.read_parquet(path, table_name=name)

    def read_in_parts(self, expression: ir.Table, *, rows: int) -> Iterator[pa.RecordBatch]:
        """Yields the rows of an expression over stored tables, so many at once; memory does not grow with their number.

        The engine works on the next part while one is used. Several expressions may be read at once.
        """
        return self._read(self.connection.compile(expression), rows)

    def _read(self, query: str, rows: int) -> Iterator[pa.RecordBatch]:
        with self.connection.con.cursor() as cursor:
            yield from ahead(cursor.sql(query).to_arrow_reader(rows))

    def drop(self, name: str) -> None:
        """Frees the space of a stored table."""
        kind = "VIEW" if is_view(self.connection, name) else "TABLE"
        self.connection.raw_sql(f"DROP {kind} {identifier(name)}")


@ibis.udf.scalar.builtin(name="trim")
def trim_blanks(text: str) -> str:
    """Returns the text without blanks at both ends (DuckDB)."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="trim")
def trim(text: str, signs: str) -> str:
    """Returns the text without these characters at both ends (DuckDB)."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="strlen")
def num_bytes(text: str) -> int:
    """Returns the length in bytes of UTF-8 (DuckDB)."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="unicode")
def first_code(text: str) -> int:
    """Returns the code point of the first character, -1 where there is none (DuckDB)."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="nfc_normalize")
def composed(text: str) -> str:
    """Returns the text in Unicode's composed form (DuckDB)."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="isfinite")
def is_finite(number: float) -> bool:
    """Returns whether a number is neither NaN nor infinite (DuckDB).

    `isnan` will not do: the engine trusts the bounds that a Parquet file states of a column, which leave NaN out, and
    takes the answer to be false for all rows.
    """
    raise NotImplementedError


@ibis.udf.scalar.builtin
def md5(text: str) -> str:
    """Returns the hexadecimal digest (DuckDB)."""
    raise NotImplementedError


@ibis.udf.scalar.builtin
def try_strptime(text: str, form: str) -> dt.datetime:
    """Returns the timestamp that `text` shows in the format, or null (DuckDB)."""
    raise NotImplementedError


@ibis.udf.scalar.builtin
def make_timestamp(microseconds: int) -> dt.datetime:
    """Returns the moment so many microseconds after 1970-01-01 UTC (DuckDB)."""
    raise NotImplementedError


def is_view(connection: ibis.BaseBackend, name: str) -> bool:
    """Returns whether a view is called so, and no table (DuckDB)."""
    query = f"SELECT 1 FROM duckdb_views() WHERE view_name = {literal(name)} AND NOT internal"
    return bool(connection.raw_sql(query).fetchall())


def identifier(name: str) -> str:
    """Returns a name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Returns a text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"
