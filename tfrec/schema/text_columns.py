"""Lays out tables as columns of text for the terminal, which shows all of it and obeys none of it."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from tfrec.schema.item_names import shorten

_WIDEST_TITLE = 40
_NUMBERS = "0123456789"
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for line end and tab, and those that turn the direction of writing."""
_SHOWN = "\N{REPLACEMENT CHARACTER}"


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


def cut(text: str) -> str:
    """Returns a title no longer than fits in a table, cut with an ellipsis."""
    return shorten(text, _WIDEST_TITLE)


def plain(text: str) -> str:
    """Returns a text in which each control character is replaced by a visible one, so that none changes the screen."""
    return _OBEYED.sub(_SHOWN, text)


def plain_json(text: str) -> str:
    """Returns JSON in which control characters are escaped, so that its values stay what they are."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _one_line(cell: str) -> str:
    """Returns a cell that takes one line, of characters that a terminal only shows."""
    return plain(" ".join(cell.splitlines()).replace("\t", " "))


def _width(cell: str) -> int:
    """Returns the columns that a text takes in a terminal; Chinese characters take two."""
    return len(cell) + sum(unicodedata.east_asian_width(letter) in "WF" for letter in cell)


def _padding(cell: str, width: int) -> str:
    return " " * (width - _width(cell))
