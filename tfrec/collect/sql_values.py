"""Writes values as the rows of an INSERT statement of MySQL."""

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",\n", ":"))
_BETWEEN_ROWS = "],\n["
"""No text holds it: in JSON the end of a line inside a text is written as an escape."""
_ESCAPES = re.compile(r"\\(u00([0-9a-f]{2})|f|.)")


@dataclasses.dataclass(frozen=True)
class SqlRows:
    """Rows of a statement.

    Attributes:
        columns: names.
        rows: the values of each row as SQL, without brackets.
    """

    columns: tuple[str, ...]
    rows: Sequence[str]


def write_rows(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Returns each row's values as SQL, for a session without ANSI_QUOTES and NO_BACKSLASH_ESCAPES.

    JSON's quoted text is MySQL's, but for the escapes of control characters, and its `null` and numbers are, too. All
    rows are written at once, as a call for each takes longer than the writing.
    """
    if not rows:
        return []
    text = _ENCODER.encode(rows)
    if "\\u" in text or "\\f" in text:
        text = _ESCAPES.sub(_as_mysql, text)
    return text[2:-2].split(_BETWEEN_ROWS)


def write_columns(columns: Sequence[str], values: Sequence[Sequence[Any]]) -> SqlRows:
    """Returns columns as rows of SQL, without those that hold what the table puts there by itself.

    The server reads and checks each value that a statement names; most events leave half of the columns empty.

    Args:
        columns: names.
        values: of each column `[rows]`; `""` and None are the defaults of the table.
    """
    kept = [at for at, column in enumerate(values) if not _is_default(column)]
    rows = write_rows(list(zip(*(values[at] for at in kept), strict=True)))
    return SqlRows(tuple(columns[at] for at in kept), rows)


def _is_default(column: Sequence[Any]) -> bool:
    return not column or (column[0] in ("", None) and column.count(column[0]) == len(column))


def _as_mysql(match: re.Match[str]) -> str:
    if match[1] == "f":
        return "\f"
    return chr(int(match[2], 16)) if match[2] else match[0]
