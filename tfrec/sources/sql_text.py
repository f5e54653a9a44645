"""Turns values of a database into the text that an export to CSV would hold."""

import datetime as dt
import decimal
import json
import uuid
from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa

from tfrec.errors import SourceError

_MYSQL_TIMESTAMP = 7
"""Code of the type `TIMESTAMP` in MySQL's protocol; such a value is a moment, which `DATETIME` is not."""
_MYSQL_JSON = 245  # has the binary character set, and is text
_TEXT = {str, type(None)}
_BINARY = {bytes, bytearray, memoryview}


def text_table(
    rows: Sequence[Sequence[Any]], description: Sequence[Sequence[Any]], *, wanted: Collection[str], origin: str
) -> pa.Table:
    """Returns rows as columns of text; NULL is null, a decimal has all its digits, times are ISO 8601.

    Moments have their offset from UTC behind them; dates and times without a zone have none.

    Args:
        rows: as the driver gave them.
        description: the cursor's: name and type of each column.
        wanted: columns that must be text.
        origin: where the rows come from, for messages.

    Raises:
        SourceError: a wanted column holds bytes.
    """
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(description)
    arrays = []
    for about, values in zip(description, columns, strict=True):
        kinds = set(map(type, values))
        if kinds & _BINARY:
            _refuse_bytes(about[0], wanted, origin)
            values = [None] * len(values)
        elif not kinds <= _TEXT:
            values = [as_text(value) for value in values]
        arrays.append(pa.array(values, pa.string()))
    return pa.table(arrays, names=[about[0] for about in description])


def mysql_table(
    columns: Sequence[Sequence[bytes | None]],
    are_binary: Sequence[bool],
    description: Sequence[Sequence[Any]],
    *,
    wanted: Collection[str],
    origin: str,
) -> pa.Table:
    """Returns columns of MySQL's text protocol, which is exact, as columns of text; see `text_table`.

    Args:
        columns: bytes of UTF-8, null for NULL.
        are_binary: whether a column holds bytes that are no text.
        description: the cursor's.
        wanted: columns that must be text.
        origin: where the rows come from, for messages.

    Raises:
        SourceError: a wanted column holds bytes.
    """
    arrays = []
    for about, values, is_binary in zip(description, columns, are_binary, strict=True):
        if is_binary and about[1] != _MYSQL_JSON:
            if any(value is not None for value in values):
                _refuse_bytes(about[0], wanted, origin)
            arrays.append(pa.nulls(len(values), pa.string()))
        elif about[1] == _MYSQL_TIMESTAMP:
            moments = [at if at is None or at.startswith(b"0000") else at + b"+00:00" for at in values]
            arrays.append(pa.array(moments, pa.string()))
        else:
            arrays.append(pa.array(values, pa.string()))
    return pa.table(arrays, names=[about[0] for about in description])


def _refuse_bytes(name: str, wanted: Collection[str], origin: str) -> None:
    if name in wanted:
        raise SourceError(
            f"{origin}: the column {name!r} holds bytes (a BLOB), which are no text. Map another column, or convert it "
            f"in a `query`: SELECT HEX({name}) AS {name}, ..."
        )


def as_text(value: Any) -> str | None:
    """Returns a value as text, null for NULL.

    Example: `Decimal("1E+2")` is `"100"`, `datetime(2024, 1, 2, 3, 4)` is `"2024-01-02 03:04:00"`.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=as_text)
    return str(value)


def key_from_text(text: str, like: Any) -> Any:
    """Returns a key from its text, of the same type as `like`."""
    if isinstance(like, dt.datetime):
        return dt.datetime.fromisoformat(text)
    if isinstance(like, dt.date):
        return dt.date.fromisoformat(text)
    if isinstance(like, int | decimal.Decimal | uuid.UUID | str):
        return type(like)(text)
    raise TypeError(f"{type(like).__name__} is no type of a key")


KEY_TYPES = (int, decimal.Decimal, uuid.UUID, str, dt.datetime, dt.date)
"""Types of values by which a table can be read in order."""
