"""Parses delimited text line by line, so that a bad line costs itself and no other.

The engine's reader is faster, but one stray quote makes it join lines that do not belong together. This parser is used
for the files in which the engine finds anything odd: each physical line is either part of a row or reported.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterator

from tfrec.errors import SourceError
from tfrec.sources.csv_layout import CsvLayout, open_lines
from tfrec.sources.file_format import NOT_UTF8, BadLine

_AMISS = "unreadable line (a quote opens or closes in the wrong place)"
_AMBIGUOUS = "unreadable line (whole rows, or one row with line breaks in quotes)"
_NEVER = "(?!)"  # matches nothing: where quotes are plain text no field is quoted
_MAX_JOINED = 1_000  # lines of one quoted field: longer texts are runaway quotes
_RUNAWAY_SHARE = 0.9  # of the lines in a quoted field that are whole rows: above, its quote is a slip
_FEW_LINES = 4  # so many whole rows may be one text with as many delimiters in each of its lines, by chance
_BAD_BYTES_SHARE = 0.01  # above: the file has another encoding; below: damaged lines


@dataclasses.dataclass(frozen=True)
class Quoting:
    """How fields are quoted.

    Attributes:
        quote: the sign around a field, or `""` where quotes are plain text.
        escape: the sign that makes a quote inside a quoted field text: the quote itself (doubled), or a backslash.
    """

    quote: str = '"'
    escape: str = '"'


def find_quoting(layout: CsvLayout, *, quote: str, escape: str) -> Quoting:
    r"""Returns how the file quotes its fields, from all of its lines.

    A quote inside a quoted field is doubled, unless that leaves lines that cannot be read and backslashes (`\"`) leave
    fewer. Quotes are plain text where neither can read all lines, every line has the right number of fields without
    regard to quotes, no field needs its quotes, and no column is quoted throughout: so a log of searches writes
    `"blue lamp` and `"blue lamp"`.

    Args:
        layout: layout of the file.
        quote: the recipe's `quote`: `auto`, `none` or a sign.
        escape: the recipe's `escape`: `auto`, `double` or `backslash`.
    """
    if quote == "none":
        return Quoting("", "")
    sign = '"' if quote == "auto" else quote
    doubled, by_backslash = Quoting(sign, sign), Quoting(sign, "\\")
    if escape != "auto":
        return by_backslash if escape == "backslash" else doubled
    amiss = _count_amiss(layout, doubled)
    if not amiss:
        return doubled
    evidence = _Evidence(layout, doubled)
    if evidence.has_backslashes and _count_amiss(layout, by_backslash) < amiss:
        return by_backslash
    return Quoting("", "") if quote == "auto" and evidence.is_plain else doubled


def read_rows(layout: CsvLayout, quoting: Quoting, bad: list[BadLine]) -> Iterator[list[str]]:
    """Yields the fields of each row; lines that are no rows are added to `bad`.

    A quoted field may span lines. It is taken as a runaway quote, which costs its first line alone, where nearly all
    lines that it spans are whole rows by themselves, where text follows its closing quote, or where it never ends.
    Where it spans few lines and each is a whole row, nothing says which reading is right: these lines are set aside.

    Args:
        layout: layout of the file.
        quoting: how its fields are quoted.
        bad: receives what is no row.

    Raises:
        SourceError: more than one line in a hundred is not UTF-8.
    """
    width, parser = len(layout.columns), _Parser(layout.delimiter, quoting)
    bad_bytes: list[BadLine] = []
    with open_lines(layout) as stream:
        lines = _Lines(itertools.islice(stream, layout.skipped, None), layout)
        for number, line in lines:
            if not line.strip():
                continue
            if not _is_utf8(line):
                bad_bytes.append(BadLine(number, NOT_UTF8, _shown(line)))
                continue
            fields, taken = parser.split(_without_return(line)), [line]
            if fields is None:
                fields, taken, reason = _join_lines(line, lines, parser, layout)
                if fields is None:
                    bad += [BadLine(number + at, reason, text) for at, text in enumerate(taken)]
                    continue
                if not all(map(_is_utf8, taken)):
                    bad_bytes += [BadLine(number + at, NOT_UTF8, _shown(text)) for at, text in enumerate(taken)]
                    continue
            if len(fields) > width and not any(fields[width:]):
                fields = fields[:width]  # a delimiter at the end of each line
            if len(fields) == width:
                yield fields
            else:
                bad.append(BadLine(number, f"unreadable line ({len(fields)} fields in place of {width})", line))
    _check_encoding(layout, bad_bytes)
    bad += bad_bytes


def _count_amiss(layout: CsvLayout, quoting: Quoting) -> int:
    """Returns the number of lines in which a quote opens or closes amiss."""
    bad: list[BadLine] = []
    for _ in read_rows(layout, quoting, bad):
        pass
    return sum(line.reason == _AMISS for line in bad)


class _Lines:
    """Numbered lines that can be given back."""

    def __init__(self, lines: Iterator[str], layout: CsvLayout) -> None:
        self._lines = lines
        self._end = layout.line_end
        self._next = layout.skipped + 1
        self._returned: list[str] = []  # the last one comes first

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return self

    def __next__(self) -> tuple[int, str]:
        line = self._returned.pop() if self._returned else next(self._lines).removesuffix(self._end)
        self._next += 1
        return self._next - 1, line

    def push_back(self, lines: list[str]) -> None:
        self._returned += reversed(lines)
        self._next -= len(lines)


class _Parser:
    """Splits one line into fields."""

    def __init__(self, delimiter: str, quoting: Quoting) -> None:
        self.delimiter, self.quote = delimiter, quoting.quote
        sign, between = re.escape(quoting.quote), re.escape(delimiter)
        self._escaped: re.Pattern[str] | None = None
        self._doubled = re.compile(sign * 2)
        if quoting.escape == "\\":
            inside, plain = rf"(?:[^{sign}\\]|\\.|{sign}{sign})*", rf"(?:[^{between}\\]|\\.)*\\?"
            self._escaped = re.compile(rf"\\([{sign}\\{between}])")
            self._doubled = re.compile(rf"(?<!\\){sign}{sign}")
        else:
            inside, plain = rf"(?:[^{sign}]|{sign}{sign})*", rf"[^{between}]*"
        self.special = tuple({quoting.quote, quoting.escape} - {""})
        self._opening = re.compile(rf" *{sign}" if sign else _NEVER)
        quoted = rf" *{sign}({inside}){sign} *(?={between}|\Z)"
        self._quoted = re.compile(quoted if sign else _NEVER, re.DOTALL)
        self._inside = re.compile(inside if sign else _NEVER, re.DOTALL)
        self._plain = re.compile(plain, re.DOTALL)

    def split(self, line: str) -> list[str] | None:
        """Returns the fields; None where a quote is not closed, or closed in the wrong place."""
        if not any(sign in line for sign in self.special):
            return line.split(self.delimiter)
        parsed = self.parse(line)
        return None if parsed is None else [text for text, _ in parsed]

    def parse(self, line: str) -> list[tuple[str, bool]] | None:
        """Returns the fields, each with whether it was quoted; None as `split`."""
        fields: list[tuple[str, bool]] = []
        at = 0
        while True:
            is_quoted = self._opening.match(line, at) is not None
            match = (self._quoted if is_quoted else self._plain).match(line, at)
            if match is None:
                return None
            fields.append((self._plain_text(match, is_quoted), is_quoted))
            at = match.end()
            if at >= len(line):
                return fields
            at += len(self.delimiter)
            if at == len(line):
                return [*fields, ("", False)]

    def stays_open(self, line: str) -> bool:
        """Returns whether a field that is open at the beginning of the line is open at its end, too."""
        return self.quote not in line or self._inside.fullmatch(line) is not None

    def closes(self, line: str) -> bool:
        """Returns whether a field that is open at the line's start ends in it, in a place where a field may end."""
        return self._quoted.match(self.quote + line) is not None

    def _plain_text(self, field: re.Match[str], is_quoted: bool) -> str:
        text = field.group(1) if is_quoted else field.group()
        if is_quoted and self.quote in text:
            text = self._doubled.sub(self.quote, text)
        if self._escaped is not None and "\\" in text:
            text = self._escaped.sub(r"\1", text)
        return text


