"""Finds how each numeric column of a table is written, before its text becomes numbers."""

from collections.abc import Mapping, Sequence

import ibis.expr.types as ir

from tfrec.ingest.mapping import Columns, raw_columns
from tfrec.ingest.notes import Note
from tfrec.ingest.numbers import NumberStyle, find_style


def find_styles(mapped: ir.Table, columns: Columns, *, names: Sequence[str], declared: str) -> dict[str, NumberStyle]:
    """Returns column → how its numbers are written, of those `names` that the recipe maps.

    Args:
        mapped: text columns.
        columns: of the recipe; notes call a column by its name in the file.
        names: columns of numbers.
        declared: decimal sign in the recipe, or empty.
    """
    return {
        name: find_style(mapped[name], declared=declared, name=" ".join(raw_columns({name: columns[name]})))
        for name in names
        if name in columns
    }


def notes_of_styles(styles: Mapping[str, NumberStyle]) -> list[Note]:
    """Returns what the owner of the file should know of its numbers."""
    return [note for style in styles.values() for note in style.notes]
