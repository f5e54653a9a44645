"""Makes text safe for the terminal: only characters that it can show, and no control sequences.

Titles and ids come from a shop's data, so they may hold escape sequences; and a terminal may know ASCII alone.
"""

import codecs
import logging
import os
import sys
import unicodedata
from typing import Any, TextIO

from tfrec.schema.text_columns import plain

_HANDLER = "tfrec-nearest"
_NEAREST = {
    "–": "-", "—": "-", "−": "-", "─": "-", "═": "=", "…": "...", "→": "->", "←": "<-", "✓": "v", "±": "+-", "×": "x",
    "≥": ">=", "≤": "<=", "≈": "~", "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "€": "EUR", "\xa0": " ",
}  # fmt: skip


class Terminal:
    """A text stream that control characters are not written to; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes with `plain`."""
        return self._stream.write(plain(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class PlainFormatter(logging.Formatter):
    """Log lines without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats with `plain`."""
        return plain(super().format(record))


def open_closed_streams() -> None:
    """Gives the standard streams that the caller has closed (`2>&-`) to the null device.

    Else the next file that is opened gets the number of the closed stream, and libraries that print write into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def show_what_can_be_shown() -> None:
    """Lets the standard streams write the nearest character where their encoding lacks one, in place of an error."""
    codecs.register_error(_HANDLER, _nearest)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_HANDLER)


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_ascii, error.object[error.start : error.end])), error.end


def _ascii(letter: str) -> str:
    if letter in _NEAREST:
        return _NEAREST[letter]
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode("ascii") or "?"
