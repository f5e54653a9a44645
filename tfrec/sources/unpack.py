"""Defines what a recipe states of cells that hold several entries, such as all products of an order."""

import dataclasses
import re

import pyarrow as pa
import pyarrow.compute as pc

from tfrec.errors import RecipeError

PREFIX = "unpack."
"""Before the names of the columns that the pattern's groups give."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unpack:
    r"""How the entries of a cell are written.

    Attributes:
        columns: raw columns whose cells hold entries.
        pattern: regular expression (RE2) of one entry; each named group `(?P<sku>...)` becomes a column `unpack.sku`.
        begin: regular expression of what each entry begins with, `\d+× ` of `2× Mug, 1× Plate`; a cell holds one entry
            where it is left out.
    """

    columns: tuple[str, ...]
    pattern: str
    begin: str = ""

    def __post_init__(self) -> None:
        if not self.columns:
            raise RecipeError("unpack must name at least one column whose cells hold entries.")
        for name in ("pattern", "begin"):
            try:
                pc.match_substring_regex(pa.array([""]), getattr(self, name))  # RE2, as in the engine
                re.compile(getattr(self, name))
            except (pa.ArrowInvalid, re.error) as error:
                raise RecipeError(f"unpack: {name} is no regular expression (RE2): {error}.") from error
        if not self.groups:
            raise RecipeError(r"unpack: pattern must have a named group for each column, e.g. (?P<sku>\w+).")

    @property
    def groups(self) -> dict[str, int]:
        """Name of each column in the pattern and the number of its group."""
        return dict(re.compile(self.pattern).groupindex)
