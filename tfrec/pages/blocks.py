"""Defines the parts of a page: sentences, tables, charts and explanations, as checked values."""

import dataclasses
import math
from typing import TypeAlias

from tfrec.errors import SchemaError

Cell: TypeAlias = str | tuple[str, str]
"""A figure as text, or a figure and, smaller below it, its interval."""


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under their heads; the first column names the row.

    Attributes:
        heads: names of the columns.
        rows: cells as text.
        caption: what is counted, with n.
        title: heading; "" = none.
        strong_rows: places of the rows that stand out.
        best_cells: row and column of the figures that are best of their column.

    Raises:
        SchemaError: a row has not one cell a head.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str
    title: str = ""
    strong_rows: frozenset[int] = frozenset()
    best_cells: frozenset[tuple[int, int]] = frozenset()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.heads):
                raise SchemaError(f"Each row needs {len(self.heads)} cells, one a head; got {len(row)}: {row}.")

    @property
    def text_columns(self) -> frozenset[int]:
        """Places of the columns, beside the first, that hold words rather than figures."""
        return frozenset(
            at
            for at in range(1, len(self.heads))
            if any(
                not _is_figure(cell if isinstance(cell, str) else cell[0]) for cell in (row[at] for row in self.rows)
            )
        )


@dataclasses.dataclass(frozen=True)
class Figure:
    """A picture with its caption.

    Attributes:
        svg: one `<svg>` element, without anything from outside.
        caption: what is drawn, its n and what the interval is.
        title: heading.
    """

    svg: str
    caption: str
    title: str


@dataclasses.dataclass(frozen=True)
class Terms:
    """What words mean, folded out on a click.

    Attributes:
        title: what the reader clicks on.
        meanings: term and meaning.
    """

    title: str
    meanings: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        key: name for links.
        title: heading.
        sentences: what to know and what to do, first.
        figures: pictures.
        tables: tables.
        footnotes: how it was found, in small print.
        terms: what its words mean; None = nothing to explain.
        is_absent: the shop's data does not hold this; the one sentence says so.
        proof_figures: pictures of how well it was found.
        proof_tables: tables of it.
    """

    key: str
    title: str
    sentences: tuple[str, ...]
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    footnotes: tuple[str, ...] = ()
    terms: Terms | None = None
    is_absent: bool = False
    proof_figures: tuple[Figure, ...] = ()
    proof_tables: tuple[Table, ...] = ()


def with_interval(value: float, low: float, high: float, form: str) -> Cell:
    """Returns a cell of a figure and its interval, alike in `form`; of the figure alone where the interval is NaN."""
    if math.isnan(low):
        return form.format(value)
    dash = " – " if "+" in form else "–"  # signs need room
    return form.format(value), dash.join(form.format(end) for end in (low, high))


def _is_figure(text: str) -> bool:
    return text[:1] in "0123456789+-−–.∞?" and not any(part.isalpha() and len(part) > 2 for part in text.split())
