"""Reads the text of cells: without the blanks around it, ids without what spreadsheets add."""

import ibis
import ibis.expr.types as ir

from tfrec.sources.engine import first_code, num_bytes, trim, trim_blanks

_BLANK_CODE = 32  # all codes below are control characters
_SPACES = (  # of all widths, no-break, zero-width, direction marks and the byte-order mark, beside those of ASCII
    " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202c\u202f\u205f\u2060\u3000\ufeff"
)


def as_text(column: ir.Value) -> ir.StringValue:
    """Returns a column of any type as text; a float that is no number is null, like a value that is not there."""
    if column.type().is_string():
        return column
    text = column.cast("string")
    return text.nullif("nan") if column.type().is_floating() else text


def trimmed(text: ir.StringValue) -> ir.StringValue:
    """Returns text without spaces of any kind at its ends; null is `""`.

    Trimming by a set of characters is slow, so it is left to the few texts that are not ASCII, or have a control
    character at an end.
    """
    text = text.fill_null("")
    is_plain = (num_bytes(text) == text.length()) & (
        (text == "") | ((first_code(text) >= _BLANK_CODE) & (first_code(text.right(1)) >= _BLANK_CODE))
    )
    return ibis.ifelse(is_plain, trim_blanks(text), trim(text, _SPACES))


def id_text(text: ir.StringValue) -> ir.StringValue:
    """Returns ids as text, without what spreadsheets put around numbers.

    `17850.0` is `17850`, `="010013"` and `'010013` are `010013`: the `.0` of a float, and the guards of `unguarded`.
    """
    bare = unguarded(text)
    return bare.endswith("0").ifelse(bare.re_replace(r"^(-?\d+)\.0+$", r"\1"), bare)


def unguarded(text: ir.StringValue) -> ir.StringValue:
    """Returns ids without the signs that keep a number's leading zeros in a spreadsheet: `="010013"`, `'010013`."""
    is_guarded = text.startswith("=") | text.startswith("'")
    return is_guarded.ifelse(text.re_replace(r'^="(.*)"$', r"\1").re_replace(r"^'(\d+)$", r"\1"), text)
