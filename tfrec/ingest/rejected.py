"""Sets rows aside with a reason, and writes them with their table, raw row number and content."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.ingest.notes import Note
from tfrec.ingest.sources import FILE, ROW, Unreadable

REJECTED_COLUMNS = {"table": "string", "file": "int32", "row": "int64", "reason": "string", "raw": "string"}
"""Of `rejected.parquet`; `file` is the position in the recipe's list, `row` counts data rows from 1, `raw` is JSON."""


@dataclasses.dataclass(frozen=True)
class CheckedTable:
    """A table of which bad rows were set aside.

    Attributes:
        table: what stays.
        rejected: what does not, in the form of `REJECTED_COLUMNS`.
        incomplete: what stays without one of its values, in the same form; the reason names the value.
        notes: what the owner of the files should know.
    """

    table: pd.DataFrame
    rejected: list[ir.Table]
    incomplete: list[ir.Table] = dataclasses.field(default_factory=list)
    notes: tuple[Note, ...] = ()


def check_rows(
    connection: ibis.BaseBackend,
    raw: ir.Table,
    mapped: ir.Table,
    typed: Mapping[str, ir.Value],
    reasons: Sequence[tuple[ir.BooleanValue, str]],
    *,
    key: str,
    table: str,
    lines: Sequence[Unreadable],
    hidden: Sequence[str] = (),
    lost: Sequence[tuple[ir.BooleanValue, str]] = (),
) -> tuple[ir.Table, list[ir.Table], list[ir.Table]]:
    """Returns the good rows, each `key` once (its first row), the bad ones as rejected rows, and incomplete ones.

    Args:
        connection: backend that stores the checked table.
        raw: text as in the files, with `_file`, `_row`.
        mapped: the table that `typed` and `reasons` are expressions of.
        typed: columns of the result.
        reasons: conditions with the reason that they stand for; the first that holds counts.
        key: column that must be unique.
        table: name of the table.
        lines: lines that were no rows.
        hidden: raw columns that must not be shown.
        lost: conditions with the value that a good row loses by it.
    """
    reason = ibis.cases(*reasons, else_=ibis.null("string"))
    missing = ibis.cases(*lost, else_=ibis.null("string")) if lost else ibis.null("string")
    first = mapped.select(**typed, _reason=reason, incomplete=missing, **{FILE: mapped[FILE], ROW: mapped[ROW]})
    same = ibis.window(group_by=[first["_reason"].notnull(), first[key]], order_by=[FILE, ROW])
    repeated = ibis.ifelse(ibis.row_number().over(same) > 0, f"duplicate {key}", None)
    checked = first.mutate(reason=ibis.coalesce(first["_reason"], repeated)).drop("_reason")
    connection.create_table(f"{table}_checked", checked)
    stored = connection.table(f"{table}_checked")
    rejected = [
        describe_rejected(raw, stored, table=table, hidden=hidden),
        *describe_unreadable(lines, table=table, is_hidden=bool(hidden)),
    ]
    incomplete = [describe_incomplete(raw, stored, table=table, hidden=hidden)] if lost else []
    return stored.filter(stored["reason"].isnull()).drop(FILE, ROW, "reason", "incomplete"), rejected, incomplete


def describe_rejected(raw: ir.Table, checked: ir.Table, *, table: str, hidden: Sequence[str] = ()) -> ir.Table:
    """Returns `REJECTED_COLUMNS` of each checked row with a reason.

    Args:
        raw: text as in the files, with `_file`, `_row`.
        checked: the same rows with `reason`.
        table: name of the table.
        hidden: raw columns that are left out (user ids where pseudonyms are wished).
    """
    bad = checked.filter(checked["reason"].notnull()).select(FILE, ROW, "reason")
    joined = bad.join(raw, [FILE, ROW])
    shown = {name: joined[name] for name in raw.columns if name not in (FILE, ROW, *hidden)}
    for name in hidden:  # in a row whose fields are shifted, an id stands in another column
        ids = raw.select(id=raw[name]).filter(lambda table: table["id"].notnull()).distinct()
        shown = {other: ibis.ifelse(cell.isin(ids["id"]), "", cell) for other, cell in shown.items()}
    text = ibis.struct(shown).cast("json").cast("string") if shown else ibis.literal("")
    return joined.select(table=ibis.literal(table), file=joined[FILE], row=joined[ROW], reason="reason", raw=text)


def describe_incomplete(raw: ir.Table, checked: ir.Table, *, table: str, hidden: Sequence[str] = ()) -> ir.Table:
    """Returns `REJECTED_COLUMNS` of each good row that lost a value; arguments as in `describe_rejected`."""
    kept = checked.filter(checked["reason"].isnull()).mutate(reason=checked["incomplete"])
    return describe_rejected(raw, kept, table=table, hidden=hidden)


def describe_unreadable(lines: Sequence[Unreadable], *, table: str, is_hidden: bool = False) -> list[ir.Table]:
    """Returns lines that were no rows as `REJECTED_COLUMNS`; `row` is the line's number in the file."""
    if not lines:
        return []
    rows = [(table, line.file, line.line, line.reason, "" if is_hidden else line.text) for line in lines]
    return [ibis.memtable(rows, schema=ibis.schema(REJECTED_COLUMNS))]


def count_reasons(parts: Sequence[ir.Table]) -> dict[str, int]:
    """Returns reason → number of rows, alphabetically."""
    if not parts:
        return {}
    every = ibis.union(*parts) if len(parts) > 1 else parts[0]
    counted = every.group_by("reason").aggregate(rows=every.count()).execute()
    return dict(sorted(zip(counted["reason"], counted["rows"].astype(int).tolist(), strict=True)))


def write_rejected(parts: Sequence[ir.Table], path: Path) -> None:
    """Writes all parts, at least one, into one Parquet file, ordered by table, file and row."""
    every = ibis.union(*parts) if len(parts) > 1 else parts[0]
    every.order_by("table", "file", "row").to_parquet(path)
