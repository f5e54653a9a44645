"""Finds how each numeric column of a table is written, before its text becomes numbers."""

from collections.abc import Mapping, Sequence

import ibis.expr.types as ir

from tfrec.ingest.mapping import Columns, raw_columns
from tfrec.ingest.numbers import NumberStyle, find_style
from tfrec.ingest.table_spec import MappedTable
from tfrec.sources.notes import Note

_SIGNS: Mapping[str, tuple[str, ...]] = {
    "EUR": ("€",), "GBP": ("£",), "JPY": ("¥", "円"), "CNY": ("¥", "元", "RMB"), "INR": ("₹", "RS"),
    "PLN": ("ZŁ", "ZL"), "CZK": ("KČ", "KC"), "SEK": ("KR",), "NOK": ("KR",), "DKK": ("KR",), "HUF": ("FT",),
    "CHF": ("FR", "SFR"),
    "USD": ("$", "US$"), "CAD": ("$", "CA$", "C$"), "AUD": ("$", "AU$", "A$"), "NZD": ("$", "NZ$"), "HKD": ("$", "HK$"),
    "SGD": ("$", "S$"), "MXN": ("$", "MX$"), "BRL": ("R$",), "RUB": ("₽", "РУБ", "Р"), "UAH": ("₴", "ГРН"),
    "TRY": ("₺", "TL"), "KRW": ("₩", "원"), "ILS": ("₪",), "VND": ("₫",), "RON": ("LEI", "LEU"), "BGN": ("ЛВ",),
}  # fmt: skip
"""Code of a currency → how else it is written."""


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


def notes_of_numbers(mapped: MappedTable) -> list[Note]:
    """Returns what the owner of the file should know of its numbers."""
    notes = [note for style in mapped.styles.values() for note in style.notes]
    for name, style in mapped.styles.items():
        if style.unreadable * 2 > style.values:
            text = (
                f"{style.unreadable:,} of {style.values:,} values of `{name}` are no numbers, e.g. {style.example!r}. "
                "Map another column, or write plain numbers."
            )
            notes.append(Note("unreadable_numbers", style.unreadable, text))
    return notes


def names_of_currency(code: str) -> tuple[str, ...]:
    """Returns what stands for a currency beside a price, in capitals: its code and its signs."""
    return (code, *_SIGNS.get(code, ()))


def currency_of_sign(sign: str) -> str:
    """Returns the code of the only currency that is written so, or an empty text: `$` stands for many."""
    codes = [code for code in _SIGNS if sign in names_of_currency(code)]
    return codes[0] if len(codes) == 1 else ""


def notes_of_currency(mapped: MappedTable, *, currency: str) -> list[Note]:
    """Returns a note where prices carry the sign or code of another currency than the shop's.

    Args:
        mapped: the events as text.
        currency: the shop's code in capitals, or empty.
    """
    notes = []
    styles = mapped.styles
    for name in ("price", "line_total"):
        signs = styles[name].currencies if name in styles and currency in _SIGNS else ()
        others = [sign for sign in signs if sign not in names_of_currency(currency)]
        if others:
            text = (
                f"`{name}` has values with {', '.join(map(repr, others))}, but the shop's currency is {currency}; they "
                "were read as amounts of that. Correct `currency`, or map a column with each row's currency."
            )
            notes.append(Note("currency_other", styles[name].values, text))
    return notes
