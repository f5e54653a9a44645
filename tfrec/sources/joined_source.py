"""Adds the columns of further files to rows by key: heads of orders to their lines, products to what was sold."""

import dataclasses
import logging
from collections.abc import Collection, Mapping

import ibis
import ibis.expr.types as ir

from tfrec.errors import SourceError, nearest_hint
from tfrec.sources.cells import id_text, trimmed
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.locate import RawFile
from tfrec.sources.notes import Note
from tfrec.sources.raw_table import RawTable, RowSource, RowsState
from tfrec.sources.table_files import Join, TableFiles

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class JoinedSource:
    """Rows to which the columns of further files are added; no row is lost or added.

    Attributes:
        rows: where the rows come from.
        how: what the recipe states of the joins.
        partners: where each joined file's rows come from.
    """

    rows: RowSource
    how: TableFiles
    partners: tuple[RowSource, ...]

    @property
    def origin(self) -> str:
        """Where rows and joined files come from, for messages."""
        return " with ".join(source.origin for source in (self.rows, *self.partners))

    @property
    def inputs(self) -> tuple[RawFile, ...]:
        """Files whose content decides on the rows."""
        return tuple(file for source in (self.rows, *self.partners) for file in source.inputs)

    @property
    def states(self) -> tuple[RowsState, ...]:
        """States of databases that decide on the rows."""
        return tuple(state for source in (self.rows, *self.partners) for state in source.states)

    def read(self, workspace: Workspace, *, name: str, wanted: Collection[str] = ()) -> RawTable:
        """Returns the rows with the joined columns; as `RowSource.read`, all columns as text.

        Keys are compared as ids are read: `17850.0` is `17850`. A row without a partner has empty cells; of several
        rows with one key in a joined file the first counts. A note states how many there are of each.

        Raises:
            SourceError: rows or a joined file cannot be read or lack a key, no row has a partner, or a wanted column
                stands on both sides.
        """
        rows = self.rows.read(workspace, name=f"{name}_0", wanted=self.how.columns_of_rows(wanted)).as_text()
        for at, (join, partner) in enumerate(zip(self.how.join, self.partners, strict=True)):
            needed = self.how.columns_of_join(at, wanted)
            added = partner.read(workspace, name=f"{name}_join_{at}", wanted=needed).as_text()
            is_last = at == len(self.partners) - 1
            joined = _join(rows, added, join, workspace, name=name if is_last else f"{name}_{at + 1}", wanted=wanted)
            for stored in (f"{name}_{at}", f"{name}_join_{at}"):
                workspace.drop(stored)
            rows = joined
        return dataclasses.replace(rows, origin=self.origin)


def _join(
    rows: RawTable, partner: RawTable, join: Join, workspace: Workspace, *, name: str, wanted: Collection[str]
) -> RawTable:
    _check_keys(rows, join.on, side="rows")
    _check_keys(partner, {key: key for key in join.on.values()}, side="joined file")
    added = _added_columns(rows, partner, join, wanted)
    left = rows.table.mutate(**_keys(rows.table, list(join.on), join, prefix="_key"))
    right = partner.table.mutate(**_keys(partner.table, [*join.on.values()], join, prefix="_same"))
    left_keys, right_keys = ([f"{prefix}_{at}" for at in range(len(join.on))] for prefix in ("_key", "_same"))
    for key in right_keys:
        right = right.filter(right[key].notnull())
    place = ibis.row_number().over(ibis.window(group_by=right_keys, order_by=[FILE, ROW]))
    # Stored, as it is counted, too.
    numbered = workspace.store(f"{name}_partners", right.mutate(_place=place))
    first = numbered.filter(numbered["_place"] == 0).select(
        *right_keys, _has_partner=ibis.literal(True), **{f"_added_{at}": old for at, old in enumerate(added.values())}
    )
    pairs = [left[one] == first[other] for one, other in zip(left_keys, right_keys, strict=True)]
    joined = left.left_join(first, pairs)
    table = workspace.store(
        name,
        joined.select(
            *rows.table.columns,
            "_has_partner",
            _has_key=ibis.and_(*(joined[key].notnull() for key in left_keys)),
            **{new: joined[f"_added_{at}"] for at, new in enumerate(added)},
        ),
    )
    notes = (*_notes_of_rows(table, rows, partner, join), *_notes_of_partner(numbered, partner, join))
    workspace.drop(f"{name}_partners")
    return dataclasses.replace(
        rows, table=table.drop("_has_partner", "_has_key"), notes=(*rows.notes, *partner.notes, *notes), kept=()
    )


