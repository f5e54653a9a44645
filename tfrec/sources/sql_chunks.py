"""Keeps the rows of a database as Parquet files, so that a reading that was killed goes on where it was."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from tfrec.sources.raw_table import RowsState
from tfrec.sources.sql_rows import SqlRows
from tfrec.sources.sql_text import as_text, key_from_text

logger = logging.getLogger(__name__)

CHUNK_ROWS = 20_000
_LAST, _ROWS, _CHANGED = b"tfrec.last_key", b"tfrec.rows", b"tfrec.changed"


@dataclasses.dataclass(frozen=True)
class _Kept:
    """What chunks of an earlier run hold: files, rows, the last key and the newest change at that time."""

    files: tuple[Path, ...] = ()
    rows: int = 0
    last: Any = None
    changed: str = ""


def read_chunks(
    rows: SqlRows, state: RowsState, folder: Path, *, wanted: Collection[str], size: int = CHUNK_ROWS
) -> list[Path]:
    """Returns Parquet files with the rows up to the state's last key, in order, below `folder`.

    Files that a killed run left there are used when they hold what the database has up to their last key: as many rows,
    and none that was changed since, as far as the column `changed` shows it.

    Args:
        rows: what to read.
        state: what was found at the beginning.
        folder: for the files; only its owner may read it, as it holds what the database holds.
        wanted: columns that must be text.
        size: rows of a file.

    Raises:
        SourceError: as `SqlRows.chunks`.
    """
    place = folder / _digest(rows, wanted)
    kept = _usable(rows, _find(place, state))
    if not kept.files:
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = list(kept.files)
    if files:
        logger.info("%s: %d rows of an interrupted run are used", rows.origin, kept.rows)
    if state.last is None:
        return files
    count = kept.rows
    with (
        ThreadPoolExecutor(1) as writer,
        tqdm(total=state.rows, initial=count, unit="row", unit_scale=True, delay=2.0, disable=None) as progress,
    ):
        progress.set_description(f"reading {rows.table or 'query'}")
        pending: Future[None] | None = None
        for chunk, last in rows.chunks(after=kept.last, until=state.last, size=size, wanted=wanted):
            count += len(chunk)
            path = place / f"{len(files):08d}.parquet"
            about = {_LAST: as_text(last) or "", _ROWS: str(count), _CHANGED: state.changed}
            if pending is not None:
                pending.result()  # at most one chunk waits, so that memory stays the same
            pending = writer.submit(_write, chunk.replace_schema_metadata(about), path)
            files.append(path)
            progress.update(len(chunk))
        if pending is not None:
            pending.result()
    if count != state.rows:
        logger.warning(
            "%s: %d rows were there at the beginning, %d were read: the table changed meanwhile.",
            rows.origin,
            state.rows,
            count,
        )
    return files


def _write(chunk: pa.Table, path: Path) -> None:
    part = path.with_suffix(".part")
    pq.write_table(chunk, part, compression="lz4")
    part.rename(path)


def _find(place: Path, state: RowsState) -> _Kept:
    """Returns what whole files hold, up to the first that is missing or broken; all others are removed."""
    files: list[Path] = []
    about: dict[bytes, bytes] = {}
    for path in sorted(place.glob("*.parquet")):
        if path.stem != f"{len(files):08d}":
            break
        try:
            about = pq.read_schema(path).metadata or {}
        except (pa.ArrowException, OSError):
            break
        files.append(path)
    if not files or state.last is None:
        return _Kept()
    try:
        last = key_from_text(about[_LAST].decode(), state.last)
        return _Kept(tuple(files), int(about[_ROWS]), last, about[_CHANGED].decode())
    except (KeyError, ValueError, ArithmeticError):
        return _Kept()


def _usable(rows: SqlRows, kept: _Kept) -> _Kept:
    if not kept.files:
        return kept
    now = rows.look(until=kept.last)
    is_same = now.rows == kept.rows and now.last == kept.last and now.changed <= kept.changed
    return kept if is_same else _Kept()


def _digest(rows: SqlRows, wanted: Collection[str]) -> str:
    parts = [rows.database.shown, rows.table, rows.query, rows.key, rows.changed, *sorted(wanted)]
    place = rows.database.url  # where variables lead, but not the password
    parts += [place.drivername, place.host or "", str(place.port or ""), place.database or ""]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def forget_chunks(folder: Path) -> None:
    """Removes the files of a reading that is done."""
    with contextlib.suppress(OSError):
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)


def chunk_folder(out: Path) -> Path:
    """Returns where the chunks of the prepared folder `out` lie: hidden beside it."""
    out = Path(os.path.abspath(out))  # noqa: PTH100, as a link must not be followed
    return out.parent / f".{out.name}.reading"
