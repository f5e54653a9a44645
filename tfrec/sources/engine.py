"""Holds what the engine needs: a workspace, functions of DuckDB that Ibis lacks, names and texts quoted for SQL.

Ibis reads the names and types of a declaration alone; its body never runs.
"""

import dataclasses
import datetime as dt
from pathlib import Path

import ibis
import ibis.expr.types as ir


@dataclasses.dataclass(frozen=True)
class Workspace:
    """Where tables in between are stored.

    Attributes:
        connection: DuckDB backend.
        scratch: folder for files in between.
    """

    connection: ibis.BaseBackend
    scratch: Path

    def store(self, name: str, expression: ir.Table) -> ir.Table:
        """Returns the stored rows of an expression."""
        self.connection.create_table(name, expression)
        return self.connection.table(name)

    def drop(self, name: str) -> None:
        """Frees the space of a stored table."""
        self.connection.raw_sql(f"DROP TABLE {identifier(name)}")


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


def identifier(name: str) -> str:
    """Returns a name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Returns a text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"
