"""Defines what a known layout of exports offers: the columns by which it is recognised, and the recipe's sections."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from tfrec.layouts.draft import Part
from tfrec.layouts.raw_files import RawFiles

Roles = Mapping[str, RawFiles]
"""Role in the layout (`orders`, `lines`) → the files that play it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """One layout of exports.

    Attributes:
        title: what it is called in messages, such as `Shopify orders export`.
        table: what the files hold: `events`, or the catalogue (`items`).
        signs: role → columns that the files of this role have, by which they are recognised.
        optional: likewise, of roles that may be absent.
        propose: makes the recipe's sections of the recognised files.
    """

    title: str
    table: Literal["events", "items"]
    signs: Mapping[str, tuple[str, ...]]
    optional: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    propose: Callable[[Roles], Part]


@dataclasses.dataclass(frozen=True)
class Recognised:
    """A layout with the files that it was recognised in.

    Attributes:
        layout: the layout.
        roles: see `Roles`.
        certainty: number of columns by which it was recognised.
    """

    layout: Layout
    roles: Roles
    certainty: int

    def propose(self) -> Part:
        """Returns the sections of the recipe."""
        return self.layout.propose(self.roles)


def recognise(layouts: Sequence[Layout], tables: Sequence[RawFiles]) -> Recognised | None:
    """Returns the layout that most columns show, or None where the tables have none of them.

    A table plays one role; where several have the columns of a role, the one with most rows does.
    """
    found = [match for layout in layouts if (match := _match(layout, tables)) is not None]
    return max(found, key=lambda match: match.certainty, default=None)


def _match(layout: Layout, tables: Sequence[RawFiles]) -> Recognised | None:
    roles: dict[str, RawFiles] = {}
    certainty = 0
    for role, signs in sorted({**layout.signs, **layout.optional}.items(), key=lambda entry: -len(entry[1])):
        fitting = [table for table in tables if table.has(*signs) and not any(table is used for used in roles.values())]
        if not fitting:
            if role in layout.signs:
                return None
            continue
        roles[role] = max(fitting, key=lambda table: table.rows)
        certainty += len(signs)
    return Recognised(layout, roles, certainty)
