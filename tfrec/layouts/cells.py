"""Describes the cells of one raw column: how many are filled, how many differ, what stands in most."""

import dataclasses
import functools
import re
from collections.abc import Iterable

import ibis
import ibis.expr.types as ir

from tfrec.sources.cells import trimmed

_TOP = 400
_NUMBER = re.compile(
    r"\(?[-+−]?\s?(?:[A-Z]{3}\s?|[€$£¥₹]\s?)?\d[\d.,' \u00a0]*(?:[eE][-+]?\d+)?\s?(?:[A-Z]{3}|[€$£¥₹]|zł|kr)?\)?"
)
_WHOLE = re.compile(r"[-+]?\d+(?:\.0+)?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LIKE_DATE = re.compile(
    r"\d{4}[-/. ]\d{1,2}[-/. ]\d{1,2}.*|\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}.*|\d{8}(?:T?\d{4,6})?|\d{10}|\d{13}|\d{16}"
    r"|.*\b\d{1,2},? ?[A-Za-z]{3,9}\.?,? \d{4}.*|.*[A-Za-z]{3,9} \d{1,2},? \d{4}.*"
    r"|\d{1,2}[- /][A-Za-z]{3}[- /]\d{2,4}.*"
)


@dataclasses.dataclass(frozen=True)
class Cells:
    """The cells of a column; blanks around them and words for no value do not count as filled.

    Attributes:
        name: of the column.
        rows: rows of the table.
        filled: cells that hold something.
        distinct: different values among them.
        top: the most frequent values with their number of rows, most frequent first.
        table: stored table that holds the column.
    """

    name: str
    rows: int
    filled: int
    distinct: int
    top: tuple[tuple[str, int], ...]
    table: ir.Table = dataclasses.field(repr=False, compare=False)

    @functools.cached_property
    def values(self) -> tuple[str, ...]:
        """The most frequent values."""
        return tuple(value for value, _ in self.top)

    @property
    def fill_share(self) -> float:
        """Share of the rows that hold something."""
        return self.filled / self.rows if self.rows else 0.0

    @property
    def repeat(self) -> float:
        """Mean number of rows of a value."""
        return self.filled / self.distinct if self.distinct else 0.0

    def share(self, pattern: re.Pattern[str]) -> float:
        """Returns the share of the values looked at that match a pattern as a whole."""
        return sum(bool(pattern.fullmatch(value)) for value in self.values) / max(len(self.values), 1)

    @functools.cached_property
    def number_share(self) -> float:
        """Share of the values that are numbers, signs of currencies allowed."""
        return self.share(_NUMBER)

    @functools.cached_property
    def whole_share(self) -> float:
        """Share of the values that are whole numbers."""
        return self.share(_WHOLE)

    @functools.cached_property
    def email_share(self) -> float:
        """Share of the values that are addresses of mail."""
        return self.share(_EMAIL)

    @functools.cached_property
    def currency_share(self) -> float:
        """Share of the values that are three capitals."""
        return self.share(_CURRENCY)

    @functools.cached_property
    def date_share(self) -> float:
        """Share of the values that look like a time."""
        return self.share(_LIKE_DATE)

    def example(self, count: int = 3) -> str:
        """Returns the most frequent values, quoted, for an explanation."""
        return ", ".join(repr(value[:40]) for value in self.values[:count])

    def all_values(self, limit: int = 200_000) -> list[tuple[str, int]]:
        """Returns the values with their number of rows, most frequent first, read from the table."""
        if self.distinct <= len(self.top):
            return [*self.top]
        return _count_values(self.table, self.name, limit=limit)

    def rows_with(self, values: Iterable[str]) -> int:
        """Returns the number of rows that hold one of the values looked at."""
        wanted = set(values)
        return sum(count for value, count in self.top if value in wanted)


def describe_column(table: ir.Table, name: str, *, rows: int, missing: Iterable[str]) -> Cells:
    """Returns the description of a text column of a stored table.

    Args:
        table: stored table of text.
        name: of the column.
        rows: rows of the table.
        missing: words that stand for no value.
    """
    counts = _counts(table, name)
    counts = counts.filter(counts["value"].notin([*missing]))
    total = counts.aggregate(filled=counts["rows"].sum(), distinct=counts.count()).to_pyarrow().to_pylist()[0]
    top = tuple(_pairs(counts, limit=_TOP))
    return Cells(name, rows, int(total["filled"] or 0), int(total["distinct"] or 0), top, table)


def _counts(table: ir.Table, name: str) -> ir.Table:
    values = table.select(value=trimmed(table[name]))
    return values.filter(values["value"] != "").group_by("value").aggregate(rows=lambda part: part.count())


def _count_values(table: ir.Table, name: str, *, limit: int) -> list[tuple[str, int]]:
    return _pairs(_counts(table, name), limit=limit)


def _pairs(counts: ir.Table, *, limit: int) -> list[tuple[str, int]]:
    rows = counts.order_by(ibis.desc("rows"), "value").limit(limit).to_pyarrow().to_pylist()
    return [(row["value"], int(row["rows"])) for row in rows]
