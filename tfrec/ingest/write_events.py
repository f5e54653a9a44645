"""Writes the events before and after the split as folders of parts, of which only those are made that changed.

A file whose content is that of the folder before becomes a second name of it.
"""

import dataclasses
import os
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from tfrec.ingest.event_files import GROUP, NumberOfPlace, in_order_of_time, write_event_file
from tfrec.ingest.event_parts import ROWS, Day, Part, cut_parts, describe_days, digest_of
from tfrec.ingest.preparation import Preparation
from tfrec.ingest.session_parts import SessionParts
from tfrec.ingest.splits import LONGEST_ORDER, ORDERS_SPLIT
from tfrec.schema.tables import EVENT_COLUMNS
from tfrec.sources.file_format import FILE, ROW

_INDEX, _TAILS = "parts", "tail"
_SORTED_HERE = 1 << 22  # most events of a file that are put in order in memory; more are by the engine
_WRITERS = 2  # files at once: while one is compressed, the engine puts the rows of the next in order


@dataclasses.dataclass(frozen=True)
class _File:
    """A part of the events before or after the split.

    Attributes:
        name: in the prepared folder.
        part: its days.
        events: of training or test.
        rows: number of its events.
        digest: equal where its content is; "" where that is not known.
    """

    name: str
    part: Part
    events: ir.Table
    rows: int
    digest: str


def write_events(shop: Preparation) -> None:
    """Writes `events.parquet` and `test_events.parquet`, each a folder of at least one file, in the order of time."""
    kept = shop.workspace.kept
    contents = _contents(shop)
    days = describe_days(shop.events, has_digest=bool(contents))
    parts = cut_parts(days, rows=ROWS)
    chains = _chains(parts, days, contents)
    files = [
        *_files("events.parquet", shop.training, chains, contents, shop.moments.test_from),
        *_files("test_events.parquet", shop.test, chains, contents, shop.moments.test_from),
    ]
    index = kept.place_of(_INDEX, ()).with_suffix(".json") if kept is not None and contents else None
    known = (kept.find_made(index) or {}) if kept is not None and index is not None else {}
    for name in ("events.parquet", "test_events.parquet"):
        (shop.folder / name).mkdir()
    left = [file for file in files if not _reused(file, known.get(file.name), shop)]
    _write(left, shop, _session_numbers(shop, chains, left), [*chains])
    if kept is not None and index is not None:
        kept.write_facts(index, {file.name: _state(shop.folder / file.name, file) for file in files})


def _write(files: Sequence[_File], shop: Preparation, numbers: Mapping[Part, Path], parts: Sequence[Part]) -> None:
    """Writes files side by side.

    Args:
        files: the files.
        shop: has the events.
        numbers: see `_session_numbers`.
        parts: all parts.
    """
    workspace = shop.workspace

    def rows_of(file: _File) -> Iterator[pa.RecordBatch]:
        rows = file.part.rows_of(file.events)
        if file.rows > _SORTED_HERE:
            rows = rows.order_by("timestamp", FILE, ROW)
        return workspace.read_in_parts(rows.select(*EVENT_COLUMNS, FILE, ROW), rows=GROUP)

    def write(file: _File, rows: Iterator[pa.RecordBatch]) -> None:
        paths = [numbers[part] for part in _numbered_in(shop, parts, file)] if numbers else []
        in_order = rows if file.rows > _SORTED_HERE else in_order_of_time(rows)
        write_event_file(shop.folder / file.name, in_order, NumberOfPlace(paths))

    writers = _WRITERS if workspace.of_files is workspace else 1  # Spark answers one query after the other
    pool = ThreadPoolExecutor(writers)
    try:
        deque(pool.map(write, files, [rows_of(file) for file in files]), maxlen=0)  # raises the first error
    finally:
        pool.shutdown(cancel_futures=True)


def _contents(shop: Preparation) -> Sequence[str]:
    """Returns a text for each file that decides on the values of its events; none where other rows decide on them."""
    recipe = shop.recipe
    is_by_row = recipe.orders.by == "column" and recipe.clean.duplicates != "merge"
    return shop.tables["events"].contents if is_by_row else ()


def _chains(parts: Sequence[Part], days: Sequence[Day], contents: Sequence[str]) -> dict[Part, str]:
    """Returns part → digest of its events and of all earlier ones, on which the numbers of its sessions depend."""
    chains, chain = {}, ""
    for part in parts:
        chains[part] = chain = digest_of(part, days, files=contents, more=chain)
    return chains


def _files(
    folder: str,
    events: ir.Table,
    chains: Mapping[Part, str],
    contents: Sequence[str],
    test_from: pd.Timestamp,
) -> list[_File]:
    """Returns the files of one side of the split; without an event one that is empty."""
    days = describe_days(events, has_digest=bool(contents))
    files = []
    for part, chain in chains.items():
        if rows := sum(day.rows for day in days if part.holds(day.day)):
            digest = digest_of(part, days, files=contents, more=[folder, chain])
            files.append(_File(f"{folder}/{part.name}.parquet", part, events, rows, digest))
    if files:
        return files
    whole = Part(test_from.normalize())
    return [_File(f"{folder}/{whole.name}.parquet", whole, events, 0, "")]


def _reused(file: _File, known: Mapping[str, Any] | None, shop: Preparation) -> bool:
    """Returns whether a file that was written before has become one of this folder, without a copy."""
    earlier = shop.out / file.name
    if not known or not file.digest or known != _state(earlier, file):
        return False
    try:
        os.link(earlier, shop.folder / file.name)
    except OSError:  # a file system without links
        shutil.copy2(earlier, shop.folder / file.name)
    return True


def _state(path: Path, file: _File) -> dict[str, Any] | None:
    """Returns what is noted of a written file; None where there is none."""
    try:
        state = path.stat()
    except OSError:
        return None
    return {"digest": file.digest, "size": state.st_size, "mtime_ns": state.st_mtime_ns}


def _session_numbers(shop: Preparation, chains: Mapping[Part, str], left: Sequence[_File]) -> Mapping[Part, Path]:
    """Returns part → file with the numbers of its sessions, as far as files need them; none if sessions are named."""
    if shop.recipe.orders.by != "column":
        return {}
    kept, parts = shop.workspace.kept, [*chains]
    tails: dict[Part, Path] = {}
    known: set[Part] = set()
    if kept is not None and all(chains.values()):
        tails = {part: kept.place_of(_TAILS, (), how=chains[part]) for part in parts[:-1]}
        known = {part for part, place in tails.items() if kept.use(place)}
    sessions = SessionParts(shop.events, parts, tails, known, shop.recipe.sessions, shop.workspace)
    return sessions.number({part for file in left for part in _numbered_in(shop, parts, file)})


def _numbered_in(shop: Preparation, parts: Sequence[Part], file: _File) -> list[Part]:
    """Returns the parts whose events a file holds, by the moments at which these were numbered.

    Lines of an order that was split stand in the test period, and happened before.
    """
    earliest = file.part.first
    has_moved = any(note.code == ORDERS_SPLIT for note in shop.notes)
    if has_moved and file.events is shop.test and file.part.holds(shop.moments.test_from):
        earliest = min(earliest, shop.moments.test_from - pd.Timedelta(days=LONGEST_ORDER))
    span = Part(earliest, file.part.end)
    return [
        part
        for part in parts
        if (span.end is None or part.first < span.end) and (part.end is None or part.end > span.first)
    ] or [*parts[:1]]
