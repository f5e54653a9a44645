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
_TEXT = {str, type(None)}
_BINARY = {bytes, bytearray, memoryview}


def text_table(
    rows: Sequence[Sequence[Any]],
    description: Sequence[Sequence[Any]],
    *,
    wanted: Collection[str],
    origin: str,
    is_mysql_text: bool = False,
) -> pa.Table:
    """Returns rows as columns of text; NULL is null, a decimal has all its digits, times are ISO 8601.

    Moments have their offset from UTC behind them; dates and times without a zone have none.

    Args:
        rows: as the driver gave them.
        description: the cursor's: name and type of each column.
        wanted: columns that must be text.
        origin: where the rows come from, for messages.
        is_mysql_text: values are the text of MySQL's protocol.

    Raises:
        SourceError: a wanted column holds bytes.
    """
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(description)
    arrays = []
    for about, values in zip(description, columns, strict=True):
        kinds = set(map(type, values))
        if kinds & _BINARY:
            if about[0] in wanted:
                raise SourceError(
                    f"{origin}: the column {about[0]!r} holds bytes (a BLOB), which are no text. Map another column, "
                    f"or convert it in a `query`: SELECT HEX({about[0]}) AS {about[0]}, ..."
                )
            values = [None] * len(values)
        elif is_mysql_text and about[1] == _MYSQL_TIMESTAMP:
            values = [text if text is None or text.startswith("0000") else f"{text}+00:00" for text in values]
        elif not kinds <= _TEXT:
            values = [as_text(value) for value in values]
        arrays.append(pa.array(values, pa.string()))
    return pa.table(arrays, names=[about[0] for about in description])


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
