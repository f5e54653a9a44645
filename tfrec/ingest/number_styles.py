"""Finds how each numeric column of a table is written, before its text becomes numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import ibis.expr.types as ir

from tfrec.ingest.mapping import Columns, raw_columns
from tfrec.ingest.numbers import NumberStyle, count_evidence, merge_evidence, style_of
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


Evidence = Mapping[str, Mapping[str, Any]]
"""Column → what its texts show of how numbers are written, see `count_evidence`."""


def find_evidence(mapped: ir.Table, columns: Columns, *, names: Sequence[str]) -> Evidence:
    """Returns the evidence of those `names` that the recipe maps.

    Args:
        mapped: text columns.
        columns: of the recipe.
        names: columns of numbers.
    """
    return {name: count_evidence(mapped[name]) for name in names if name in columns}


def styles_of(parts: Sequence[Evidence], columns: Columns, *, declared: str) -> dict[str, NumberStyle]:
    """Returns column → how its numbers are written.

    Args:
        parts: evidence of the texts, at least one part; a style is that of all parts together.
        columns: of the recipe; notes call a column by its name in the file.
        declared: decimal sign in the recipe, or empty.
    """
    return {
        name: style_of(
            merge_evidence([part[name] for part in parts]),
            declared=declared,
            name=" ".join(raw_columns({name: columns[name]})),
        )
        for name in parts[0]
    }


_YES_OR_NO = ("clicked",)  # true and false are read as well as 1 and 0


def notes_of_numbers(mapped: MappedTable) -> list[Note]:
    """Returns what the owner of the file should know of its numbers."""
    notes = [note for style in mapped.styles.values() for note in style.notes]
    for name, style in mapped.styles.items():
        if name not in _YES_OR_NO and style.unreadable * 2 > style.values:
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
