"""Finds the log among tables of no known layout, and the table of order heads that belongs to its lines."""

import dataclasses
from collections.abc import Sequence

from tfrec.layouts.draft import Entry, Section
from tfrec.layouts.generic import guess_event_roles
from tfrec.layouts.guesses import Guess, guess_roles
from tfrec.layouts.raw_files import RawFiles
from tfrec.sources.cells import trimmed

_HEAD_ROLES = ("timestamp", "user_id", "currency", "status", "country")
_PREFIX = "order."
_COVERED = 0.8  # of the lines that must find their head


@dataclasses.dataclass(frozen=True)
class Log:
    """A log of events.

    Attributes:
        lines: a row for each event, with the columns of the heads.
        roles: role → column.
        used: the tables that it is made of.
        joins: the sections that join the heads.
    """

    lines: RawFiles
    roles: dict[str, Guess]
    used: tuple[RawFiles, ...] = ()
    joins: tuple[Section, ...] = ()


def find_log(tables: Sequence[RawFiles]) -> Log | None:
    """Returns the table that most likely holds events, with its heads where these are in another; None for none."""
    best: tuple[float, RawFiles, dict[str, Guess]] | None = None
    for table in tables:
        roles = guess_event_roles(table)
        if "item_id" not in roles or not {"timestamp", "order_id"} & set(roles):
            continue
        is_catalogue = table.cells(roles["item_id"].names[0]).repeat < 1.01 and not {"user_id", "order_id"} & set(roles)
        score = sum(guess.score for guess in roles.values()) - 500 * is_catalogue
        if score > 0 and (best is None or score > best[0]):
            best = (score, table, roles)
    if best is None:
        return None
    _, lines, roles = best
    return _with_heads(lines, roles, [table for table in tables if table is not lines]) or Log(lines, roles, (lines,))


def _with_heads(lines: RawFiles, roles: dict[str, Guess], others: Sequence[RawFiles]) -> Log | None:
    if "order_id" not in roles or len(roles["order_id"].names) != 1 or {"timestamp", "user_id"} <= set(roles):
        return None
    order = roles["order_id"].names[0]
    ids = lines.table.select(id=trimmed(lines.table[order]))
    ids = ids.filter(ids["id"] != "").distinct()
    total = max(int(ids.count().execute()), 1)
    for heads in others:
        for name in heads.columns:
            cells = heads.cells(name)
            if cells.distinct < 0.99 * cells.filled or cells.fill_share < 0.9:
                continue
            values = heads.table.select(id=trimmed(heads.table[name])).distinct()
            covered = int(ids.semi_join(values, "id").count().execute()) / total
            if covered >= _COVERED and (found := _join(lines, roles, heads, order, name, covered)) is not None:
                return found
    return None


def _join(
    lines: RawFiles, roles: dict[str, Guess], heads: RawFiles, order: str, key: str, covered: float
) -> Log | None:
    of_heads = guess_roles(heads, _HEAD_ROLES)
    added = {
        role: dataclasses.replace(guess, names=tuple(f"{_PREFIX}{name}" for name in guess.names))
        for role, guess in of_heads.items()
        if role not in roles and key not in guess.names
    }
    if "timestamp" not in {**roles, **added}:
        return None
    together = _joined(lines, heads, order, key)
    why = f"the file with a row for each order; {covered:.0%} of the order numbers in the lines are in it"
    entries = (*heads.entries, Entry("on", {order: key}), Entry("prefix", _PREFIX))
    section = Section("events.join", entries, why, is_list=True)
    return Log(together, {**roles, **added}, (lines, heads), (section,))


def _joined(lines: RawFiles, heads: RawFiles, order: str, key: str) -> RawFiles:
    """Returns the lines with the columns of their heads, as the recipe's join gives them."""
    renamed = {f"{_PREFIX}{name}": heads.table[name] for name in heads.columns}
    right = heads.table.select(_key=trimmed(heads.table[key]), **renamed)
    right = right.group_by("_key").aggregate(**{name: right[name].arbitrary() for name in renamed})
    left = lines.table.mutate(_of=trimmed(lines.table[order]))
    table = left.left_join(right, left["_of"] == right["_key"]).drop("_of", "_key")
    return dataclasses.replace(lines, columns=(*lines.columns, *renamed), table=table)
