"""Finds what the amounts of a table are: unit prices or totals of the row, and in which currency and decimal sign."""

import dataclasses

import ibis
import ibis.expr.types as ir

from tfrec.ingest.number_styles import currency_of_sign
from tfrec.ingest.numbers import NumberStyle, find_style, number
from tfrec.layouts.draft import Entry
from tfrec.layouts.raw_files import RawFiles
from tfrec.sources.cells import trimmed

_ENOUGH = 20  # rows of items that were sold in several quantities


@dataclasses.dataclass(frozen=True)
class Amounts:
    """How the amounts of a column are written.

    Attributes:
        style: as preparing finds it.
        currency: ISO code that stands beside the amounts, or empty.
        entry: the recipe's line on the decimal sign, or None where nothing needs to be said.
    """

    style: NumberStyle
    currency: str
    entry: Entry | None


def find_amounts(raw: RawFiles, name: str) -> Amounts:
    """Returns how the amounts of a column are written."""
    style = find_style(trimmed(raw.table[name]).nullif("").name(name), name=name)
    signs = [currency_of_sign(sign) for sign in style.currencies]
    currency = signs[0] if len(set(signs)) == 1 and signs[0] else ""
    entry = None
    if style.comma and not style.point:
        example = _example(raw, name)
        why = f"{style.comma:,} values of `{name}` can only have a decimal comma, none a point, e.g. {example}"
        entry = Entry("decimal", ",", why)
    elif style.ambiguous and not style.point and not style.comma:
        why = f"values of `{name}` such as {_example(raw, name)} can be read both ways: confirm, or put the other sign"
        entry = Entry("decimal", style.decimal or ".", why, is_open=True)
    return Amounts(style, currency, entry)


def is_line_total(raw: RawFiles, *, item: str, quantity: str, amount: str) -> tuple[bool | None, str]:
    """Returns whether an amount is that of the whole row and not of a piece, with the evidence; None where open.

    Of an item that is sold in several quantities the unit price varies little: so does the amount itself where it is a
    unit price, or the amount by quantity where it is a total.
    """
    pieces, money = (
        number(trimmed(raw.table[name]), find_style(trimmed(raw.table[name]).nullif("").name(name), name=name))
        for name in (quantity, amount)
    )
    rows = raw.table.select(item=raw.table[item], pieces=pieces, money=money)
    rows = rows.filter((rows["pieces"] > 0) & (rows["money"] > 0))
    groups = rows.group_by("item").aggregate(
        kinds=rows["pieces"].nunique(),
        rows=rows.count(),
        as_unit=rows["money"].ln().std(how="pop"),
        as_total=(rows["money"] / rows["pieces"]).ln().std(how="pop"),
    )
    groups = groups.filter(groups["kinds"] > 1)
    sums = groups.aggregate(
        rows=groups["rows"].sum(),
        as_unit=(groups["as_unit"] * groups["rows"]).sum(),
        as_total=(groups["as_total"] * groups["rows"]).sum(),
    )
    found = sums.to_pyarrow().to_pylist()[0]
    count = int(found["rows"] or 0)
    if count < _ENOUGH:
        return (
            None,
            f"too few items were sold in several quantities ({count:,} rows) to see whether it grows with the quantity",
        )
    unit, total = found["as_unit"] / count, found["as_total"] / count
    shown = f"in {count:,} rows of items sold in several quantities"
    if unit < 0.6 * total:
        return False, f"{shown} it does not grow with the quantity, so it is the price of a piece"
    if total < 0.6 * unit:
        return True, f"{shown} it grows with the quantity, so it is the total of the row"
    return None, f"{shown} it varies as much by piece ({unit:.2f}) as by row ({total:.2f})"


def count_of(raw: RawFiles, name: str, *, below: float = 0.0, zero: bool = False) -> int:
    """Returns how many numbers of a column are below a bound, or are 0."""
    column = trimmed(raw.table[name]).nullif("").name(name)
    value: ir.FloatingValue = number(column, find_style(column, name=name))
    condition = value == 0 if zero else value < below
    return int(raw.table.aggregate(n=condition.sum().fill_null(0)).execute()["n"].iloc[0])


def count_equal_rows(raw: RawFiles, names: list[str]) -> int:
    """Returns how many rows equal an earlier one in the columns."""
    distinct = raw.table.select(*names).distinct().count()
    return raw.rows - int(distinct.execute())


def _example(raw: RawFiles, name: str) -> str:
    marked = [value for value in raw.cells(name).values if "," in value or "." in value]
    return repr(marked[0]) if marked else raw.cells(name).example(1)


def money_share(raw: RawFiles, name: str) -> dict[str, float]:
    """Returns code → share of the rows, of a column of currencies."""
    cells = raw.cells(name)
    return {value.upper(): rows / max(cells.filled, 1) for value, rows in cells.top}


def median_by(raw: RawFiles, group: str, value: str) -> dict[str, float]:
    """Returns value of one column → median of the numbers of another."""
    column = trimmed(raw.table[value]).nullif("").name(value)
    rows = raw.table.select(group=trimmed(raw.table[group]), value=number(column, find_style(column, name=value)))
    medians = rows.filter(rows["value"].notnull()).group_by("group").aggregate(median=ibis._["value"].median())
    return {row["group"]: float(row["median"]) for row in medians.to_pyarrow().to_pylist()}
