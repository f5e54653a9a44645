"""Turns raw text columns into text columns named as the schema names them."""

import dataclasses
import re
from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from tfrec.errors import RecipeError, SourceError, nearest_hint
from tfrec.ingest.tidiness import UNKNOWN, Tidiness
from tfrec.schema.category_paths import CATEGORY_SEPARATOR
from tfrec.sources.cells import id_text, unguarded

RAW_PREFIX = "_raw_"
"""Before the names of raw columns that pass through the mapping because a rule looks at them."""

ROUNDED_ID = r"^\d(\.\d+)?[eE]\+\d{2,3}$"
"""What a spreadsheet makes of a long number: `4.00638E+12` stands for a million article numbers."""

_BLANK = " "
_GUARDED = (
    *("timestamp", "price", "line_total", "quantity", "rating", "margin", "stock", "available_from"),
    *("available_until", "list_price", "position", "propensity", "place_propensity", "clicked", "rate", "day"),
    *("cost", "profit"),
)


@dataclasses.dataclass(frozen=True)
class FirstOf:
    """Raw columns of which the first that is not empty counts, e.g. `{first_of = ["customer_id", "email"]}`.

    Attributes:
        first_of: at least one raw column.
    """

    first_of: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.first_of:
            raise RecipeError('first_of must name at least one raw column, e.g. {first_of = ["id", "email"]}.')


Columns = Mapping[str, str | tuple[str, ...] | FirstOf]
"""Schema column → raw column, raw columns that are joined (levels of a category, parts of a date), or `FirstOf`."""


def check_columns(names: Sequence[str], targets: Columns, *, origin: str) -> None:
    """Checks that a table from `origin` with columns `names` has every raw column that `targets` maps.

    Raises:
        SourceError: one is absent; names the nearest.
    """
    for target, raw_names in targets.items():
        for name in _named(raw_names):
            if name not in names:
                raise SourceError(
                    f"{origin} has no column {name!r}, which the recipe maps to `{target}`.{nearest_hint(name, names)}"
                )


def column_texts(
    trimmed_text: ir.Table,
    columns: Columns,
    *,
    missing: Sequence[str] = (),
    prefix: str = "",
    category_separator: str = CATEGORY_SEPARATOR,
    blanks: Mapping[str, Sequence[str]] | None = None,
    tidiness: Tidiness = UNKNOWN,
) -> dict[str, ir.StringValue]:
    """Returns the mapped columns as expressions of `trimmed_text`, missing text as `""`.

    Several raw columns for one become one text: the levels of a category by `CATEGORY_SEPARATOR` (empty levels left
    out), all else by a blank.

    Args:
        trimmed_text: text columns as in the file, without blanks at their ends.
        columns: schema name → raw name or names.
        missing: words that stand for no value; a search text may contain them.
        prefix: put before the names.
        category_separator: stands between the levels of a raw category.
        blanks: schema name → ids that stand for none, which do not count in a `FirstOf`.
        tidiness: what the raw columns need not be cleaned of.
    """
    mapped = {}
    for target, names in columns.items():
        parts = []
        for name in _named(names):
            part = trimmed_text[name]
            if target in _GUARDED and name not in tidiness.plain:
                part = unguarded(part)
            if target == "timestamp" and name not in tidiness.plain:
                part = part.replace("\xa0", _BLANK).replace("\u202f", _BLANK)
            if missing and target != "query" and name not in tidiness.complete:
                part = part.isin(missing).ifelse("", part)
            parts.append(part)
        if isinstance(names, FirstOf):
            if none := (blanks or {}).get(target):
                parts = [id_text(part).isin(none).ifelse("", part) for part in parts]
            mapped[prefix + target] = ibis.coalesce(*(part.nullif("") for part in parts), "")
        elif target == "category":
            mapped[prefix + target] = _joined_category(parts, category_separator)
        else:
            text = parts[0]
            for part in parts[1:]:
                text = text + _BLANK + part
            mapped[prefix + target] = text if len(parts) == 1 else text.strip()
    return mapped


def raw_columns(*columns: Columns) -> list[str]:
    """Returns the raw columns that the mappings name, each once, in order."""
    return list(dict.fromkeys(name for mapping in columns for names in mapping.values() for name in _named(names)))


def _named(names: str | tuple[str, ...] | FirstOf) -> tuple[str, ...]:
    if isinstance(names, FirstOf):
        return names.first_of
    return (names,) if isinstance(names, str) else names


def _joined_category(parts: Sequence[ir.StringValue], separator: str) -> ir.StringValue:
    if separator != CATEGORY_SEPARATOR:
        sign = re.escape(separator.strip() or separator)
        ends = rf"^(\s*{sign}\s*)+|(\s*{sign}\s*)+$"
        parts = [part.re_replace(ends, "").re_replace(rf"(\s*{sign}\s*)+", CATEGORY_SEPARATOR) for part in parts]
    text = parts[0]
    for part in parts[1:]:
        text = text + ((text != "") & (part != "")).ifelse(CATEGORY_SEPARATOR, "") + part
    return text
