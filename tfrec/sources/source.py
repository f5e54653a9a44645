"""Defines what a recipe states of the raw files of a table."""

import dataclasses

from tfrec.errors import RecipeError, nearest_hint
from tfrec.sources.dialect import Dialect
from tfrec.sources.formats import FORMATS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source(Dialect):
    """Raw files that hold one table; see `Dialect` for what is stated of how they are written.

    Attributes:
        files: paths: absolute, or relative to the data home or to the recipe; read one after the other. A pattern
            (`logs/2024-*.csv.gz`) stands for the files that match, in alphabetical order.
        format: `csv`, `parquet`, `jsonl` or a special layout; by the file's ending when left out.
        decimal: decimal sign of numbers; found in each column when left out.
        missing: words that stand for no value.
    """

    files: tuple[str, ...] = ()
    format: str = ""
    decimal: str = ""
    missing: tuple[str, ...] = (
        *("NULL", "null", "Null", "(null)", "#NULL!", "\\N", "NaN", "nan", "None", "nil", "<NA>"),
        *("N/A", "n/a", "#N/A", "undefined", "(not set)"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.format and self.format not in FORMATS:
            raise RecipeError(f"format {self.format!r} is unknown.{nearest_hint(self.format, FORMATS)}")
        if self.decimal not in ("", ".", ","):
            raise RecipeError(f"decimal must be '.' or ','; got {self.decimal!r}.")

    @property
    def is_stated(self) -> bool:
        """Whether the table has a source of its own."""
        return bool(self.files)
