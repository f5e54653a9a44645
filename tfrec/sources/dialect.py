"""Defines what a recipe may state of how a file is written, beside what is found in the file itself."""

import codecs
import dataclasses

from tfrec.errors import RecipeError, nearest_hint

LINE_ENDS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}
"""Words of a recipe's `line_end`."""

_ESCAPES = ("auto", "double", "backslash")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dialect:
    r"""How a file is written, as far as its recipe states it; most of it concerns delimited text.

    Attributes:
        delimiter: between the fields of a line; found in the file when left out.
        quote: sign around fields, `none` where quotes are plain text, `auto` to find out.
        escape: what makes a quote inside a quoted field text: `double` (`""`), `backslash` (`\"`) or `auto`.
        line_end: `lf` (a carriage return before it belongs to it), `crlf`, `cr` or `auto`.
        encoding: any name that Python knows; of JSON lines, too.
        header: names of the fields where a file has no header line.
        skip_lines: lines, or rows of a sheet, that stand above the header or the first row.
        sheet: name of the sheet of a spreadsheet; the first visible one when left out.
    """

    delimiter: str = ""
    quote: str = "auto"
    escape: str = "auto"
    line_end: str = "auto"
    encoding: str = "utf-8"
    header: tuple[str, ...] = ()
    skip_lines: int = 0
    sheet: str = ""

    def __post_init__(self) -> None:
        if len(self.delimiter) > 1:
            raise RecipeError(f"delimiter must be one character; got {self.delimiter!r}.")
        if self.quote not in ("auto", "none") and len(self.quote) != 1:
            raise RecipeError(f"quote must be one character, 'none' or 'auto'; got {self.quote!r}.")
        if self.skip_lines < 0:
            raise RecipeError(f"skip_lines must be 0 or more; got {self.skip_lines}.")
        for name, words in (("escape", _ESCAPES), ("line_end", ("auto", *LINE_ENDS))):
            if (given := getattr(self, name)) not in words:
                raise RecipeError(f"{name} {given!r} is unknown.{nearest_hint(given, words)}")
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise RecipeError(
                f"encoding {self.encoding!r} is unknown. Usual ones: utf-8, cp1252, latin-1, gb18030."
            ) from None