def _check_keys(raw: RawTable, keys: Mapping[str, str], *, side: str) -> None:
    names = [name for name in raw.table.columns if name not in (FILE, ROW)]
    for key in keys:
        if key not in names:
            raise SourceError(
                f"{raw.origin} has no column {key!r}, which `on` names as the key of the {side}."
                f"{nearest_hint(key, names)}"
            )


def _added_columns(rows: RawTable, partner: RawTable, join: Join, wanted: Collection[str]) -> dict[str, str]:
    """Returns name in the result → name in the joined file, of the columns that are added.

    Raises:
        SourceError: a wanted column is in the rows and in the joined file.
    """
    present = {name.casefold(): name for name in rows.table.columns}  # the engine's names do not differ in case
    same = {left for left, right in join.on.items() if left == join.prefix + right}
    added = {}
    for name in partner.table.columns:
        new = join.prefix + name
        if name in (FILE, ROW) or new in same:
            continue
        if (other := present.get(new.casefold())) is None:
            added[new] = name
        elif {new, other} & set(wanted):
            raise SourceError(
                f"{rows.origin} and {partner.origin} both have a column {new!r}. Give the join a prefix "
                f'(prefix = "joined.") and map {new!r} or {"joined." + name!r}.'
            )
    return added


def _keys(table: ir.Table, names: Collection[str], join: Join, *, prefix: str) -> dict[str, ir.StringValue]:
    """Returns the keys as ids, null where they are empty."""
    keys = {}
    for at, name in enumerate(names):
        text = id_text(trimmed(table[name])).nullif("")
        keys[f"{prefix}_{at}"] = text.isin(join.missing).ifelse(ibis.null("string"), text) if join.missing else text
    return keys


def _notes_of_rows(table: ir.Table, rows: RawTable, partner: RawTable, join: Join) -> list[Note]:
    alone = table["_has_partner"].isnull()
    counts = table.aggregate(
        rows=table.count(),
        alone=alone.sum(),
        empty=(~table["_has_key"]).sum(),
        first=ibis.struct({"file": table[FILE], "row": table[ROW]}).first(where=alone, order_by=[FILE, ROW]),
    )
    found = counts.to_pyarrow().to_pylist()[0]
    if not found["alone"]:
        return []
    named = " and ".join(f"{left} = {right}" for left, right in join.on.items())
    if found["alone"] == found["rows"]:
        raise SourceError(
            f"{rows.origin}: not one of {found['rows']:,} rows has a partner in {partner.origin} by {named}. "
            "Correct `on`: its columns must hold the same values."
        )
    empty = f" ({found['empty']:,} of them have no key)" if found["empty"] else ""
    first = found["first"]
    text = (
        f"{found['alone']:,} of {found['rows']:,} rows of {rows.origin} have no partner in {partner.origin} by {named}"
        f"{empty}, the first is row {first['row']:,} of {rows.files[first['file']]}; their joined columns are empty."
    )
    return [Note("joined_without_partner", found["alone"], text)]


def _notes_of_partner(numbered: ir.Table, partner: RawTable, join: Join) -> list[Note]:
    notes = []
    again = int(numbered.filter(numbered["_place"] == 1).count().execute())
    if again:
        named = ", ".join(join.on.values())
        text = (
            f"{again:,} keys ({named}) come more than once in {partner.origin}; the first row of each was joined. "
            "Add a further column to `on` where rows belong to different ones."
        )
        notes.append(Note("joined_keys_repeated", again, text))
    if partner.unreadable:
        line = partner.unreadable[0]
        text = (
            f"{len(partner.unreadable):,} lines of {partner.origin} are no rows and were not joined, the first is line "
            f"{line.line:,} of {partner.files[line.file]}: {line.reason}."
        )
        notes.append(Note("joined_lines_unreadable", len(partner.unreadable), text))
    return notes
