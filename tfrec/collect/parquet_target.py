"""Keeps events in a folder of Parquet files, each once by its id.

FOLDER/
    .writer                     held by the process that writes
    collected.json              how far files are read, number of the last journal that became Parquet
    journal/00000007.jsonl      one line a commit, synced before it is acknowledged
    events/00000006.parquet     whole journals, by rename: a reader never sees an event twice
    impressions/, rejected/     likewise
    ids/00000006.ids            sorted digests of the event ids
"""

import contextlib
import datetime as dt
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tfrec.collect.batches import (
    COLUMNS,
    EVENT_COLUMNS,
    IMPRESSION,
    IMPRESSION_COLUMNS,
    Batch,
    Collected,
    Position,
)
from tfrec.collect.id_index import IdIndex, digest_of, read_digests, sorted_digests
from tfrec.errors import SourceError
from tfrec.publish.locks import HeldError, holding

_STATE, _FORMAT = "collected.json", 1
_PARTS = ("journal", "events", "impressions", "rejected", "ids")
_GROUP = 50_000  # rows of a row group
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
_TYPES = {
    **dict.fromkeys(("quantity", "price", "rating", "propensity"), pa.float64()),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "received_at": pa.timestamp("us", tz="UTC"),
    "position": pa.int32(),
    "place": pa.int64(),
}
_REJECTED = {"origin": 0, "place": 1, "reason": 2, "line": 3, "received_at": 4}


