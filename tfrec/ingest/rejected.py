"""Keeps the ledger: rows set aside with a reason, each with its table, raw row number and content."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir

from tfrec.ingest.free_text import without_mails, without_personal_data
from tfrec.ingest.mapping import raw_columns
from tfrec.ingest.table_counts import TableCounts
from tfrec.ingest.table_spec import TableSpec
from tfrec.sources.cells import as_text
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note
from tfrec.sources.raw_table import Unreadable, union_by_name

REJECTED_COLUMNS = {"table": "string", "file": "string", "row": "int64", "reason": "string", "raw": "string"}
"""Of `rejected.parquet`; `file` is the file's name, `row` counts data rows from 1, `raw` is JSON."""


@dataclasses.dataclass(frozen=True)
class CheckedTable:
    """A table of which bad rows are set aside; `good + set aside + unreadable = what the source holds`.

    Attributes:
        specs: what the table is made of, of each source; they have in common what concerns the whole table.
        raws: stored tables of text of each source, as in the files, with `_file` and `_row`.
        rows: stored table of the same rows as values, with `reason` why a row is set aside, or null, and `incomplete`,
            the value that a good row lost, or null.
        unreadable: lines that were no rows.
        hidden: raw columns that must not be shown: user ids, where these appear under pseudonyms.
        notes: what the owner of the files should know.
        files: name of each file, by `_file`.
        scrubbed: `column: kind` → rows out of whose free text personal data was taken.
        contents: a text for each file, equal where its rows become the same values; empty where none is known.
    """

    specs: tuple[TableSpec, ...]
    raws: tuple[ir.Table, ...]
    rows: ir.Table
    unreadable: tuple[Unreadable, ...] = ()
    hidden: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    files: tuple[str, ...] = ()
    scrubbed: Mapping[str, int] = dataclasses.field(default_factory=dict)
    contents: tuple[str, ...] = ()

    @property
    def spec(self) -> TableSpec:
        """What concerns the whole table."""
        return self.specs[0]

    @property
    def raw(self) -> ir.Table:
        """The text of all sources; a row has no value in the columns of others."""
        return union_by_name(self.raws)

    @property
    def good(self) -> ir.Table:
        """The rows that stay."""
        return self.rows.filter(self.rows["reason"].isnull()).drop("reason", "incomplete")

    @property
    def incomplete(self) -> ir.Table:
        """The rows that stay without one of their values, whose name is their `reason`."""
        lost = self.rows.filter(self.rows["reason"].isnull() & self.rows["incomplete"].notnull())
        return lost.mutate(reason=lost["incomplete"])

    @property
    def set_aside(self) -> ir.Table:
        """The rows that do not stay."""
        return self.rows.filter(self.rows["reason"].notnull())


def count_rows(table: CheckedTable) -> TableCounts:
    """Returns how many rows and lines the sources of a table hold, and how many of these stay.

    Raises:
        SchemaError: a row is neither kept nor set aside.
    """
    return TableCounts(
        read=sum(int(raw.count().execute()) for raw in table.raws) + len(table.unreadable),
        kept=int(table.good.count().execute()),
        rejected=int(table.set_aside.count().execute()) + len(table.unreadable),
    )


def count_reasons(tables: Sequence[CheckedTable]) -> dict[str, int]:
    """Returns reason → number of rows and lines set aside, alphabetically."""
    counts = _count([table.set_aside for table in tables])
    counts.update(line.reason for table in tables for line in table.unreadable)
    return dict(sorted(counts.items()))


def count_incomplete(tables: Sequence[CheckedTable]) -> dict[str, int]:
    """Returns reason → number of rows that stay without a value, alphabetically."""
    return dict(sorted(_count([table.incomplete for table in tables]).items()))


def write_rejected(tables: Sequence[CheckedTable], path: Path, workspace: Workspace) -> None:
    """Writes what is set aside of at least one table as Parquet, ordered by table, file and row.

    The columns are `REJECTED_COLUMNS`; for a line that was no row, `row` is its number in the file.
    """
    rows = [part for table in tables for part in _describe(table, table.set_aside, workspace, "rejected")]
    lines = [
        (table.spec.name, table.files[line.file], line.line, line.reason, "" if table.hidden else line.text)
        for table in tables
        for line in table.unreadable
    ]
    _write([*rows, *([ibis.memtable(lines, schema=ibis.schema(REJECTED_COLUMNS))] if lines else [])], path)


def write_incomplete(tables: Sequence[CheckedTable], path: Path, workspace: Workspace) -> None:
    """Writes the rows of at least one table that stay without a value, in the form of `write_rejected`."""
    _write([part for table in tables for part in _describe(table, table.incomplete, workspace, "incomplete")], path)


def _describe(table: CheckedTable, rows: ir.Table, workspace: Workspace, kind: str) -> list[ir.Table]:
    """Returns `REJECTED_COLUMNS` of rows with a reason, of each source.

    Mostly the rows are few, which the engine knows of a stored table alone: then it looks into few raw rows.
    """
    places = workspace.store(f"{table.spec.name}_{kind}", rows.select(FILE, ROW, "reason"))
    return [_describe_part(table, places, raw) for raw in table.raws]


def _describe_part(table: CheckedTable, rows: ir.Table, raw: ir.Table) -> ir.Table:
    """Returns `REJECTED_COLUMNS` of the rows of one source; no cell shows an id of the hidden columns."""
    joined = rows.join(raw, [FILE, ROW])
    joined, _counts = without_personal_data(joined, _free_columns(table, raw), country=table.spec.country)
    hidden = [name for name in table.hidden if name in raw.columns]
    # Where ids are pseudonyms, no cell shows the address behind one; without a key an address may be the id itself.
    show = without_mails if table.hidden else as_text
    shown = {name: show(joined[name]) for name in raw.columns if name not in (FILE, ROW, *hidden)}
    for name in hidden:  # in a row whose fields are shifted, an id stands in another column
        ids = raw.select(id=as_text(raw[name])).filter(lambda column: column["id"].notnull()).distinct()
        shown = {other: ibis.ifelse(cell.isin(ids["id"]), "", cell) for other, cell in shown.items()}
    text = ibis.struct(shown).cast("json").cast("string") if shown else ibis.literal("")
    return joined.select(
        table=ibis.literal(table.spec.name),
        file=_file_name(table, joined[FILE]),
        row=joined[ROW],
        reason="reason",
        raw=text,
    )


def _free_columns(table: CheckedTable, raw: ir.Table) -> list[str]:
    """Returns the raw columns of free text."""
    mappings = [
        columns for spec in table.specs for columns in ({"": spec.section.columns} | dict(spec.described)).items()
    ]
    named = [
        {target: names for target, names in columns.items() if prefix + target in table.spec.free_text}
        for prefix, columns in mappings
    ]
    return [name for name in raw_columns(*named) if name in raw.columns]


def _file_name(table: CheckedTable, number: ir.IntegerValue) -> ir.StringValue:
    return number.cases(*enumerate(table.files), else_="") if table.files else ibis.literal("")


def _count(parts: Sequence[ir.Table]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for part in parts:
        counted = part.group_by("reason").aggregate(rows=part.count()).execute()
        counts.update(dict(zip(counted["reason"], counted["rows"].astype(int).tolist(), strict=True)))
    return counts


def _write(parts: Sequence[ir.Table], path: Path) -> None:
    every = ibis.union(*parts) if len(parts) > 1 else parts[0]
    every.order_by("table", "file", "row").to_parquet(path)