def _join_lines(
    first: str, lines: _Lines, parser: _Parser, layout: CsvLayout
) -> tuple[list[str] | None, list[str], str]:
    """Returns the row that begins in `first` and ends in a later line; else None, the lines that it costs, and why."""
    between = len(layout.columns) - 1  # delimiters of a line that is a whole row
    taken = [first]
    cost = 1
    closings = 0
    for _, line in itertools.islice(lines, _MAX_JOINED):
        taken.append(line)
        if parser.stays_open(line):
            continue
        closings += 1
        if closings > between + 1:  # more fields than a row has
            break
        if not parser.closes(_without_return(line)):
            break
        fields = parser.split(_without_return(layout.line_end.join(taken)))
        if fields is None:  # another field opens in this line
            continue
        if len(fields) != between + 1:
            break
        whole = sum(text.count(parser.delimiter) == between for text in taken)
        if whole <= _RUNAWAY_SHARE * len(taken):
            return fields, taken, ""
        cost = len(taken) if len(taken) <= _FEW_LINES else 1
        break
    lines.push_back(taken[cost:])
    return None, taken[:cost], _AMBIGUOUS if cost > 1 else _AMISS


class _Evidence:
    """What all lines of a file say of its quoting.

    Attributes:
        has_backslashes: some line has a backslash before a quote.
        is_plain: quotes are plain text, as far as single lines show.
    """

    def __init__(self, layout: CsvLayout, quoting: Quoting) -> None:
        width, parser = len(layout.columns), _Parser(layout.delimiter, quoting)
        sign = quoting.quote
        rows = uneven = needed = 0
        quoted = [0] * width
        self.has_backslashes = False
        with open_lines(layout) as stream:
            for line in itertools.islice(stream, layout.skipped, None):
                line = _without_return(line.removesuffix(layout.line_end))
                rows += 1
                if sign not in line:
                    continue
                self.has_backslashes = self.has_backslashes or "\\" + sign in line
                uneven += line.count(layout.delimiter) != width - 1
                parsed = parser.parse(line)
                if parsed is None or len(parsed) != width:
                    continue
                for at, (text, is_quoted) in enumerate(parsed):
                    quoted[at] += is_quoted
                    needed += is_quoted and (layout.delimiter in text or sign in text)
        self.is_plain = not (uneven or needed or any(count * 2 > rows for count in quoted))


def _check_encoding(layout: CsvLayout, bad_bytes: list[BadLine]) -> None:
    data_lines = max(layout.lines - layout.skipped, 1)
    if len(bad_bytes) > _BAD_BYTES_SHARE * data_lines:
        raise SourceError(
            f"{layout.origin} is not UTF-8: {len(bad_bytes):,} of {data_lines:,} lines hold other bytes, the first is "
            f"line {bad_bytes[0].line} ({bad_bytes[0].text[:80]!r}). Name its encoding in the recipe: usual ones are "
            'encoding = "cp1252", "latin-1" or "gb18030".'
        )


def _without_return(line: str) -> str:
    """Returns a line without the carriage return that belongs to its end."""
    return line.removesuffix("\r")


def _is_utf8(line: str) -> bool:
    if line.isascii():
        return True
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _shown(line: str) -> str:
    return line.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
