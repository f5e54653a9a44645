"""Tries a drafted recipe on samples of its files, in a folder that is gone afterwards."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import ibis
import pandas as pd
import pyarrow.parquet as pq

from tfrec.ingest.events import events_specs
from tfrec.ingest.prepare import prepare_folder
from tfrec.ingest.prepared import Manifest
from tfrec.ingest.raw_files import locate_files
from tfrec.ingest.read_table import read_table
from tfrec.ingest.recipes import read_recipe
from tfrec.layouts.databases import write_first_rows
from tfrec.layouts.draft import DatabaseRows, Draft, Entry, FileNames
from tfrec.layouts.first_parts import first_bytes, first_rows
from tfrec.layouts.found_files import SPREADSHEETS
from tfrec.layouts.toml_text import write_toml
from tfrec.sources import FILE, ROW, Workspace

SAMPLED = 64 << 20
"""Bytes of each text file that a sample holds at most."""

_PREVIEWED = 8 << 20
_ROWS = 500_000  # of a Parquet file
_ROWS_OF_TABLE, _ROWS_SHOWN = 200_000, 20_000  # of a database
_SHOWN = ("event_type", "timestamp", "user_id", "order_id", "item_id", "quantity", "price", "rating", "query", "reason")


@dataclasses.dataclass(frozen=True)
class Sample:
    """Samples of the files of a drafted recipe, with the recipe that reads them.

    Attributes:
        recipe: path of the recipe.
        folder: where all lies.
        is_part: some file is longer than its sample.
    """

    recipe: Path
    folder: Path
    is_part: bool


@contextlib.contextmanager
def take_sample(draft: Draft, *, limit: int = SAMPLED) -> Iterator[Sample]:
    """Yields samples of a draft's files: whole files, of longer ones the first rows.

    Args:
        draft: a recipe with events.
        limit: bytes of a text file.
    """
    with tempfile.TemporaryDirectory(prefix="tfrec-sample-") as name:
        folder = Path(name)
        names: dict[Path, Path] = {}
        draft, is_part = _with_first_rows(draft, folder, rows=_ROWS_OF_TABLE if limit == SAMPLED else _ROWS_SHOWN)
        for path in _files_of(draft):
            names.setdefault(path, _sample_of(path, folder / f"{len(names)}_{path.name}", limit=limit))
        recipe = folder / f"{draft.name}.toml"
        recipe.write_text(write_toml(draft, naming=lambda path: str(names[path].resolve())), encoding="utf-8")
        yield Sample(recipe, folder, is_part or any(path != sampled for path, sampled in names.items()))


def prepare_sample(draft: Draft, *, limit: int = SAMPLED) -> tuple[Manifest, bool]:
    """Returns what preparing a sample of a draft's files gives, and whether the sample is only a part of them.

    Raises:
        RecipeError: the recipe is not complete, or cannot be understood.
        SourceError: the files cannot be read by it.
    """
    with take_sample(draft, limit=limit) as sample:
        return prepare_folder(sample.recipe, sample.folder / "prepared"), sample.is_part


def preview_rows(draft: Draft, *, rows: int = 10) -> pd.DataFrame:
    """Returns the first rows as the drafted recipe reads them; `reason` is why a row would be set aside.

    Args:
        draft: a recipe with events.
        rows: number of rows.

    Raises:
        RecipeError: the recipe is not complete.
        SourceError: the files cannot be read by it.
    """
    is_joined = any(section.title.endswith(".join") for section in draft.sections)
    with take_sample(draft, limit=SAMPLED if is_joined else _PREVIEWED) as sample:
        written = read_recipe(sample.recipe)
        files = locate_files(written, data_home=None, reading=sample.folder / "reading")
        connection = ibis.duckdb.connect()
        try:
            workspace = Workspace(connection, sample.folder)
            checked = read_table(events_specs(written.recipe), files.sources["events"], workspace)
            mapped = {*written.recipe.event_columns, "reason", "event_type", "price"}
            first = checked.rows.order_by(FILE, ROW).limit(rows)
            frame = first.select(*(name for name in _SHOWN if name in mapped)).execute()
        finally:
            connection.disconnect()
    return frame.dropna(axis="columns", how="all")


def _with_first_rows(draft: Draft, folder: Path, *, rows: int) -> tuple[Draft, bool]:
    """Returns the draft with the first rows of tables of databases as files, and whether a table has more."""
    taken: dict[DatabaseRows, Path] = {}
    is_part = False

    def change(entry: Entry) -> Entry:
        nonlocal is_part
        if not isinstance(entry.value, DatabaseRows):
            return entry
        if entry.value not in taken:
            target = folder / f"rows_{len(taken)}.parquet"
            write_first_rows(entry.value, target, limit=rows)
            is_part = is_part or pq.ParquetFile(target).metadata.num_rows == rows
            taken[entry.value] = target
        return Entry("files", FileNames((taken[entry.value],)), entry.why)

    return draft.replaced(change), is_part


def _files_of(draft: Draft) -> list[Path]:
    values = [entry.value for section in draft.sections if not section.is_open for entry in section.entries]
    return [path for value in values if isinstance(value, FileNames) for path in value.paths]


def _sample_of(path: Path, target: Path, *, limit: int) -> Path:
    """Returns the file, or a copy of its first part."""
    if path.is_dir() or path.suffix in (*SPREADSHEETS, ".zip", ".json", ".xml"):
        return path
    if path.suffix == ".parquet":
        return first_rows(path, target, rows=_ROWS)
    plain = target.with_name(target.name.removesuffix(".gz").removesuffix(".zst"))
    return first_bytes(path, plain, limit=limit)
