"""Defines what a recipe states of files that make up the rows of a table together."""

import dataclasses
from collections.abc import Collection, Mapping

from tfrec.errors import RecipeError
from tfrec.sources.source import Source
from tfrec.sources.unpack import Unpack


@dataclasses.dataclass(frozen=True, kw_only=True)
class Join(Source):
    """A further file whose columns are added to each row by key, such as the heads of orders to their lines.

    Attributes:
        on: raw column of the rows → raw column of this file that has the same values; several for a compound key.
        prefix: put before the names of this file's columns.
    """

    on: Mapping[str, str]
    prefix: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.is_stated:
            raise RecipeError("`files` must name the file whose columns are joined.")
        if not self.on:
            raise RecipeError('`on` must name the columns that are equal, e.g. on = {order_id = "id"}.')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fill:
    """Columns whose empty cells take the value of another row, where an export states it on one row alone.

    Attributes:
        by: raw column that is equal in the rows that belong together (the order's number).
        columns: raw columns that are filled: with the first value of these rows that is not empty.
    """

    by: str
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.columns:
            raise RecipeError("columns must name at least one raw column whose empty cells are filled.")
        if self.by in self.columns:
            raise RecipeError(f"columns must not name {self.by!r}: rows that belong together have it already.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableFiles(Source):
    """Raw files that hold the rows of a table, and what is added to these.

    Attributes:
        fill: cells that other rows of the files fill, before anything is joined.
        join: files that are joined, one after the other.
        unpack: cells with several entries, of which each becomes a row; last of all.
    """

    fill: Fill | None = None
    join: tuple[Join, ...] = ()
    unpack: Unpack | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.fill or self.join or self.unpack) and not self.is_stated:
            raise RecipeError("`files` must name the rows that are filled, joined or unpacked.")

    def columns_of_rows(self, wanted: Collection[str]) -> tuple[str, ...]:
        """Returns those of the `wanted` raw columns that the rows themselves, and no joined file, should have."""
        keys = (name for join in self.join for name in join.on)
        filled = (self.fill.by, *self.fill.columns) if self.fill else ()
        prefixes = tuple(join.prefix for join in self.join if join.prefix)
        return tuple(name for name in dict.fromkeys((*wanted, *filled, *keys)) if not name.startswith(prefixes))

    def columns_of_join(self, number: int, wanted: Collection[str]) -> tuple[str, ...]:
        """Returns the raw columns that a joined file should have, under the names that it gives them."""
        join = self.join[number]
        keys = (name for later in self.join[number + 1 :] for name in later.on)
        names = dict.fromkeys((*wanted, *keys))
        if join.prefix:
            chosen = [name.removeprefix(join.prefix) for name in names if name.startswith(join.prefix)]
        else:
            prefixes = tuple(other.prefix for other in self.join if other.prefix)
            chosen = [name for name in names if not name.startswith(prefixes)]
        return tuple(dict.fromkeys((*join.on.values(), *chosen)))
