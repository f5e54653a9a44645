"""Defines what a spec states of one table of a shop; `read_table` does what all tables have in common."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import ibis.expr.types as ir
import pandas as pd
from ibis import _

from tfrec.ingest.mapping import ROUNDED_ID, Columns, raw_columns
from tfrec.ingest.numbers import NumberStyle
from tfrec.ingest.table_source import TableSource
from tfrec.schema.category_paths import CATEGORY_SEPARATOR
from tfrec.sources.engine import Workspace
from tfrec.sources.notes import Note

_FIRST_YEAR, _LAST_YEAR = 1970, 2100  # times outside are slips such as year 0001 or 9999
PART = "_part"
"""Column with the number of a row's source, from 0, where a table has several."""

Expression = Any
"""An expression of a row's columns, written with `ibis._`: `_["price"] < 0`, or `_["raw_price"]` of its text."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table, and what is made of its text.

    Attributes:
        name: name in the schema, or of a column that others are computed from.
        kind: `text`, `id` (see `id_text`), `number`, `time` or `vector` (see `vectors`; always optional, and no part of
            what `collect_table` returns).
        is_kept: the column is part of the table; else only checks and `TableSpec.derive` use it.
        is_optional: a row whose number or time is unreadable or out of bounds stays, without that value.
        low: smallest possible number of an optional column.
        high: largest possible number of an optional column.
        fill: number in place of one that is unknown.
        upper_case: ids are read in capitals.
        blanks: ids that stand for no id.
    """

    name: str
    kind: Literal["text", "id", "number", "time", "vector"] = "text"
    is_kept: bool = True
    is_optional: bool = False
    low: float | None = None
    high: float | None = None
    fill: float | None = None
    upper_case: bool = False
    blanks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Check:
    """A condition under which a row is set aside, with the reason that the ledger names."""

    reason: str
    fails: Expression


@dataclasses.dataclass(frozen=True)
class MappedTable:
    """A table as text under the schema's names, before values are made of it.

    Attributes:
        workspace: where the tables are stored.
        raw: text as in the files.
        text: mapped columns, with `_file` and `_row`.
        styles: column → how its numbers are written.
        origin: names of the files, for messages.
        plain_times: columns of times that are ISO 8601 without an offset in every row.
    """

    workspace: Workspace
    raw: ir.Table
    text: ir.Table
    styles: Mapping[str, NumberStyle]
    origin: str
    plain_times: frozenset[str] = frozenset()


NoteMaker = Callable[[MappedTable], Sequence[Note]]
Pass = Callable[[Workspace, ir.Table], tuple[ir.Table, Sequence[Note]]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSpec:
    """What one table is made of, or what is made of one of several sources of its rows.

    The specs of several sources differ in what a source states: `section`, `described`, times, `derive`, `note_makers`.

    Attributes:
        name: name of the table.
        types: columns of the schema with their types; kept columns beside them are attributes.
        section: what the recipe maps to the columns, and how their text is written.
        columns: all columns that are read.
        described: prefix → columns of another table that the rows describe, too.
        passing: raw columns that rules look at.
        category_separator: between the levels of a raw category.
        time_format: format of the times, see `parse_timestamps`.
        time_zone: zone of the times.
        derive: computes columns from the values of others, before any check.
        derive_together: likewise, where the rows of all sources are needed.
        checks: reasons for which a row is set aside; the first that holds counts.
        losses: reasons for which a row stays without one of its values.
        passes: further checks that need all rows, in order: each sets more reasons.
        unique: expressions that are different in each row of the table; empty = rows may be equal.
        repeated: reason of a row whose `unique` an earlier row has.
        note_makers: look for what the owner of the files should know of how the text is written.
        late_note_makers: likewise, in the rows that the owner's rules do not leave out.
        ruled: reasons of rows that the owner's rules leave out.
        mark: adds `_...` columns by the plain texts, before user ids become pseudonyms.
        free_text: columns out of which personal data is taken, see `without_personal_data`.
        country: of the shop, for phone numbers.
        user_ids: columns with user ids, which become pseudonyms where there is a key.
        guest_ids: user ids that stand for guests.
        made_of_user_ids: columns that become pseudonyms, too, where they come from the raw columns of user ids.
        order: columns by which the table is sorted.
        finish: last change to the table.
        is_by_row: what becomes of a row, up to the `passes`, depends on no other row and no other table.
    """

    name: str
    types: Mapping[str, str]
    section: TableSource
    columns: tuple[Column, ...]
    described: Mapping[str, Columns] = dataclasses.field(default_factory=dict)
    passing: tuple[str, ...] = ()
    category_separator: str = CATEGORY_SEPARATOR
    time_format: tuple[str, ...] = ()
    time_zone: str = "UTC"
    derive: Callable[[ir.Table], ir.Table] | None = None
    derive_together: Callable[[ir.Table], ir.Table] | None = None
    checks: tuple[Check, ...] = ()
    losses: tuple[Check, ...] = ()
    passes: tuple[Pass, ...] = ()
    unique: tuple[Expression, ...] = ()
    repeated: str = "duplicate"
    note_makers: tuple[NoteMaker, ...] = ()
    late_note_makers: tuple[NoteMaker, ...] = ()
    ruled: tuple[str, ...] = ()
    mark: Callable[[ir.Table], ir.Table] | None = None
    free_text: tuple[str, ...] = ()
    country: str = ""
    user_ids: tuple[str, ...] = ()
    guest_ids: tuple[str, ...] = ()
    made_of_user_ids: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    finish: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    is_by_row: bool = False

    @property
    def wanted_columns(self) -> list[str]:
        """The raw columns that are read; of several sources each must have those of its section."""
        return list(dict.fromkeys((*raw_columns(self.section.columns, *self.described.values()), *self.passing)))

    @property
    def user_columns(self) -> list[str]:
        """The raw columns that user ids come from."""
        return raw_columns({name: names for name, names in self.section.columns.items() if name in self.user_ids})


def is_empty(name: str) -> Check:
    """Returns the check for a column that must not be empty."""
    return Check(f"missing {name}", _[name] == "")


def time_checks(name: str) -> tuple[Check, ...]:
    """Returns the checks for a column of times that every row must have."""
    year = _[name].year()
    return (
        Check(f"missing {name}", _[name].isnull() & (_[f"raw_{name}"] == "")),
        is_unreadable(name),
        Check(f"impossible {name}", (year < _FIRST_YEAR) | (year > _LAST_YEAR)),
    )


def is_rounded(name: str) -> Check:
    """Returns the check for ids that a spreadsheet rounded as numbers."""
    return Check(f"rounded {name}", _[name].contains("+") & _[name].re_search(ROUNDED_ID))


def is_unreadable(name: str) -> Check:
    """Returns the check for text of which no value can be made."""
    return Check(f"unreadable {name}", _[name].isnull() & (_[f"raw_{name}"] != ""))
