"""Makes the lines of a recipe that several layouts have in common."""

import dataclasses

from tfrec.layouts.draft import Entry, Section, drop_rule
from tfrec.layouts.raw_files import RawFiles
from tfrec.layouts.rules import title_rules

_PRIVATE = "addresses of mail are personal: [privacy] key_file makes them pseudonyms"


def optional(raw: RawFiles, key: str, column: str, why: str = "") -> tuple[Entry, ...]:
    """Returns the line that maps a column, if the files have it and it holds anything."""
    return (Entry(key, column, why),) if raw.is_filled(column) else ()


def user_entry(raw: RawFiles, *names: str, prefix: str = "", orders: int = 0, absent: str) -> tuple[Entry, ...]:
    """Returns the line that maps users: the first column that is not empty.

    Args:
        raw: the files that hold the columns.
        names: columns, the better ones first.
        prefix: before the names of columns that are joined to the rows.
        orders: number of orders, where the columns are filled once an order.
        absent: what is said where no column holds anything.
    """
    filled = [name for name in names if raw.is_filled(name)]
    if not filled:
        return (Entry("user_id", names[0], absent, is_open=True),)
    cells = [raw.cells(name) for name in filled]
    share, what = (1 - cells[0].filled / orders, "orders") if orders else (1 - cells[0].fill_share, "rows")
    why = f"{cells[0].distinct:,} users; {share:.0%} of the {what} are without"
    if any(cell.email_share > 0.5 for cell in cells):
        why += f"; {_PRIVATE}"
    named = [prefix + name for name in filled]
    value = named[0] if len(named) == 1 else {"first_of": named}
    return (Entry("user_id", value, why),)


def duplicate_entry(raw: RawFiles, why: str) -> tuple[Entry, ...]:
    """Returns the line that keeps equal rows of one export; of several files it is open, as they may overlap."""
    if len(raw.files) == 1:
        return (Entry("duplicates", "keep", why),)
    several = f"{why}; but {len(raw.files)} files may overlap, and equal rows of two of them are set aside"
    return (Entry("duplicates", "keep", several, is_open=True),)


def no_item_rules(raw: RawFiles, column: str, *, but: str = "") -> tuple[Section, ...]:
    """Returns rules for lines whose title is a word for shipping, a tip, a gift card and the like, by all titles.

    Args:
        raw: the files.
        column: the titles.
        but: pattern of titles that another rule concerns.
    """
    return tuple(title_rules(raw.cells(column), but=but))


def returned_table(events: Section, columns: Section, *, quantity: str, when: str, why: str) -> tuple[Section, Section]:
    """Returns a second table of events of the same files: the pieces of each line that were taken back.

    Args:
        events: the section of the sales.
        columns: its columns.
        quantity: column of the pieces that came back.
        when: column of the time, as near to that of the return as the export states it.
        why: what is said of both.
    """
    kept_keys = (entry for entry in events.entries if entry.key != "type" and not entry.is_open)
    entries = tuple(dataclasses.replace(entry, why="") for entry in kept_keys)
    mapped = {"quantity": quantity, "timestamp": when}
    kept = tuple(
        dataclasses.replace(entry, value=mapped.get(entry.key, entry.value), why="")
        for entry in columns.entries
        if not entry.is_open
    )
    return (
        dataclasses.replace(events, entries=(*entries, Entry("type", "return")), why=why, is_list=True),
        dataclasses.replace(columns, entries=kept),
    )


NOTHING_BACK = drop_rule(
    r"^-?0*([.,]0*)?$",
    "no piece of the line was returned",
    column="quantity",
    why="rows of the table of returns whose line was kept whole",
)
"""The rule that goes with `returned_table`."""
