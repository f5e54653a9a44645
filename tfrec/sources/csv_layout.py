"""Finds how a delimited text file is laid out: encoding, line ends, delimiter, and the line that names the columns."""

import codecs
import dataclasses
import gzip
import io
import itertools
import re
import shutil
import zlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

from tfrec.errors import EmptySourceError, SourceError
from tfrec.sources.dialect import LINE_ENDS, Dialect

DELIMITERS = (",", ";", "\t", "|")
"""Tried in this order where the recipe names none."""

_CHUNK = 1 << 22
_HEADER_SEARCH = 100  # lines: exports put a few title lines above the header, never pages
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclasses.dataclass(frozen=True)
class CsvLayout:
    r"""Where the data of a delimited text file begins and how its lines are cut.

    Attributes:
        path: UTF-8 text: the file itself, or a copy of it in UTF-8.
        origin: the file that the recipe names, for messages.
        delimiter: between fields.
        line_end: `"\n"` (a `"\r"` before it belongs to the line end), `"\r\n"` or `"\r"`.
        columns: names of the columns, each once.
        skipped: physical lines before the first data line, the header included.
        lines: physical lines of the file.
        has_bad_bytes: some bytes are not UTF-8.
    """

    path: Path
    origin: Path
    delimiter: str
    line_end: str
    columns: tuple[str, ...]
    skipped: int
    lines: int
    has_bad_bytes: bool

    def count_blank_lines(self) -> int:
        """Returns how many lines after the skipped ones hold no text."""
        with open_lines(self) as stream:
            return sum(not line.strip() for line in itertools.islice(stream, self.skipped, None))


def find_layout(
    path: Path, dialect: Dialect, *, wanted: Collection[str], default_delimiter: str, scratch: Path
) -> CsvLayout:
    """Returns the layout of a delimited text file.

    Title lines above the header are skipped: the header is the first of the leading lines that names all wanted
    columns, or else most of them. Excel's first line `sep=;` names the delimiter.

    Args:
        path: the file, plain or packed.
        dialect: what the recipe says.
        wanted: raw columns that the recipe maps.
        default_delimiter: tried first where the recipe names none.
        scratch: path of the UTF-8 copy that a file of another encoding needs.

    Raises:
        SourceError: the file is empty, cannot be unpacked, is not of the encoding, or names a column twice.
    """
    text = as_utf8(path, dialect.encoding, scratch)
    counts = _count(text, origin=path)
    line_end = LINE_ENDS.get(dialect.line_end, "\r" if counts.has_returns else "\n")
    lines = (counts.returns if line_end == "\r" else counts.newlines) + counts.ends_open
    start, delimiter = dialect.skip_lines, dialect.delimiter
    head = list(_first_lines(text, line_end, number=start + _HEADER_SEARCH))
    if len(head) <= start:
        raise SourceError(f"{path} has no more than {len(head)} lines. Correct `skip_lines` in the recipe.")
    if head[start].lower().startswith("sep=") and len(head[start].strip()) <= 5:
        start, delimiter = start + 1, head[start][4:5] or "\t"
    choices = (delimiter,) if delimiter else tuple(dict.fromkeys((default_delimiter, *DELIMITERS)))
    if dialect.header:
        chosen = max(choices, key=lambda sign: _fit(head[start:], sign, len(dialect.header)))
        columns: tuple[str, ...] = dialect.header
        skipped = start
    else:
        at, chosen = _find_header(head, start, choices, wanted)
        columns = unique_names(split_plainly(head[at], chosen), path=path, wanted=wanted)
        skipped = at + 1
    return CsvLayout(text, path, chosen, line_end, columns, skipped, lines, counts.has_bad_bytes)


def open_bytes(path: Path) -> IO[bytes]:
    """Opens a file for reading, unpacked where it is packed by gzip or Zstandard, whatever its name."""
    packing = find_packing(path)
    if packing == "gzip":
        return cast(IO[bytes], gzip.open(path))
    if packing == "zstd":
        import pyarrow as pa  # a collector of plain files starts without it

        return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))
    return path.open("rb")


def find_packing(path: Path) -> str:
    """Returns how a file is packed: `gzip`, `zstd` or `none`."""
    with path.open("rb") as stream:
        start = stream.read(4)
    return "gzip" if start.startswith(b"\x1f\x8b") else "zstd" if start == b"\x28\xb5\x2f\xfd" else "none"


def open_lines(layout: CsvLayout) -> IO[str]:
    """Opens the text of a layout to be read line by line; bytes that are not UTF-8 come as lone surrogates."""
    stream = open_bytes(layout.path)
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline=layout.line_end)


def split_plainly(line: str, delimiter: str) -> list[str]:
    """Returns the fields of one line, trimmed; quotes around a field go, a quoted delimiter stays.

    Example: `split_plainly('a,"b, c"', ",")` is `["a", "b, c"]`.
    """
    fields, start, is_open = [], 0, False
    for at, sign in enumerate(line):
        if sign == '"':
            is_open = not is_open
        elif sign == delimiter and not is_open:
            fields.append(line[start:at])
            start = at + 1
    fields.append(line[start:])
    return [_unquoted(field.strip("\ufeff \t\r\n\xa0")) for field in fields]


