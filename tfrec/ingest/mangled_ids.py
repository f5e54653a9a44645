"""Looks for ids that lost their leading zeros, as spreadsheets write numbers."""

import ibis
import ibis.expr.types as ir

from tfrec.ingest.mapping import Columns, raw_columns
from tfrec.sources.notes import Note

_MIN_LENGTH = 4  # ids such as `7` and `07` need not be one


def notes_of_zeros(ids: ir.Table, name: str, *, columns: Columns, is_hidden: bool) -> list[Note]:
    """Returns a note on ids that occur with and without leading zeros in one column of the file.

    Args:
        ids: `id` and `rows` of each plain id.
        name: `user_id` or `item_id`.
        columns: mapping of the events, which names the column of the file.
        is_hidden: ids may not be shown.
    """
    digits = ids.filter(ids["id"].re_search(r"^\d+$"))
    bare = digits["id"].re_replace("^0+", "")
    forms = digits.mutate(bare=bare, has_zeros=digits["id"].startswith("0"))
    groups = forms.group_by("bare").aggregate(
        padded=forms["id"].max(where=forms["has_zeros"]),
        lost=forms["rows"].sum(where=~forms["has_zeros"]),
    )
    found = groups.filter(
        groups["padded"].notnull() & (groups["lost"] > 0) & (groups["padded"].length() >= _MIN_LENGTH)
    )
    return _note(found, name, columns, is_hidden=is_hidden, beside="others of the same column have")


def notes_of_zeros_in_catalogue(events: ir.Table, items: ir.Table, *, columns: Columns) -> list[Note]:
    """Returns a note on items of the events that the catalogue has with leading zeros alone.

    Args:
        events: good events.
        items: good rows of the catalogue.
        columns: mapping of the events.
    """
    unknown = events.filter(events["item_id"].re_search(r"^[1-9]\d*$")).anti_join(items, "item_id")
    counted = unknown.group_by(bare="item_id").aggregate(lost=lambda table: table.count())
    padded = items.filter(items["item_id"].re_search(r"^0\d+$"))
    padded = padded.group_by(bare=padded["item_id"].re_replace("^0+", "")).aggregate(padded=padded["item_id"].max())
    found = counted.inner_join(padded, "bare")
    return _note(found, "item_id", columns, is_hidden=False, beside="the catalogue has")


def _note(found: ir.Table, name: str, columns: Columns, *, is_hidden: bool, beside: str) -> list[Note]:
    rows = found.order_by(ibis.desc("lost"), "bare").limit(1).to_pyarrow().to_pylist()
    if not rows:
        return []
    total = found.aggregate(ids=found.count(), rows=found["lost"].sum()).to_pyarrow().to_pylist()[0]
    example = "" if is_hidden else f", e.g. {rows[0]['bare']!r} and {rows[0]['padded']!r}"
    where = ", ".join(map(repr, raw_columns({name: columns[name]}))) if name in columns else repr(name)
    text = (
        f"{total['ids']:,} {name.removesuffix('_id')} ids of the column {where} have no leading zeros where {beside} "
        f"them{example} ({total['rows']:,} rows): a spreadsheet reads such ids as numbers. Each was read as an id of "
        "its own. Export the column as text."
    )
    return [Note(f"{name.removesuffix('_id')}_zeros_lost", int(total["ids"]), text)]
