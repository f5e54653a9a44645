"""Finds how a raw file of unknown layout has to be read, and what its columns are called."""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tfrec.errors import SourceError
from tfrec.layouts.draft import Entry
from tfrec.layouts.found_files import SPREADSHEETS, FoundFile
from tfrec.layouts.nested_paths import keep_one_list, paths_of_objects, paths_of_schema
from tfrec.layouts.text_layout import decoded, find_encoding, find_text_layout
from tfrec.sources.csv_layout import open_bytes

HEAD = 1 << 20
"""Bytes of a text file by which its layout is found."""

_OBJECTS = 2_000
_USUAL = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_LINES = (".jsonl", ".ndjson")
_SIGNS = {"\t": "a tab", ";": "a semicolon", "|": "a bar", ",": "a comma"}


@dataclasses.dataclass(frozen=True)
class ReadingPlan:
    """How a file has to be read.

    Attributes:
        file: the file.
        keys: keys that a recipe must state of it, with the reasons.
        columns: names of its columns, or paths of nested values; empty = they are found when it is read.
        has_header: the file names its columns.
    """

    file: FoundFile
    keys: tuple[Entry, ...]
    columns: tuple[str, ...] = ()
    has_header: bool = True

    @property
    def kind(self) -> tuple[Any, ...]:
        """Equal for files that are read together."""
        own = () if self.columns else (self.file.shown,)
        return (self.columns, *own, *((entry.key, str(entry.value)) for entry in self.keys))


def plan_reading(file: FoundFile) -> list[ReadingPlan]:
    """Returns how a file has to be read: once, or once a sheet of a spreadsheet.

    Raises:
        SourceError: it is no table.
    """
    ending = file.endings[-1] if file.endings else ""
    if ending == ".parquet":
        return [ReadingPlan(file, (), tuple(keep_one_list(_paths_of_parquet(file.content))))]
    if ending in SPREADSHEETS:
        return [ReadingPlan(file, keys) for keys in _sheets(file)]
    if ending == ".xml":
        return [ReadingPlan(file, ())]
    head = _head(file)
    encoding = find_encoding(head, shown=file.shown)
    text = decoded(head, encoding).removeprefix("\ufeff")
    if ending in (*_LINES, ".json") or text.lstrip()[:1] == "{":
        objects = [*itertools.islice(_objects(text, file.shown), _OBJECTS)]
        keys = [Entry("format", "jsonl")] if ending not in (*_LINES, ".json") else []
        paths = keep_one_list(paths_of_objects(objects))
        return [ReadingPlan(file, (*keys, *_encoding_entry(encoding)), tuple(paths))]
    return [_plan_text(file, text, encoding, ending)]


def _plan_text(file: FoundFile, text: str, encoding: str, ending: str) -> ReadingPlan:
    layout = find_text_layout(text, encoding=encoding, shown=file.shown)
    keys = [*([] if ending in (*_USUAL, ".txt") else [Entry("format", "csv")]), *_encoding_entry(encoding)]
    if layout.delimiter != _USUAL.get(ending, ","):
        sign = _SIGNS.get(layout.delimiter, "this sign")
        keys.append(Entry("delimiter", layout.delimiter, f"{sign} cuts the lines into {len(layout.columns)} fields"))
    if not layout.has_header:
        why = "the first line holds values, so that the columns have no names: put them here, in order"
        keys.append(Entry("header", list(layout.columns), why))
    return ReadingPlan(file, tuple(keys), layout.columns, layout.has_header)


def _encoding_entry(encoding: str) -> list[Entry]:
    if encoding in ("utf-8", "utf-16"):  # both are found by the reader
        return []
    why = "the file is not UTF-8; its bytes above 127 fit this one. Check names with accents"
    return [Entry("encoding", encoding, why)]


def _head(file: FoundFile) -> bytes:
    try:
        with open_bytes(file.content) as stream:
            return stream.read(HEAD)
    except (OSError, EOFError) as error:
        raise SourceError(f"{file.shown} cannot be unpacked: {error}. Get the data again.") from error


def _objects(text: str, shown: str) -> Iterator[Mapping[str, Any]]:
    """Yields the first objects of a file: of its list, or one a line."""
    found = _entries_of_list(text) if text.lstrip()[:1] == "[" else _objects_of_lines(text)
    num_objects = 0
    for entry in found:
        if isinstance(entry, dict):
            num_objects += 1
            yield entry
    if not num_objects:
        raise SourceError(f"{shown} must hold one JSON object a line, or one list of objects; it holds none.")


def _objects_of_lines(text: str) -> Iterator[Any]:
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            continue


def _entries_of_list(text: str) -> Iterator[Any]:
    """Yields the entries of a list, the last of which may be cut."""
    decoder = json.JSONDecoder()
    at = text.index("[") + 1
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            entry, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        yield entry


def _paths_of_parquet(path: Path) -> list[str]:
    """Returns the paths of a Parquet file, or of the first in a folder, with the keys of lists of keys and values."""
    if path.is_dir():
        path = min(path.rglob("*.parquet"))
    paths = paths_of_schema(pq.read_schema(path))
    if not any("[key=*]" in name for name in paths):
        return paths
    rows = next(pq.ParquetFile(path).iter_batches(batch_size=_OBJECTS), None)
    seen = paths_of_objects(rows.to_pylist()) if rows is not None else []
    return [name for name in paths if "[key=*]" not in name] + [name for name in seen if "[key=" in name]


def _sheets(file: FoundFile) -> list[tuple[Entry, ...]]:
    """Returns the keys by which each visible sheet is read; none where there is one alone."""
    try:
        import python_calamine as calamine
    except ImportError:
        return [()]  # reading it states what is missing
    try:
        book = calamine.CalamineWorkbook.from_path(str(file.content))
    except (calamine.CalamineError, OSError) as error:
        raise SourceError(f"{file.shown} cannot be read as a spreadsheet: {error}. Save it as CSV.") from error
    visible = [
        sheet.name
        for sheet in book.sheets_metadata
        if sheet.visible == calamine.SheetVisibleEnum.Visible and sheet.typ == calamine.SheetTypeEnum.WorkSheet
    ]
    filled = [name for name in visible if book.get_sheet_by_name(name).height > 1]
    if len(visible) <= 1 or not filled:
        return [()]
    return [(Entry("sheet", name),) for name in filled]
