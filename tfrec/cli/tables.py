"""Formats offers as tables for the terminal."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from tfrec.cli.terminal import plain
from tfrec.client import OfferedItem
from tfrec.schema.item_names import shorten

_WIDEST_TITLE = 40
_NUMBERS = "0123456789"


def text_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
    """Returns columns under their heads, numbers to the right."""
    lines = [[_one_line(cell) for cell in line] for line in (heads, *rows)]
    widths = [max(_width(line[at]) for line in lines) for at in range(len(heads))]
    is_number = [all(line[at][:1] in _NUMBERS or line[at] == "–" for line in lines[1:]) for at in range(len(heads))]
    lines.insert(1, ["─" * width for width in widths])
    padded = (
        "  ".join(
            _padding(cell, width) + cell if right else cell + _padding(cell, width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        )
        for line in lines
    )
    return "\n".join(f"{indent}{line}".rstrip() for line in padded)


def offer_table(offers: Iterable[OfferedItem], titles: Mapping[str, str], *, indent: str = "") -> str:
    """Returns a table of offered items: what, for how much, how likely, and why."""
    rows = [
        [
            str(rank),
            item.item_id,
            *([cut(titles.get(item.item_id, ""))] if titles else []),
            f"{item.price:,.2f}" if item.price else "–",
            f"{item.probability:.1%}",
            item.reason_sentence(_named(item, titles)),
        ]
        for rank, item in enumerate(offers, start=1)
    ]
    if not rows:
        return f"{indent}(nothing to offer)"
    heads = ["", "item", *(["title"] if titles else []), "price", "chance", "why"]
    return text_table(heads, rows, indent=indent)


def cut(text: str) -> str:
    """Returns a title no longer than fits in a table, cut with an ellipsis."""
    return shorten(text, _WIDEST_TITLE)


def _one_line(cell: str) -> str:
    """Returns a cell that takes one line, of characters that a terminal only shows."""
    return plain(" ".join(cell.splitlines()).replace("\t", " "))


def _width(cell: str) -> int:
    """Returns the columns that a text takes in a terminal; Chinese characters take two."""
    return len(cell) + sum(unicodedata.east_asian_width(letter) in "WF" for letter in cell)


def _padding(cell: str, width: int) -> str:
    return " " * (width - _width(cell))


def _named(item: OfferedItem, titles: Mapping[str, str]) -> dict[str, str]:
    title = titles.get(item.reason_item_id)
    return {item.reason_item_id: cut(title)} if title else {}
