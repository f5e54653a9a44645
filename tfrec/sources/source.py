"""Defines what a recipe states of where a table lies: raw files, or a database."""

import dataclasses

from tfrec.errors import RecipeError, nearest_hint
from tfrec.sources.database import Database
from tfrec.sources.dialect import Dialect
from tfrec.sources.formats import FORMATS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source(Dialect):
    """Raw files or a database that hold one table; see `Dialect` for what is stated of how files are written.

    Attributes:
        files: paths: absolute, or relative to the data home or to the recipe; read one after the other. A pattern
            (`logs/2024-*.csv.gz`) stands for the files that match, in alphabetical order.
        format: `csv`, `parquet`, `jsonl` or a special layout; by the file's ending when left out.
        decimal: decimal sign of numbers; found in each column when left out.
        missing: words that stand for no value.
        url: SQLAlchemy's URL of a database, in place of `files`; `${NAME}` stands for a value of the environment.
        table: its table or view, with the schema before a point.
        query: a SELECT in place of `table`.
        key: column of the rows with unique values, by which they are read in chunks.
        changed: column that states when a row was changed last; without it a change that leaves the number of rows and
            the highest key as they are is not noticed.
        append_only: rows are added behind the last key, and never changed: a grown table is read from there on.
    """

    files: tuple[str, ...] = ()
    format: str = ""
    decimal: str = ""
    missing: tuple[str, ...] = (
        *("NULL", "null", "Null", "(null)", "#NULL!", "\\N", "NaN", "nan", "None", "nil", "<NA>"),
        *("N/A", "n/a", "#N/A", "undefined", "(not set)"),
    )

    url: str = ""
    table: str = ""
    query: str = ""
    key: str = ""
    changed: str = ""
    append_only: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_database()
        if self.format and self.format not in FORMATS:
            raise RecipeError(f"format {self.format!r} is unknown.{nearest_hint(self.format, FORMATS)}")
        if self.decimal not in ("", ".", ","):
            raise RecipeError(f"decimal must be '.' or ','; got {self.decimal!r}.")

    @property
    def is_stated(self) -> bool:
        """Whether the table has a source of its own."""
        return bool(self.files or self.url)

    def _check_database(self) -> None:
        of_database = {
            "table": self.table,
            "query": self.query,
            "key": self.key,
            "changed": self.changed,
            "append_only": self.append_only,
        }
        if not self.url:
            for name, value in of_database.items():
                if value:
                    raise RecipeError(f"`{name}` is of a database: name it by `url`.")
            return
        if self.files or self.format:
            raise RecipeError("A table comes from `files` or from a database (`url`), and not from both.")
        if bool(self.table) == bool(self.query):
            raise RecipeError("`url` needs either `table` or `query`, and not both.")
        if not self.key:
            raise RecipeError("`url` needs `key`: a column with unique values, such as the primary key.")
        Database(self.url)
