"""Finds what the texts of a table need not be cleaned of, so that no row pays for it."""

import dataclasses
from collections.abc import Collection, Sequence

import ibis
import ibis.expr.types as ir

from tfrec.sources.engine import first_code, num_bytes

_BLANK_CODE = 32  # all codes below are control characters
_GUARD_CODES = (ord("="), ord("'"))


@dataclasses.dataclass(frozen=True)
class Tidiness:
    """What need not be done to the texts of some raw columns, because no row needs it.

    Attributes:
        plain: columns of ASCII text alone, without blanks, control characters or a spreadsheet's guards at the ends.
        complete: columns in which no word for "no value" stands.
    """

    plain: frozenset[str] = frozenset()
    complete: frozenset[str] = frozenset()


UNKNOWN = Tidiness()
"""Every column may need all of it."""


def common_tidiness(parts: Sequence[Tidiness]) -> Tidiness:
    """Returns what the rows of all parts, at least one, need not be cleaned of."""
    return Tidiness(
        frozenset.intersection(*(part.plain for part in parts)),
        frozenset.intersection(*(part.complete for part in parts)),
    )


def find_tidiness(
    table: ir.Table, names: Sequence[str], *, missing: Sequence[str] = (), unique: Collection[str] = ()
) -> Tidiness:
    """Returns what the raw columns need not be cleaned of; each distinct text is looked at once.

    Args:
        table: columns of text; those of other types are tidy.
        names: columns to look at.
        missing: words that stand for no value.
        unique: columns in which hardly a text comes twice (times): finding the distinct ones would be a waste.
    """
    typed = [name for name in names if not table[name].type().is_string()]
    parts = []
    for name in dict.fromkeys(names):
        if name not in typed:
            texts = table.select(column=ibis.literal(name), text=table[name].fill_null(""))
            parts.append(texts if name in unique else texts.distinct())
    if not parts:
        return Tidiness(frozenset(typed), frozenset(typed))
    every = ibis.union(*parts) if len(parts) > 1 else parts[0]
    text = every["text"]
    first, last = first_code(text), first_code(text.right(1))
    is_plain = (num_bytes(text) == text.length()) & (first > _BLANK_CODE) & (last > _BLANK_CODE)
    is_plain = (is_plain & first.notin(_GUARD_CODES)) | (text == "")
    has_missing = text.isin(missing).any() if missing else ibis.literal(False)
    found = (
        every.group_by("column").aggregate(is_plain=is_plain.all(), has_missing=has_missing).to_pyarrow().to_pylist()
    )
    untidy = {row["column"] for row in found if not row["is_plain"]}
    incomplete = {row["column"] for row in found if row["has_missing"]}
    return Tidiness(frozenset(names) - untidy, frozenset(names) - incomplete)
