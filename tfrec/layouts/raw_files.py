"""Reads raw files of unknown layout, each group of files with equal columns as one stored table."""

import dataclasses
import functools
import itertools
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from tfrec.errors import RecipeError, SourceError, TfrecError
from tfrec.layouts.cells import Cells, describe_column
from tfrec.layouts.draft import Entry, FileNames
from tfrec.layouts.found_files import FoundFile
from tfrec.layouts.nested_paths import has_nested, keep_one_list, paths_of_objects, paths_of_schema
from tfrec.layouts.text_layout import decoded, find_encoding, find_text_layout
from tfrec.sources import FileSource, Source, Workspace
from tfrec.sources.cells import trimmed
from tfrec.sources.csv_layout import open_bytes

logger = logging.getLogger(__name__)

HEAD = 1 << 20
"""Bytes of a text file by which its layout is found."""

LOOKED_AT = 256 << 20
"""Bytes of a text file that are looked at; of a longer one the first."""

_ROWS = 2_000_000  # of a Parquet file
_OBJECTS = 2_000
_USUAL = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


@dataclasses.dataclass(frozen=True)
class RawFiles:
    """Files with equal columns, read as one table.

    Attributes:
        files: the files, in order.
        keys: keys that the recipe must state of them, with the reasons, `files` aside.
        how: the same as a source.
        columns: names of the columns, or paths of nested values.
        rows: rows that were read.
        table: stored table of text.
        is_part: only the first part of a long file was read.
        has_header: the files name their columns.
    """

    files: tuple[FoundFile, ...]
    keys: tuple[Entry, ...]
    how: Source
    columns: tuple[str, ...]
    rows: int
    table: ir.Table = dataclasses.field(repr=False)
    is_part: bool = False
    has_header: bool = True

    @property
    def shown(self) -> str:
        """Names of the files, for messages."""
        names = [file.shown for file in self.files]
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more with its columns"

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The keys of the files in a recipe."""
        names = FileNames(tuple(file.path for file in self.files), tuple(file.member for file in self.files))
        part = f"; the first {self.rows:,} were looked at" if self.is_part else ""
        why = f"{self.rows:,} rows{part}" if not self.is_part else f"long files{part}"
        return (Entry("files", names, why), *self.keys)

    def has(self, *names: str) -> bool:
        """Returns whether the files have all these columns."""
        return set(names) <= set(self.columns)

    def first(self, *names: str) -> str:
        """Returns the first of the names that is a column, or an empty text."""
        return next((name for name in names if name in self.columns), "")

    def cells(self, name: str) -> Cells:
        """Returns what the cells of a column hold."""
        return self._described(name)

    def joined(self, *names: str) -> Cells:
        """Returns what the cells of several columns hold together, parted by blanks, as a recipe joins them."""
        return self.cells(names[0]) if len(names) == 1 else self._described_jointly(names)

    def is_filled(self, name: str) -> bool:
        """Returns whether there is such a column, and any of its cells holds something."""
        return name in self.columns and self.cells(name).filled > 0

    @functools.cached_property
    def _described(self) -> Any:
        @functools.cache
        def described(name: str) -> Cells:
            return describe_column(self.table, name, rows=self.rows, missing=self.how.missing)

        return described

    @functools.cached_property
    def _described_jointly(self) -> Any:
        @functools.cache
        def described(names: tuple[str, ...]) -> Cells:
            text = trimmed(self.table[names[0]])
            for name in names[1:]:
                text = text + " " + trimmed(self.table[name])
            table = self.table.mutate(**{"_joined": text.strip()})
            return describe_column(table, "_joined", rows=self.rows, missing=self.how.missing)

        return described


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How a file has to be read."""

    file: FoundFile
    keys: tuple[Entry, ...]
    columns: tuple[str, ...]
    has_header: bool = True
    is_nested: bool = False

    @property
    def kind(self) -> tuple[Any, ...]:
        """Equal for files that are read together."""
        return self.columns, tuple((entry.key, str(entry.value)) for entry in self.keys)


def read_raw_files(
    files: Sequence[FoundFile], workspace: Workspace
) -> tuple[list[RawFiles], list[tuple[FoundFile, str]]]:
    """Returns the files as tables, and those that are none, each with the reason.

    Args:
        files: the files.
        workspace: where the tables are stored.

    Raises:
        SourceError: not one of the files is a table.
    """
    plans: dict[Any, list[_Plan]] = {}
    failed: list[tuple[FoundFile, str]] = []
    for file in files:
        try:
            plan = _plan(file)
        except (TfrecError, OSError, ValueError, pa.ArrowException) as error:
            failed.append((file, _sentence(error)))
        else:
            plans.setdefault(plan.kind, []).append(plan)
    tables: list[RawFiles] = []
    for group in plans.values():
        try:
            tables.append(_read(group, workspace, name=f"raw_{len(tables)}_{len(failed)}"))
        except (TfrecError, OSError, ValueError, pa.ArrowException) as error:
            failed += [(plan.file, _sentence(error)) for plan in group]
    if not tables:
        file, reason = failed[0]
        more = f" ({len(failed) - 1} further files are no tables either)" if len(failed) > 1 else ""
        raise SourceError(reason if file.shown in reason else f"{file.shown} cannot be read: {reason}{more}")
    return tables, failed


