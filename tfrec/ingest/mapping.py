"""Turns raw text columns into text columns named as the schema names them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir

from tfrec.errors import SourceError, nearest_hint
from tfrec.ingest.sources import FILE, ROW
from tfrec.schema.tables import CATEGORY_SEPARATOR

_BLANK = " "


def map_columns(
    raw: ir.Table,
    columns: Mapping[str, str | tuple[str, ...]],
    *,
    paths: Sequence[Path],
    missing: Sequence[str] = (),
    prefix: str = "",
) -> ir.Table:
    """Returns the mapped columns, trimmed, missing text as `""`, with `_file` and `_row`.

    Several raw columns for one become one text: the levels of a category by `CATEGORY_SEPARATOR` (empty levels left
    out), all else by a blank.

    Args:
        raw: text columns as in the file.
        columns: schema name → raw name or names.
        paths: files of the table, for the error.
        missing: words that stand for no value; a search text may say them.
        prefix: put before the names.

    Raises:
        SourceError: the file lacks a column; names the nearest.
    """
    known = [name for name in raw.columns if name not in (FILE, ROW)]
    mapped = {}
    for target, names in columns.items():
        names = (names,) if isinstance(names, str) else names
        for name in names:
            if name not in known:
                raise SourceError(
                    f"{', '.join(map(str, paths))} has no column {name!r}, which the recipe maps to `{target}`."
                    f"{nearest_hint(name, known)}"
                )
        parts = [raw[name].fill_null("").strip() for name in names]
        if missing and target != "query":
            parts = [part.isin(missing).ifelse("", part) for part in parts]
        joint = CATEGORY_SEPARATOR if target == "category" else _BLANK
        text = parts[0]
        for part in parts[1:]:
            text = (text + (part != "").ifelse(joint, "") + part) if target == "category" else text + joint + part
        mapped[prefix + target] = text
    return raw.select(**mapped, **{FILE: raw[FILE], ROW: raw[ROW]})


def raw_columns(*columns: Mapping[str, str | tuple[str, ...]]) -> list[str]:
    """Returns the raw columns that the mappings name, each once, in order."""
    named = (names for mapping in columns for names in mapping.values())
    return list(dict.fromkeys(one for names in named for one in ((names,) if isinstance(names, str) else names)))


def id_text(text: ir.StringValue) -> ir.StringValue:
    """Returns ids as text: a `.0` that a spreadsheet added to a number goes (`17850.0` is `17850`)."""
    return text.re_replace(r"^(-?\d+)\.0+$", r"\1")


def number(text: ir.StringValue, decimal: str) -> ir.FloatingValue:
    """Returns the number that `text` tells with this decimal sign, null where it tells none."""
    if decimal == ",":
        text = text.replace(".", "").replace(",", ".")
    value = text.try_cast("float64")
    return ibis.ifelse(value.isnan() | value.isinf(), None, value)
