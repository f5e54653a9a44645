"""Functions of DuckDB that Ibis lacks, and names and texts quoted for its SQL.

Ibis reads the names and types of a declaration alone; its body never runs.
"""

import datetime as dt

import ibis


@ibis.udf.scalar.builtin(name="trim")
def trim_blanks(text: str) -> str:
    """DuckDB: the text without blanks at both ends."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="trim")
def trim(text: str, signs: str) -> str:
    """DuckDB: the text without these characters at both ends."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="strlen")
def num_bytes(text: str) -> int:
    """DuckDB: length in bytes of UTF-8."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="unicode")
def first_code(text: str) -> int:
    """DuckDB: code point of the first character, -1 where there is none."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="nfc_normalize")
def composed(text: str) -> str:
    """DuckDB: the text in Unicode's composed form."""
    raise NotImplementedError


@ibis.udf.scalar.builtin
def md5(text: str) -> str:
    """DuckDB: hexadecimal digest."""
    raise NotImplementedError


@ibis.udf.scalar.builtin
def try_strptime(text: str, form: str) -> dt.datetime:
    """DuckDB: the timestamp that `text` shows in the format, or null."""
    raise NotImplementedError


@ibis.udf.scalar.builtin
def make_timestamp(microseconds: int) -> dt.datetime:
    """DuckDB: the moment so many microseconds after 1970-01-01 UTC."""
    raise NotImplementedError


def identifier(name: str) -> str:
    """Returns a name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Returns a text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"
