"""Reads raw files of unknown layout, each group of files with equal columns as one stored table."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from tfrec.errors import SourceError, TfrecError
from tfrec.layouts.cells import Cells, describe_column
from tfrec.layouts.databases import LOOKED_AT as DATABASE_ROWS
from tfrec.layouts.draft import Entry, FileNames
from tfrec.layouts.first_parts import first_bytes, first_rows
from tfrec.layouts.found_files import SPREADSHEETS, FoundFile
from tfrec.layouts.reading_plans import ReadingPlan, plan_reading
from tfrec.sources import FILE, ROW, FileSource, Source, Workspace
from tfrec.sources.cells import trimmed

LOOKED_AT = 256 << 20
"""Bytes of a text file that are looked at; of a longer one the first."""

_ROWS = 2_000_000  # of a Parquet file


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
        if (rows := self.files[0].database) is not None:
            why = f"{self.rows:,} rows" if self.rows < DATABASE_ROWS else f"the first {self.rows:,} rows were looked at"
            return (Entry("url", rows, why), *self.keys)
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
    plans: dict[Any, list[ReadingPlan]] = {}
    failed: list[tuple[FoundFile, str]] = []
    for file in files:
        try:
            file_plans = plan_reading(file)
        except (TfrecError, OSError, ValueError, pa.ArrowException) as error:
            failed.append((file, _sentence(error)))
        else:
            for plan in file_plans:
                plans.setdefault((plan.kind, file.database), []).append(plan)
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


def _read(plans: Sequence[ReadingPlan], workspace: Workspace, *, name: str) -> RawFiles:
    first = plans[0]
    stated: dict[str, Any] = {
        entry.key: tuple(entry.value) if entry.key == "header" else entry.value for entry in first.keys
    }
    how = Source(**stated)
    parts = [_first_part(plan.file, workspace.scratch / f"{name}_{at}") for at, plan in enumerate(plans)]
    files = [path for part in parts for path in (sorted(part.rglob("*.parquet")) if part.is_dir() else [part])]
    raw = FileSource(how, tuple(files)).read(workspace, name=name, wanted=first.columns).as_text()
    names = [column for column in raw.table.columns if column not in (FILE, ROW)]
    return RawFiles(
        tuple(plan.file for plan in plans),
        first.keys,
        how,
        tuple(
            column for column in names if column in first.columns or not first.columns or first.file.content.is_dir()
        ),
        int(raw.table.count().execute()),
        raw.table,
        any(part != plan.file.content for part, plan in zip(parts, plans, strict=True)),
        first.has_header,
    )


def _first_part(file: FoundFile, target: Path) -> Path:
    """Returns the file, or a copy of its first part where it is long."""
    path = file.content
    ending = file.endings[-1] if file.endings else ""
    if path.is_dir() or ending in (*SPREADSHEETS, ".json", ".xml"):
        return path
    if ending == ".parquet":
        return first_rows(path, target.with_suffix(".parquet"), rows=_ROWS)
    return first_bytes(path, target.with_name(f"{target.name}{ending}"), limit=LOOKED_AT)


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
