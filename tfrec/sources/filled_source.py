"""Fills empty cells with the value that another row of the same group has."""

import dataclasses
from collections.abc import Collection, Sequence

import ibis
import ibis.expr.types as ir

from tfrec.errors import SourceError, nearest_hint
from tfrec.sources.cells import trimmed
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note
from tfrec.sources.raw_table import DerivedRows, RawTable
from tfrec.sources.table_files import Fill


@dataclasses.dataclass(frozen=True)
class FilledSource(DerivedRows):
    """Rows whose empty cells take the first value that is not empty of the rows with an equal key.

    Attributes:
        fill: which cells are filled.
        missing: words that stand for an empty cell.
    """

    fill: Fill
    missing: tuple[str, ...]

    def read(self, workspace: Workspace, *, name: str, wanted: Collection[str] = ()) -> RawTable:
        """Returns the filled rows; as `RowSource.read`, all columns as text.

        A row whose key is empty stays as it is.

        Raises:
            SourceError: the rows cannot be read, or lack the key or a column that is filled.
        """
        raw = self.rows.read(workspace, name=f"{name}_unfilled", wanted=wanted).as_text()
        names = raw.table.columns
        for column in (self.fill.by, *self.fill.columns):
            if column not in names:
                raise SourceError(
                    f"{raw.origin} has no column {column!r}, which `fill` names.{nearest_hint(column, names)}"
                )
        table = workspace.store(name, self._filled(raw.table))
        num_filled = _count_empty(raw.table, self.fill.columns, self.missing) - _count_empty(
            table, self.fill.columns, self.missing
        )
        workspace.drop(f"{name}_unfilled")
        notes = raw.notes
        if not num_filled:
            text = (
                f"{raw.origin}: `fill` found no empty cell that another row with an equal {self.fill.by!r} fills. "
                "Leave it out, or correct `by` and `columns`."
            )
            notes = (*notes, Note("nothing_filled", len(self.fill.columns), text))
        return dataclasses.replace(raw, table=table, notes=notes, kept=())

    def _filled(self, rows: ir.Table) -> ir.Table:
        key = _value(rows[self.fill.by], self.missing)
        values = {name: _value(rows[name], self.missing) for name in self.fill.columns}
        keyed = rows.mutate(_by=key, **{f"_value_{at}": value for at, value in enumerate(values.values())})
        known = keyed.filter(keyed["_by"].notnull())
        firsts = known.group_by(_same=known["_by"]).aggregate(
            **{
                f"_first_{at}": known[f"_value_{at}"].first(where=known[f"_value_{at}"].notnull(), order_by=[FILE, ROW])
                for at in range(len(values))
            }
        )
        joined = keyed.left_join(firsts, keyed["_by"] == firsts["_same"])
        filled = {
            name: ibis.ifelse(joined[f"_value_{at}"].isnull(), joined[f"_first_{at}"], joined[name])
            for at, name in enumerate(values)
        }
        return joined.select(**{name: filled.get(name, joined[name]) for name in rows.columns})


def _value(cell: ir.StringValue, missing: Sequence[str]) -> ir.StringValue:
    """Returns the text of a cell, null where it is empty or one of the words for it."""
    text = trimmed(cell).nullif("")
    return text.isin(missing).ifelse(ibis.null("string"), text) if missing else text


def _count_empty(rows: ir.Table, columns: Sequence[str], missing: Sequence[str]) -> int:
    counts = rows.aggregate(**{name: _value(rows[name], missing).isnull().sum() for name in columns})
    return int(counts.execute().fillna(0).to_numpy().sum())
