"""Recognises logs that are no tables: matrices of baskets, labels by codes, baskets in JSON."""

import dataclasses
import gzip
import itertools
import re
import zipfile
from collections.abc import Iterator, Sequence

from tfrec.layouts.draft import Entry, FileNames, Part, Section, column_section
from tfrec.layouts.found_files import FoundFile

_LINES = 50
_DIGITS = set("0123456789")
_CODE = re.compile(r"\S{1,20}")


@dataclasses.dataclass(frozen=True)
class Baskets:
    """A log of baskets.

    Attributes:
        part: the sections of the recipe.
        items: ids of some of its items; empty where the part describes them itself.
        unused: files that are no part of it.
    """

    part: Part
    items: tuple[str, ...]
    unused: tuple[FoundFile, ...]


def recognise_baskets(files: Sequence[FoundFile]) -> Baskets | None:
    """Returns the log of baskets in some files, or None where there is none."""
    for file in files:
        lines = _first_lines(file)
        if lines and all(re.match(r'\s*\{.*"basket"\s*:\s*\{', line) for line in lines):
            items = {item for line in lines for item in re.findall(r'"([^"]+)": ?\[', line)}
            return Baskets(
                _propose_json(file), tuple(sorted(items)), tuple(other for other in files if other is not file)
            )
    return _find_matrix(files)


def _propose_json(file: FoundFile) -> Part:
    entries = (
        Entry("files", FileNames((file.path,))),
        Entry("format", "baskets_json", "each line holds the baskets of a shopper, by date"),
        Entry("type", "purchase"),
        Entry("time_format", "%Y_%m_%d"),
    )
    columns = (
        Entry("user_id", "shopper", "number of the line"),
        Entry("order_id", "basket"),
        Entry("item_id", "item"),
        Entry("timestamp", "date"),
        Entry("sequence", "position", "of the basket among the shopper's"),
    )
    return Part(title="baskets in JSON", tables=(Section("events", entries), column_section("events", columns)))


def _find_matrix(files: Sequence[FoundFile]) -> Baskets | None:
    matrix = next((file for file in files if _matrix_width(file)), None)
    if matrix is None:
        return None
    width = _matrix_width(matrix)
    labels = {file.shown: _labels(file) for file in files if file is not matrix}
    named = next((file for file in files if len(labels.get(file.shown, [])) == width), None)
    if named is None:
        return None
    levels = [
        file
        for file in files
        if file is not matrix and file is not named and _covers(labels[file.shown], labels[named.shown])
    ]
    levels.sort(key=lambda file: -len(labels[file.shown][0]))
    entries = (
        Entry("files", _names([matrix, named]), f"a matrix of {width} columns, most cells 0, and as many names"),
        Entry("format", "basket_matrix"),
        Entry("type", "purchase", "each cell above 0 is an item in a basket"),
    )
    events = column_section("events", [Entry("order_id", "basket"), Entry("item_id", "item")])
    items = (
        Section("items", (Entry("files", _names([named, *levels])), Entry("format", "coded_labels"))),
        column_section(
            "items",
            [
                Entry("item_id", "item"),
                Entry("title", "name"),
                *([Entry("category", "category", "codes of the levels begin the items' codes")] if levels else []),
            ],
        ),
    )
    used = [matrix, named, *levels]
    part = Part(title="a matrix of baskets", tables=(Section("events", entries), events, *items))
    return Baskets(part, (), tuple(file for file in files if file not in used))


def _names(files: Sequence[FoundFile]) -> FileNames:
    return FileNames(tuple(file.path for file in files), tuple(file.member for file in files))


def _matrix_width(file: FoundFile) -> int:
    """Returns the number of columns of a matrix of small numbers, most of them 0; 0 for another file."""
    rows = [line.split() for line in _first_lines(file)]
    width = len(rows[0]) if rows else 0
    if width < 3 or not all(len(row) == width and set(row) <= _DIGITS for row in rows):
        return 0
    return width if sum(row.count("0") for row in rows) > 0.5 * width * len(rows) else 0


def _labels(file: FoundFile) -> list[str]:
    """Returns the codes of a file of codes and names; none of another file."""
    codes = []
    for line in _lines(file):
        code, _, name = line.partition("\t")
        if line.strip() and not (name and _CODE.fullmatch(code)):
            return []
        codes += [code] if name else []
    return codes


def _covers(codes: Sequence[str], items: Sequence[str]) -> bool:
    """Returns whether each item's code begins with one of the codes, all of one length."""
    widths = {len(code) for code in codes}
    if len(widths) != 1:
        return False
    width, known = widths.pop(), set(codes)
    return all(item[:width] in known for item in items)


def _first_lines(file: FoundFile) -> list[str]:
    return [line for line in itertools.islice(_lines(file), _LINES) if line.strip()]


def _lines(file: FoundFile) -> Iterator[str]:
    """Yields at most so many lines as a catalogue may have; none of a file that is no text."""
    if file.endings and file.endings[-1] in (".parquet", ".xlsx", ".xml"):
        return
    path = file.content
    try:
        with path.open("rb") as plain:
            is_packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if is_packed else path.open("rb") as stream:
            for line in itertools.islice(stream, 100_000):
                if len(line) > 10 << 20 or b"\0" in line:
                    return
                yield line.decode("utf-8", errors="replace").rstrip("\r\n")
    except (OSError, EOFError, zipfile.BadZipFile):
        return
