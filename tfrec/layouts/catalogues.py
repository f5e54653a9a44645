"""Proposes `[items]` and `[users]` for files of no known layout that lie beside a log."""

from collections.abc import Sequence

import ibis

from tfrec.layouts.amounts import find_amounts
from tfrec.layouts.draft import Entry, Part, Section, column_section
from tfrec.layouts.guesses import guess_roles
from tfrec.layouts.names import normal_name
from tfrec.layouts.raw_files import RawFiles
from tfrec.layouts.times import find_time_form
from tfrec.sources.cells import trimmed

_ITEM_ROLES = ("title", "category", "brand", "price", "cost", "margin", "stock", "available_from")
_COVERED = 0.5  # of the ids in the log: below, the files do not belong together


def propose_catalogue(raw: RawFiles, ids: ibis.Table | None, *, what: str = "item") -> Part | None:
    """Returns the sections of a catalogue whose ids are those of the log, or None where it holds none of them.

    Args:
        raw: the files.
        ids: one column `id`, the items of the log; None = there is no log.
        what: `item`, or `user` for a table of users.
    """
    column, share = find_key(raw, ids)
    if not column or raw.cells(column).distinct < 0.5 * raw.cells(column).filled:
        return None
    why = f"{share:.0%} of the {what}s in the log are in this column" if ids is not None else "each row has its own"
    if what == "user":
        return _propose_users(raw, column, why)
    roles = guess_roles(raw, _ITEM_ROLES)
    roles = {role: guess for role, guess in roles.items() if column not in guess.names}
    if "title" not in roles and not {"category", "price", "stock"} & set(roles):
        return None
    entries = [Entry("item_id", column, why)]
    keys: list[Entry] = []
    for role in _ITEM_ROLES:
        if role not in roles:
            continue
        guess = roles[role]
        entries.append(Entry(role, guess.value, guess.why))
        if role == "available_from" and (form := find_time_form(raw.joined(*guess.names))):
            keys += form.entries
        if role == "price" and (decimal := find_amounts(raw, guess.names[0]).entry):
            keys.append(decimal)
    if "category" in roles and (separator := _separator(raw, roles["category"].names[0])):
        keys.append(separator)
    section = Section("items", (*raw.entries, *keys))
    return Part(title="a catalogue of no known layout", tables=(section, column_section("items", entries)))


def find_key(raw: RawFiles, ids: ibis.Table | None) -> tuple[str, float]:
    """Returns the column that holds most of some ids, and the share of them that it holds; empty where none does."""
    best = ("", 0.0)
    if ids is None:
        guess = guess_roles(raw, ("item_id",)).get("item_id")
        return (guess.names[0], 1.0) if guess else best
    total = int(ids.count().execute())
    for name in raw.columns:
        values = raw.table.select(id=trimmed(raw.table[name])).distinct()
        covered = int(ids.semi_join(values, "id").count().execute()) / max(total, 1)
        if covered > max(best[1], _COVERED):
            best = (name, covered)
    return best


def ids_of(raw: RawFiles, names: Sequence[str]) -> ibis.Table:
    """Returns the different ids in the first column of a log."""
    ids = raw.table.select(id=trimmed(raw.table[names[0]]))
    return ids.filter(ids["id"] != "").distinct()


def _propose_users(raw: RawFiles, column: str, why: str) -> Part:
    entries = [Entry("user_id", column, why)]
    for name in raw.columns:
        cells = raw.cells(name)
        is_private = cells.email_share > 0.5 or cells.distinct > 0.5 * max(cells.filled, 1)
        if name == column or not cells.filled or is_private or cells.distinct > 500:
            continue
        attribute = "_".join(normal_name(name).split()) or f"attribute_{raw.columns.index(name) + 1}"
        entries.append(Entry(attribute, name, f"{cells.distinct:,} values, such as {cells.example(2)}"))
    section = Section("users", raw.entries)
    return Part(title="a table of users", tables=(section, column_section("users", entries)))


def _separator(raw: RawFiles, column: str) -> Entry | None:
    values = raw.cells(column).values
    for sign in (" > ", " / ", "/", ">", "|", " - "):
        share = sum(sign in value for value in values) / max(len(values), 1)
        if share > 0.3 and sign != " > ":
            return Entry("category_separator", sign, f"{share:.0%} of the categories hold it, between levels")
    return None
