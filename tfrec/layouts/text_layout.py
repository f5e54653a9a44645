"""Finds how a text file is laid out, as far as a recipe must state it: encoding, delimiter, header line."""

import codecs
import contextlib
import csv
import dataclasses
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from tfrec.errors import SourceError

_DELIMITERS = (",", ";", "\t", "|")
_HEAD_ROWS = 200
_NUMBER = re.compile(r"[-+]?[€$£¥]?\d[\d.,' ]*%?")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
_HIGH = re.compile(rb"[\x80-\xff]+")


@dataclasses.dataclass(frozen=True)
class TextLayout:
    """How a delimited text file is laid out.

    Attributes:
        encoding: name that Python knows.
        delimiter: between fields.
        columns: names in the header line; made up where there is none.
        has_header: the first row names the columns.
    """

    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    has_header: bool


def find_encoding(head: bytes, *, shown: str) -> str:
    """Returns the encoding of a text by its first bytes.

    A byte-order mark decides; then UTF-8, if the bytes are; else how bytes above 127 stand among letters.

    Raises:
        SourceError: the bytes are no text.
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head:
        even, odd = head[::2].count(0), head[1::2].count(0)
        if max(even, odd) * 3 > len(head) // 2 and not min(even, odd):
            return "utf-16-be" if even else "utf-16-le"
        raise SourceError(f"{shown} holds zero bytes, so it is no text, and its ending names no other format.")
    if _decodes(head, "utf-8"):
        return "utf-8"
    return _by_letters(head)


def _by_letters(head: bytes) -> str:
    r"""Returns the encoding of a text with bytes above 127 that is not UTF-8.

    Letters of two bytes come in runs of even length, apart from Latin letters; Cyrillic ones in runs of any length;
    letters with accents stand alone, or two of them within a Latin word (`Gr\xf6\xdfe`).
    """
    runs = [*_HIGH.finditer(head)]
    in_words = sum(_is_letter(head, run.start() - 1) or _is_letter(head, run.end()) for run in runs) / len(runs)
    even = sum(len(run.group()) % 2 == 0 for run in runs) / len(runs)
    if _decodes(head, "cp932") and _share_of(head, "cp932", ("HIRAGANA", "KATAKANA")) > 0.1:
        return "cp932"  # second bytes may be ASCII letters
    if in_words < 0.4:
        if even > 0.9 and _decodes(head, "gb18030") and _share_of(head, "gb18030", ("CJK", "FULLWIDTH")) > 0.8:
            return "gb18030"
        length = sum(len(run.group()) for run in runs) / len(runs)
        if length > 2 and _decodes(head, "cp1251") and _share_of(head, "cp1251", ("CYRILLIC",)) > 0.8:
            return "cp1251"
    return "cp1252" if _decodes(head, "cp1252") else "latin-1"


def find_text_layout(text: str, *, encoding: str, shown: str) -> TextLayout:
    """Returns the layout of delimited text by its first lines.

    The delimiter is the one by which most rows have the same number of fields; the header is the first row with that
    many, unless it holds numbers or dates where the rows below do.

    Raises:
        SourceError: no delimiter cuts the lines into two fields or more.
    """
    text = text.removeprefix("\ufeff")
    first, _, rest = text.partition("\n")
    marked = first.strip().lower().startswith("sep=") and len(first.strip()) <= 5
    body = rest if marked else text
    best: tuple[float, str, int, list[list[str]]] | None = None
    for sign in (first.strip()[4:] or "\t",) if marked else _DELIMITERS:
        rows = _rows(body, sign)
        widths = Counter(len(row) for row in rows if len(row) > 1)
        if not widths:
            continue
        width, count = max(widths.items(), key=lambda entry: (entry[1] * entry[0] ** 0.5, entry[0]))
        fit = count / len(rows) * width**0.5
        if best is None or fit > best[0]:
            best = (fit, sign, width, rows)
    if best is None:
        raise SourceError(
            f"{shown} is no table: no comma, semicolon, tab or bar cuts its lines into fields. Name a file with a "
            "header line and a row for each event or item."
        )
    _, sign, width, rows = best
    at = next(number for number, row in enumerate(rows) if len(row) == width)
    header, below = rows[at], [row for row in rows[at + 1 :] if len(row) == width]
    has_header = not _looks_like_data(header, below)
    names = header if has_header else [f"column{number}" for number in range(1, width + 1)]
    return TextLayout(encoding, sign, _unique(names), has_header)


def decoded(head: bytes, encoding: str) -> str:
    """Returns the text of the first bytes; a character that was cut at their end is left out."""
    return head.decode(encoding, errors="replace").replace("\r\n", "\n").replace("\r", "\n")


def _is_letter(head: bytes, at: int) -> bool:
    return 0 <= at < len(head) and head[at : at + 1].isalpha()


def _share_of(head: bytes, encoding: str, alphabets: Sequence[str]) -> float:
    """Returns the share of the signs above ASCII whose names begin with one of the alphabets."""
    signs = [sign for sign in head.decode(encoding, errors="ignore") if sign > "\x7f"]
    return sum(unicodedata.name(sign, "").startswith(tuple(alphabets)) for sign in signs) / max(len(signs), 1)


def _decodes(head: bytes, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        decoder.decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _rows(text: str, delimiter: str) -> list[list[str]]:
    """Returns the first rows of a text; the last of many may be cut, so that it is left out."""
    rows = []
    with contextlib.suppress(csv.Error):  # a field longer than any table's: what was read before decides
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            if any(field.strip() for field in row):
                rows.append([field.strip() for field in row])
            if len(rows) > _HEAD_ROWS:
                break
    return rows[:-1] if len(rows) > _HEAD_ROWS else rows


def _looks_like_data(header: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    if len(set(header)) < len(header) - sum(not name for name in header) and not below:
        return False
    values = [name for name in header if _NUMBER.fullmatch(name) or _DATE.fullmatch(name)]
    if not values or not below:
        return False
    numeric = sum(
        bool(_NUMBER.fullmatch(name) or _DATE.fullmatch(name))
        and sum(bool(_NUMBER.fullmatch(row[at]) or _DATE.fullmatch(row[at])) for row in below) * 2 > len(below)
        for at, name in enumerate(header)
    )
    return numeric > 0 and numeric * 4 >= len(header)


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Returns names as the reader of delimited text gives them: repeated ones are numbered, empty ones by place."""
    times: Counter[str] = Counter()
    unique = []
    for name in names:
        times[name] += 1
        unique.append(name if times[name] == 1 else f"{name}_{times[name]}")
    return tuple(name or f"column{at}" for at, name in enumerate(unique, start=1))