class ParquetTarget:
    """Keeps events in a folder; one process at a time.

    Args:
        folder: made where it is missing.
        rows: events after which a journal becomes Parquet.
        seconds: time after which it does.
        window_days: ids of events that were kept within so many days are known; 0 = of all, at 16 bytes an id.
        key_check: check word of the key of pseudonyms, `""` without one; a folder has one key.

    Raises:
        SourceError: another process writes there, or the folder holds something else.
    """

    def __init__(
        self,
        folder: Path,
        *,
        rows: int = 500_000,
        seconds: float = 60.0,
        window_days: float = 0.0,
        key_check: str = "",
    ) -> None:
        self.folder, self._max_rows, self._max_seconds = folder, rows, seconds
        self._open_resources = contextlib.ExitStack()
        _check_place(folder)
        for name in _PARTS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        try:
            self._open_resources.enter_context(holding(folder / ".writer"))
        except HeldError as error:
            raise SourceError(
                f"{folder} is being written by another tfrec ({error}). Wait until it has ended."
            ) from None
        self._positions: dict[str, Position] = {}
        self._number = 0
        self._key_check = key_check
        self._journal: IO[bytes] | None = None
        self._rows = 0
        self._began = 0.0
        try:
            self._read_state()
            self._recover()
            self._index = self._read_index(window_days)
        except BaseException:
            self._open_resources.close()
            raise

    def positions(self) -> Mapping[str, Position]:
        """Returns path of a file → how far it was read."""
        return dict(self._positions)

    def prepare(self, batch: Batch) -> Batch:
        """Returns the batch: which of its rows are new is known only when the one before is kept."""
        return batch

    def commit(self, batch: Batch) -> Collected:
        """Appends what is new to the journal and syncs it."""
        digests = [digest_of(str(row[0])) for row in batch.rows]
        fresh = self._index.unknown(digests)
        rows = [row for row, is_new in zip(batch.rows, fresh, strict=True) if is_new]
        if rows or batch.rejected or batch.positions:
            self._append(rows, batch)
        self._index.add(digest for digest, is_new in zip(digests, fresh, strict=True) if is_new)
        self._positions |= batch.positions
        self._rows += len(rows) + len(batch.rejected)
        self.roll_if_due()
        return Collected(len(rows), len(batch.rows) - len(rows), Counter(line.reason for line in batch.rejected))

    def roll_if_due(self) -> None:
        """Makes Parquet of the journal when it is long or old enough."""
        if self._rows >= self._max_rows or (self._rows and time.monotonic() - self._began >= self._max_seconds):
            self._roll()

    def close(self) -> None:
        """Makes Parquet of the journal, and lets another process write."""
        try:
            self._roll()
        finally:
            self._open_resources.close()

    def _append(self, rows: Sequence[Any], batch: Batch) -> None:
        if self._journal is None:
            path = self._path("journal", self._number, "jsonl")
            self._journal = path.open("wb")
            _sync_folder(path.parent)
            self._began = time.monotonic()
        about = {
            "at": dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(" ", "microseconds"),
            "rejected": [(line.origin, line.place, line.reason, line.line) for line in batch.rejected],
            "positions": {path: vars(at) for path, at in batch.positions.items()},
        }
        text = f'{{"about":{_ENCODER.encode(about)},"rows":{_ENCODER.encode(rows)}}}\n'
        before = self._journal.seek(0, os.SEEK_CUR)
        try:
            self._journal.write(text.encode("utf-8", "replace"))
            self._journal.flush()
            os.fsync(self._journal.fileno())
        except OSError:
            # What was written of it, as far as the disk had room, must not stand before the next commit.
            with contextlib.suppress(OSError):
                self._journal.seek(before)
                self._journal.truncate()
            raise

    def _roll(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
            self._convert(self._number)
        self._rows = 0

    def _convert(self, number: int) -> None:
        """Makes Parquet of a journal. All files are written again when this was interrupted, with equal content."""
        journal = self._path("journal", number, "jsonl")
        positions: dict[str, Position] = {}
        digests: list[bytes] = []
        with contextlib.ExitStack() as stack:
            writers = {
                "events": _Writer(self._path("events", number, "parquet"), _places(EVENT_COLUMNS)),
                "impressions": _Writer(self._path("impressions", number, "parquet"), _places(IMPRESSION_COLUMNS)),
                "rejected": _Writer(self._path("rejected", number, "parquet"), _REJECTED),
            }
            for writer in writers.values():
                stack.callback(writer.abandon)
            for entry in _read_journal(journal):
                about, rows = entry["about"], entry["rows"]
                positions |= {path: Position(**at) for path, at in about["positions"].items()}
                digests += [digest_of(row[0]) for row in rows]
                received = about["at"]
                writers["events"].write([(*row, received) for row in rows if row[1] != IMPRESSION])
                writers["impressions"].write([(*row, received) for row in rows if row[1] == IMPRESSION])
                writers["rejected"].write([(*line, received) for line in about["rejected"]])
            for writer in writers.values():
                writer.close()
            _write(self._path("ids", number, "ids"), sorted_digests(digests).tobytes())
            for writer in writers.values():
                writer.publish()
        self._positions |= positions
        self._number = number + 1
        self._write_state()
        journal.unlink()

    def _recover(self) -> None:
        """Makes Parquet of what a killed process left in journals; an unfinished last line was never acknowledged."""
        for path in sorted((self.folder / "journal").glob("*.jsonl")):
            number = int(path.stem)
            if number < self._number:
                path.unlink()  # all of it is Parquet already
            else:
                self._convert(number)
        for path in self.folder.glob("*/*.part"):
            path.unlink()

    def _read_index(self, window_days: float) -> IdIndex:
        index = IdIndex()
        oldest = time.time() - window_days * 86_400 if window_days else 0.0
        for path in sorted((self.folder / "ids").glob("*.ids")):
            if path.stat().st_mtime >= oldest:
                index.add_run(read_digests(path.read_bytes()))
        return index

    def _read_state(self) -> None:
        path = self.folder / _STATE
        if not path.is_file():
            self._write_state()
            return
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            version, self._number, key = state["format"], state["next"], state["key_check"]
            self._positions = {name: Position(**at) for name, at in state["positions"].items()}
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{path} is damaged ({error!r}). Collect into a new folder.") from error
        if version != _FORMAT:
            raise SourceError(f"{self.folder} was written in format {version}; this program writes format {_FORMAT}.")
        if key != self._key_check:
            raise SourceError(
                f"{self.folder} holds user ids {'as pseudonyms under another key' if key else 'as they came'}. Give "
                "the same key as before (or none), or collect into another folder."
            )

    def _write_state(self) -> None:
        state = {
            "format": _FORMAT,
            "next": self._number,
            "key_check": self._key_check,
            "positions": {path: vars(at) for path, at in self._positions.items()},
        }
        _write(self.folder / _STATE, json.dumps(state, indent=1, ensure_ascii=False).encode())

    def _path(self, kind: str, number: int, ending: str) -> Path:
        return self.folder / kind / f"{number:08d}.{ending}"


class _Writer:
    """Writes rows into a Parquet file that appears when it is published; a file without rows does not appear."""

    def __init__(self, path: Path, columns: Mapping[str, int]) -> None:
        self._path, self._columns = path, columns
        self._part = path.with_suffix(".part")
        self._schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in columns])
        self._rows: list[Sequence[Any]] = []
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        self._rows += rows
        if len(self._rows) >= _GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()
            with self._part.open("rb") as file:
                os.fsync(file.fileno())

    def publish(self) -> None:
        if self._writer is not None:
            self._part.replace(self._path)
            _sync_folder(self._path.parent)
            self._writer = None

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        values = list(zip(*self._rows, strict=True))
        arrays = [_array(name, values[at]) for name, at in self._columns.items()]
        self._rows = []
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._part, self._schema, compression="zstd")
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))


def _places(columns: Sequence[str]) -> dict[str, int]:
    """Returns name → place in a row, behind which stands when it was received."""
    return {**{name: COLUMNS.index(name) for name in columns}, "received_at": len(COLUMNS)}


def _array(name: str, values: Sequence[Any]) -> pa.Array:
    if name in ("timestamp", "received_at"):
        return pa.array(values, pa.string()).cast(pa.timestamp("us")).cast(_TYPES[name])
    return pa.array(values, _TYPES.get(name, pa.string()))


def _read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the commits of a journal; what follows the last whole line was never acknowledged."""
    with path.open("rb") as stream:
        for line in stream:
            if not line.endswith(b"\n"):
                return
            yield json.loads(line)


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_place(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise SourceError(f"{folder} is a file, but a folder of collected events is to be written there.")
    if folder.is_dir() and not (folder / _STATE).is_file():
        foreign = [path.name for path in folder.iterdir() if path.name not in (".writer", "journal", "events", *_PARTS)]
        if foreign:
            raise SourceError(
                f"{folder} holds what was not collected there: {foreign[0]}. Name a new or an empty folder."
            )
