"""Writes ordered events as a Parquet file, their sessions named on the way."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tfrec.schema.tables import EVENT_COLUMNS
from tfrec.sources.file_format import FILE, ROW

GROUP = 1 << 17
"""Events of a row group, so that equal events give equal bytes however they come."""

_KINDS = {"str": pa.string(), "datetime64[us]": pa.timestamp("us"), "float32": pa.float32()}
_SCHEMA = pa.schema([(name, _KINDS[kind]) for name, kind in EVENT_COLUMNS.items()])
_PLACED = pa.schema([*_SCHEMA, (FILE, pa.int64()), (ROW, pa.int64())])
_FILE_BITS = 40  # a file has fewer rows than 2^40


class NumberOfPlace:
    """Looks up the numbers of the sessions of events by their place.

    Args:
        paths: files with `SESSION_NUMBERS`, in the order of the events; none where sessions have their names.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        tables = [pq.read_table(path, memory_map=True) for path in paths]
        parts = [(_places(table), table["_number"].to_numpy()) for table in tables]
        self._places = np.concatenate([np.zeros(0, np.int64), *(places for places, _ in parts)])
        self._numbers = np.concatenate([np.zeros(0, np.int32), *(numbers for _, numbers in parts)])
        self._next = 0
        self._order: np.ndarray | None = None

    def of(self, places: np.ndarray) -> np.ma.MaskedArray:
        """Returns `[n]` the numbers of the sessions, masked where a place has none.

        Mostly events come in the order in which they were numbered, one lookup behind the other.
        """
        if len(self._places) and len(places):
            for start in (self._next, *np.flatnonzero(self._places == places[0])[:1]):
                end = start + len(places)
                if np.array_equal(self._places[start:end], places):
                    self._next = end
                    return np.ma.array(self._numbers[start:end])
        if self._order is None:
            self._order = np.argsort(self._places)
            self._places, self._numbers = self._places[self._order], self._numbers[self._order]
        at = np.minimum(np.searchsorted(self._places, places), max(len(self._places) - 1, 0))
        if not len(self._places):
            return np.ma.masked_all(len(places), np.int32)
        return np.ma.array(self._numbers[at], mask=self._places[at] != places)


def in_order_of_time(events: Iterable[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Returns events by time, and those of one moment by file and row; most logs are in that order already."""
    batches = [*events]
    if not batches:
        return []
    table = pa.Table.from_batches(batches)
    moment, place = table["timestamp"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy(), _places(table)
    later = moment[1:] > moment[:-1]
    if (later | ((moment[1:] == moment[:-1]) & (place[1:] > place[:-1]))).all():
        return batches
    return table.take(np.lexsort([place, moment])).to_batches()


def write_event_file(path: Path, events: Iterable[pa.RecordBatch], numbers: NumberOfPlace) -> None:
    """Writes events with `_file` and `_row`, in their order; those without a session get the name of one.

    The session of a known user is `user/number`. A guest's events belong together only through their order; without one
    their session stays `""`.

    Args:
        path: the new file.
        events: batches of any size.
        numbers: of the sessions of these events.
    """
    with pq.ParquetWriter(path, _SCHEMA) as writer:
        for group in _groups(events):
            named = group.set_column(_SCHEMA.get_field_index("session_id"), "session_id", _sessions(group, numbers))
            writer.write_table(named.select(_SCHEMA.names), row_group_size=GROUP)


def _groups(events: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yields the events in tables of `GROUP` rows, the last one of fewer; at least one table."""
    waiting, size, is_first = [], 0, True
    for batch in events:
        waiting.append(pa.Table.from_batches([batch]).select(_PLACED.names).cast(_PLACED))
        size += len(batch)
        while size >= GROUP:
            together = pa.concat_tables(waiting)
            yield together.slice(0, GROUP).combine_chunks()
            waiting, size, is_first = [together.slice(GROUP)], size - GROUP, False
    if size or is_first:
        yield pa.concat_tables([_PLACED.empty_table(), *waiting]).combine_chunks()


def _sessions(events: pa.Table, numbers: NumberOfPlace) -> pa.ChunkedArray:
    """Returns the sessions of a table without chunks."""
    session, user, order = (pc.fill_null(events[name], "") for name in ("session_id", "user_id", "order_id"))
    is_open = pc.and_(pc.equal(session, ""), pc.not_equal(user, ""))
    place = np.flatnonzero(is_open.to_numpy())
    found = numbers.of(_places(events)[place])
    number = np.ma.masked_all(len(events), np.int32)
    number[place] = found
    number_text = pa.array(number.data, mask=np.ma.getmaskarray(number)).cast(pa.string())
    of_user = pc.binary_join_element_wise(user.combine_chunks(), number_text, "/")
    of_order = pc.if_else(pc.not_equal(order, ""), pc.binary_join_element_wise("order", order, "/"), "")
    return pc.if_else(pc.not_equal(session, ""), session, pc.coalesce(of_user, of_order.combine_chunks()))


def _places(events: pa.Table) -> np.ndarray:
    """Returns `[n]` file and row of events as one number."""
    file, row = (events[name].to_numpy().astype(np.int64) for name in (FILE, ROW))
    return (file << _FILE_BITS) | row
