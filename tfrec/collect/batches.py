"""Defines what travels from sources of events to where they are kept: rows, rejected lines, positions in files."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

COLUMNS = (
    *("event_id", "event_type", "timestamp", "user_id", "item_id", "order_id", "session_id"),
    *("quantity", "price", "currency", "rating", "query", "slate_id", "position", "propensity", "more"),
)
"""Columns of a row, in order; `timestamp` is UTC as text, `more` the further fields of the event as JSON, or None."""

Row = tuple[str | float | int | None, ...]
"""Values of `COLUMNS`: texts, `""` where unknown, and numbers, None where unknown."""

IMPRESSION = "impression"
"""Type of the events that are kept in a table of their own."""
IMPRESSION_COLUMNS = (
    *("event_id", "timestamp", "user_id", "item_id", "session_id"),
    *("slate_id", "position", "propensity", "price", "more"),
)
EVENT_COLUMNS = tuple(name for name in COLUMNS if name not in ("slate_id", "position", "propensity"))


@dataclasses.dataclass(frozen=True)
class Rejected:
    """A line that is no event.

    Attributes:
        origin: file, or where the request came in.
        place: byte of the file, or number of the line or event.
        reason: why.
        line: its beginning, empty where user ids must not be shown.
    """

    origin: str
    place: int
    reason: str
    line: str = ""


@dataclasses.dataclass(frozen=True)
class Position:
    """How far a file was read.

    Attributes:
        bytes_read: all lines that end before were kept or rejected.
        head: digest of the first bytes in hexadecimal; another file in the same place has another one.
        head_bytes: number of these bytes.
    """

    bytes_read: int = 0
    head: str = ""
    head_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Batch:
    """What is kept in one step: all of it or nothing.

    Attributes:
        rows: events.
        rejected: lines that are none.
        positions: path of a file → how far it is read with this batch.
        written: the rows as the target writes them, where `Target.prepare` has made it.
    """

    rows: list[Row]
    rejected: list[Rejected]
    positions: Mapping[str, Position] = dataclasses.field(default_factory=dict)
    written: Any = None


@dataclasses.dataclass
class Collected:
    """Counts of what was collected.

    Attributes:
        new: events that were kept.
        repeated: events whose id was known already.
        rejected: reason → lines.
    """

    new: int = 0
    repeated: int = 0
    rejected: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, other: "Collected") -> None:
        """Adds the counts of another part."""
        self.new += other.new
        self.repeated += other.repeated
        self.rejected.update(other.rejected)


class Target(Protocol):
    """Where events are kept."""

    def positions(self) -> Mapping[str, Position]:
        """Returns path of a file → how far it was read."""

    def prepare(self, batch: Batch) -> Batch:
        """Returns a batch with what can be done for it while the one before is being kept."""

    def commit(self, batch: Batch) -> Collected:
        """Keeps a batch; when this returns it survives a kill and a loss of power, and no event is there twice."""

    def roll_if_due(self) -> None:
        """Makes readable what was kept some time ago; called now and then, whether events come or not."""

    def close(self) -> None:
        """Ends the work in good order; needed for nothing that was committed."""