@dataclasses.dataclass(frozen=True)
class _Counts:
    newlines: int
    returns: int
    has_returns: bool  # the first line ends in a carriage return alone
    ends_open: bool  # the last line has no line end
    has_bad_bytes: bool


def _count(path: Path, *, origin: Path) -> _Counts:
    decoder = codecs.getincrementaldecoder("utf-8")()
    newlines = returns = 0
    has_bad_bytes = has_text = False
    last = first_end = b""
    try:
        with open_bytes(path) as stream:
            while chunk := stream.read(_CHUNK):
                newlines += chunk.count(b"\n")
                returns += chunk.count(b"\r")
                has_text = has_text or bool(chunk.strip())
                last = chunk[-1:]
                if not first_end and (line_end := re.search(rb"\r\n|\n|\r(?=.)", chunk, re.DOTALL)):
                    first_end = line_end.group()
                if not has_bad_bytes and (decoder.getstate()[0] or not chunk.isascii()):
                    try:
                        decoder.decode(chunk)
                    except UnicodeDecodeError:
                        has_bad_bytes = True
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{origin} cannot be unpacked: {error}. Get the data again.") from error
    if not has_text:
        raise EmptySourceError(f"{origin} is empty: it has no header line. Get the data again.")
    has_bad_bytes = has_bad_bytes or bool(decoder.getstate()[0])
    has_returns = first_end == b"\r" or (not newlines and returns > 0)
    return _Counts(newlines, returns, has_returns, last not in (b"\n", b"\r"), has_bad_bytes)


def _first_lines(path: Path, line_end: str, *, number: int) -> Iterator[str]:
    with open_bytes(path) as stream:
        text = stream.read(1 << 20).decode("utf-8", errors="replace").removeprefix("\ufeff")
    if text.count("\0") * 4 > len(text):
        side = "utf-16-be" if text.startswith("\0") else "utf-16-le"
        raise SourceError(f'{path} looks like UTF-16 without its mark. Set encoding = "{side}" in the recipe.')
    yield from (line.removesuffix("\r") for line in text.split(line_end)[:number])


def _find_header(head: list[str], start: int, choices: tuple[str, ...], wanted: Collection[str]) -> tuple[int, str]:
    """Returns the number of the header line and its delimiter."""
    best = (-1, start, choices[0])
    for at in range(start, len(head)):
        for sign in choices:
            num_wanted = len(set(wanted) & set(split_plainly(head[at], sign)))
            if num_wanted > max(best[0], 0):
                best = (num_wanted, at, sign)
        if best[0] == len(set(wanted)) > 0:
            break
    if best[0] > 0:
        return best[1], best[2]
    first = next((at for at in range(start, len(head)) if head[at].strip()), start)
    return first, max(choices, key=lambda sign: head[first].count(sign))


def _fit(head: list[str], sign: str, width: int) -> int:
    """Returns how many of the first lines have `width` fields."""
    return sum(len(split_plainly(line, sign)) == width for line in head[:20])


def unique_names(names: Sequence[str], *, path: Path, wanted: Collection[str]) -> tuple[str, ...]:
    """Returns the names of a header, each once: a repeated one gets a number, an empty one becomes `column3`.

    Raises:
        SourceError: a wanted name stands twice.
    """
    times: dict[str, int] = {}
    unique = []
    for name in names:
        times[name] = times.get(name, 0) + 1
        if times[name] > 1 and name in wanted:
            raise SourceError(f"{path} has the column {name!r} twice. Rename one of them in its header.")
        unique.append(name if times[name] == 1 else f"{name}_{times[name]}")
    return tuple(name or f"column{at}" for at, name in enumerate(unique, start=1))


def as_utf8(path: Path, encoding: str, target: Path) -> Path:
    """Returns the file, or `target`, which becomes a copy of it in UTF-8 where it is of another encoding.

    Raises:
        SourceError: it cannot be unpacked, or is not of the encoding.
    """
    if codecs.lookup(encoding).name == "utf-8":
        with open_bytes(path) as stream:
            try:
                start = stream.read(2)
            except (OSError, EOFError, zlib.error) as error:
                raise SourceError(f"{path} cannot be unpacked: {error}. Get the data again.") from error
        if start not in _UTF16:
            return path
        encoding = "utf-16"  # what Excel calls "Unicode text"
    try:
        with (
            codecs.getreader(encoding)(open_bytes(path)) as reader,
            target.open("w", encoding="utf-8", newline="") as writer,
        ):
            shutil.copyfileobj(reader, writer, length=1 << 20)
    except (gzip.BadGzipFile, EOFError, zlib.error, OSError) as error:
        raise SourceError(f"{path} cannot be unpacked: {error}. Get the data again.") from error
    except UnicodeError as error:
        reason = getattr(error, "reason", error)
        raise SourceError(f"{path} is not {encoding}: {reason}. Correct `encoding` in the recipe.") from error
    return target


def _unquoted(field: str) -> str:
    if len(field) >= 2 and field[0] == field[-1] == '"':
        return field[1:-1].replace('""', '"').strip()
    return field
