"""Writes the rows that were set aside, each with its table, raw row number, reason and content."""

from collections.abc import Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir

from tfrec.ingest.sources import FILE, ROW, Unreadable

REJECTED_COLUMNS = {"table": "string", "file": "int32", "row": "int64", "reason": "string", "raw": "string"}
"""Of `rejected.parquet`; `file` is the position in the recipe's list, `row` counts data rows from 1, `raw` is JSON."""


def describe_rejected(raw: ir.Table, checked: ir.Table, *, table: str, hidden: Sequence[str] = ()) -> ir.Table:
    """Returns `table, file, row, reason, raw` for each checked row with a reason; `raw` is the row as JSON.

    Args:
        raw: text as in the files, with `_file`, `_row`.
        checked: the same rows with `reason`.
        table: name of the table.
        hidden: raw columns that are left out (user ids where pseudonyms are wished).
    """
    bad = checked.filter(checked["reason"].notnull()).select(FILE, ROW, "reason")
    joined = bad.join(raw, [FILE, ROW])
    shown = {name: joined[name] for name in raw.columns if name not in (FILE, ROW, *hidden)}
    text = ibis.struct(shown).cast("json").cast("string") if shown else ibis.literal("")
    return joined.select(table=ibis.literal(table), file=joined[FILE], row=joined[ROW], reason="reason", raw=text)


def describe_unreadable(lines: Sequence[Unreadable], *, table: str, is_hidden: bool = False) -> list[ir.Table]:
    """Returns lines that were no rows in the form of `describe_rejected`; `row` is the line's number in the file."""
    if not lines:
        return []
    rows = [(table, line.file, line.line, line.reason, "" if is_hidden else line.text) for line in lines]
    return [ibis.memtable(rows, schema=ibis.schema(REJECTED_COLUMNS))]


def count_reasons(parts: Sequence[ir.Table]) -> dict[str, int]:
    """Returns reason → number of rows."""
    if not parts:
        return {}
    every = ibis.union(*parts) if len(parts) > 1 else parts[0]
    counted = every.group_by("reason").aggregate(rows=every.count()).execute()
    return dict(sorted(zip(counted["reason"], counted["rows"].astype(int).tolist(), strict=True)))


def write_rejected(parts: Sequence[ir.Table], path: Path) -> None:
    """Writes all parts into one Parquet file, ordered by table, file and row."""
    every = ibis.union(*parts) if len(parts) > 1 else parts[0]
    every.order_by("table", "file", "row").to_parquet(path)