def _plan(file: FoundFile) -> _Plan:
    ending = file.endings[-1] if file.endings else ""
    if ending == ".parquet":
        paths = keep_one_list(_with_keys(file.content))
        return _Plan(file, (), tuple(paths), is_nested=has_nested(paths))
    if ending == ".xlsx":
        raise SourceError(f"{file.shown} is a workbook: save the sheet as CSV and name that.")
    head = _head(file)
    encoding = find_encoding(head, shown=file.shown)
    text = decoded(head, encoding)
    if ending in (".jsonl", ".ndjson", ".json") or text.lstrip("\ufeff \n\t")[:1] == "{":
        objects = [*itertools.islice(_objects(text, file.shown), _OBJECTS)]
        keys = [Entry("format", "jsonl")] if ending not in (".jsonl", ".ndjson") else []
        paths = keep_one_list(paths_of_objects(objects))
        return _Plan(file, (*keys, *_encoding_entry(encoding)), tuple(paths), is_nested=has_nested(paths))
    layout = find_text_layout(text, encoding=encoding, shown=file.shown)
    keys = [*([] if ending in (*_USUAL, ".txt") else [Entry("format", "csv")]), *_encoding_entry(encoding)]
    if layout.delimiter != _USUAL.get(ending, ","):
        sign = {"\t": "a tab", ";": "a semicolon", "|": "a bar", ",": "a comma"}.get(layout.delimiter, "this sign")
        keys.append(Entry("delimiter", layout.delimiter, f"{sign} cuts the lines into {len(layout.columns)} fields"))
    if not layout.has_header:
        why = "the first line holds values, so that the columns have no names: put them here, in order"
        keys.append(Entry("header", list(layout.columns), why))
    return _Plan(file, tuple(keys), layout.columns, layout.has_header)


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
    stripped = text.lstrip("\ufeff \n\t")
    if stripped[:1] == "[":
        raise SourceError(f"{shown} holds one list: write an object a line (jq -c '.[]' FILE > rows.jsonl).")
    lines = stripped.splitlines()
    num_objects = 0
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            num_objects += 1
            yield entry
    if not num_objects:
        raise SourceError(f"{shown} must hold one JSON object a line; not one line is.")


def _with_keys(path: Path) -> list[str]:
    """Returns the paths of a Parquet file, with the keys of its lists of keys and values."""
    paths = paths_of_schema(pq.read_schema(path))
    if not any("[key=*]" in path for path in paths):
        return paths
    rows = next(pq.ParquetFile(path).iter_batches(batch_size=_OBJECTS), None)
    seen = paths_of_objects(rows.to_pylist()) if rows is not None else []
    return [path for path in paths if "[key=*]" not in path] + [path for path in seen if "[key=" in path]


def _read(plans: Sequence[_Plan], workspace: Workspace, *, name: str) -> RawFiles:
    first = plans[0]
    stated: dict[str, Any] = {
        entry.key: tuple(entry.value) if entry.key == "header" else entry.value for entry in first.keys
    }
    how = Source(**stated)
    if first.is_nested:
        raise RecipeError(f"{first.file.shown} holds nested values.")
    parts = [_first_part(plan.file, workspace.scratch / f"{name}_{at}") for at, plan in enumerate(plans)]
    raw = FileSource(how, tuple(parts)).read(workspace, name=name, wanted=first.columns)
    names = tuple(column for column in raw.table.columns if not column.startswith("_file") and column != "_row")
    return RawFiles(
        tuple(plan.file for plan in plans),
        first.keys,
        how,
        tuple(column for column in names if column in first.columns),
        int(raw.table.count().execute()),
        raw.table,
        any(part != plan.file.content for part, plan in zip(parts, plans, strict=True)),
        first.has_header,
    )


def _first_part(file: FoundFile, target: Path) -> Path:
    """Returns the file, or a copy of its first part where it is long."""
    path = file.content
    if file.endings and file.endings[-1] == ".parquet":
        whole = pq.ParquetFile(path)
        if whole.metadata.num_rows <= _ROWS:
            return path
        target = target.with_suffix(".parquet")
        with pq.ParquetWriter(target, whole.schema_arrow) as writer:
            rows = 0
            for batch in whole.iter_batches():
                writer.write_batch(batch)
                rows += len(batch)
                if rows >= _ROWS:
                    return target
        return target
    with open_bytes(path) as stream:
        if path.stat().st_size <= LOOKED_AT // 16:  # even packed it is no longer
            return path
        target = target.with_name(f"{target.name}{''.join(file.endings[-1:])}")
        written = 0
        with target.open("wb") as part:
            for block in iter(lambda: stream.read(1 << 22), b""):
                if written + len(block) > LOOKED_AT:
                    part.write(block[: block.rfind(b"\n") + 1])
                    return target
                written += part.write(block)
    target.unlink()
    return path


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
