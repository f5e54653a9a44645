"""Cuts a log by days into parts, each a file of its own, so that a day more leaves the files of earlier days alone."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from tfrec.sources.file_format import FILE, ROW

ROWS = 1 << 18
"""Events of a part: whole days are added to it until it has so many."""

_NEVER = np.iinfo(np.int64).max


@dataclasses.dataclass(frozen=True)
class Part:
    """Some days of a log.

    Attributes:
        first: midnight (UTC) of its first day.
        end: midnight of the day behind its last one; None: all that is later belongs to it.
    """

    first: pd.Timestamp
    end: pd.Timestamp | None = None

    @property
    def name(self) -> str:
        """Its first day: names in the order of the alphabet are in that of time."""
        return self.first.strftime("%Y-%m-%d")

    @property
    def end_us(self) -> int:
        """Its end in microseconds since 1970."""
        return _NEVER if self.end is None else int(self.end.to_datetime64().astype("datetime64[us]").astype(np.int64))

    def rows_of(self, events: ir.Table) -> ir.Table:
        """Returns the events of these days; nothing is before the first part."""
        rows = events.filter(events["timestamp"] >= _literal(self.first))
        return rows if self.end is None else rows.filter(rows["timestamp"] < _literal(self.end))

    def until(self, last: "Part") -> "Part":
        """Returns all from this part to a later one as one part."""
        return Part(self.first, last.end)

    def holds(self, day: pd.Timestamp) -> bool:
        """Returns whether a day is one of its."""
        return self.first <= day and (self.end is None or day < self.end)


@dataclasses.dataclass(frozen=True)
class Day:
    """What the events of one day (UTC) are, without a look at their values.

    Attributes:
        day: its midnight.
        rows: number of events.
        digest: of file, row and moment of all of them, in any order.
        last_file: highest number of their files.
    """

    day: pd.Timestamp
    rows: int
    digest: str
    last_file: int


def describe_days(events: ir.Table, *, has_digest: bool) -> list[Day]:
    """Returns the days that have events, in order; their digests, an operation of DuckDB, are `""` unless wanted."""
    digests = {}
    days = events.select(FILE, ROW, "timestamp", _day=events["timestamp"].date())
    if has_digest:
        place = ibis.struct({name: days[name] for name in (FILE, ROW, "timestamp")}).hash()
        days = days.mutate(_place=place)
        digests = {"digest": days["_place"].bit_xor().cast("string")}
    described = days.group_by("_day").aggregate(rows=days.count(), last_file=days[FILE].max(), **digests)
    return [
        Day(
            pd.Timestamp(row["_day"]).as_unit("us"), int(row["rows"]), str(row.get("digest", "")), int(row["last_file"])
        )
        for row in described.order_by("_day").to_pyarrow().to_pylist()
    ]


def cut_parts(days: Sequence[Day], *, rows: int) -> list[Part]:
    """Returns the parts of a log; what comes later changes none but the last.

    Args:
        days: in order.
        rows: events of a part at least, but for the last.

    Examples:
        >>> days = [Day(pd.Timestamp(f"2024-01-0{at}"), 5, "", 0) for at in (1, 2, 3, 8)]
        >>> [part.name for part in cut_parts(days, rows=10)]
        ['2024-01-01', '2024-01-03']
    """
    firsts: list[pd.Timestamp] = []
    size = rows
    for day in days:
        if size >= rows:
            firsts.append(day.day)
            size = 0
        size += day.rows
    return [Part(*bounds) for bounds in zip(firsts, [*firsts[1:], None], strict=True)]


def digest_of(part: Part, days: Sequence[Day], *, files: Sequence[str], more: Any = ()) -> str:
    """Returns a digest of the events of a part; "" where nothing is known of the files' contents.

    Args:
        part: the part.
        days: of all events.
        files: a text for each file that decides on the values of its rows.
        more: all else that decides.
    """
    if not files:
        return ""
    own = [day for day in days if part.holds(day.day)]
    last = max((day.last_file for day in own), default=-1)
    described = [[str(day.day), day.rows, day.digest] for day in own]
    # All files up to the last one, as their order is that of events of one moment.
    text = json.dumps([described, [*files[: last + 1]], more])
    return hashlib.sha256(text.encode()).hexdigest()


def _literal(moment: pd.Timestamp) -> ir.TimestampScalar:
    return ibis.literal(moment.to_pydatetime()).cast("timestamp")
