"""Cuts events into sessions by gaps of silence, and purchases into orders where the log has no order number."""

import dataclasses
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tfrec.errors import RecipeError, nearest_hint
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW

_PART = 1 << 18  # events at once
_NEVER = -(1 << 62)  # the moment of an event that there was not
SESSION_NUMBERS = pa.schema([(FILE, pa.int32()), (ROW, pa.int64()), ("_number", pa.int32())])
"""Of files with the number of each event's session."""

_ORDER_WAYS = ("column", "user_day", "session")


@dataclasses.dataclass(frozen=True)
class Sessions:
    """How a visit ends.

    Attributes:
        gap_minutes: silence of one user that ends a session.
    """

    gap_minutes: float = 30.0

    def __post_init__(self) -> None:
        if not self.gap_minutes > 0:
            raise RecipeError(f"gap_minutes must be above 0; got {self.gap_minutes}.")


@dataclasses.dataclass(frozen=True)
class Orders:
    """How the lines of the log are grouped into orders.

    Attributes:
        by: `column` (the log has order numbers), `user_day` (what a user buys on one day in the shop's time zone) or
            `session`.
    """

    by: str = "column"

    def __post_init__(self) -> None:
        if self.by not in _ORDER_WAYS:
            raise RecipeError(f"by must be one of {', '.join(_ORDER_WAYS)}.{nearest_hint(self.by, _ORDER_WAYS)}")


class SessionCounter:
    """Numbers the sessions of users whose events come in the order of time, in parts of any size.

    What is kept between the parts is each user's last moment and number.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._gap = round(sessions.gap_minutes * 60) * 1_000_000
        self._last = np.zeros(0, np.int64)
        self._number = np.zeros(0, np.int32)

    def number(self, users: np.ndarray, moments: np.ndarray) -> np.ndarray:
        """Returns `[n]` the number of each event's session, from 1 on.

        Args:
            users: `[n]` int64, from 0 on.
            moments: `[n]` int64 microseconds, ascending, and none before those of earlier parts.

        Examples:
            >>> counter = SessionCounter(Sessions(gap_minutes=30))
            >>> minute = 60_000_000
            >>> counter.number(np.array([0, 1, 0]), np.array([0, 0, 30 * minute])).tolist()
            [1, 1, 1]
            >>> counter.number(np.array([0, 1]), np.array([61 * minute, 61 * minute])).tolist()
            [2, 2]
        """
        if not len(users):
            return np.zeros(0, np.int32)
        self._grow(int(users.max()) + 1)
        order = np.argsort(users, kind="stable")
        user, moment = users[order], moments[order]
        is_first = np.concatenate([[True], user[1:] != user[:-1]])
        before = np.concatenate([moment[:1], moment[:-1]])
        before[is_first] = self._last[user[is_first]]
        starts = np.cumsum(moment - before > self._gap)
        first = np.flatnonzero(is_first)
        end = np.append(first[1:], len(user)) - 1
        # Starts counted through all users, less those up to each user's first event, which itself may be one.
        earlier = np.concatenate([[0], starts[end[:-1]]])
        number = starts - np.repeat(earlier, np.diff(np.append(first, len(user)))) + self._number[user]
        self._last[user[end]], self._number[user[end]] = moment[end], number[end]
        result = np.empty(len(user), np.int32)
        result[order] = number
        return result

    def state_of(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns `[n]` the last moment and `[n]` the number of the last session of users that have events."""
        return self._last[users], self._number[users]

    def resume(self, users: np.ndarray, last: np.ndarray, number: np.ndarray) -> None:
        """Takes up the state that `state_of` gave; earlier events of these users are forgotten."""
        if len(users):
            self._grow(int(users.max()) + 1)
            self._last[users], self._number[users] = last, number

    def _grow(self, num_users: int) -> None:
        added = num_users - len(self._last)
        if added > 0:
            added = max(added, len(self._last))
            self._last = np.concatenate([self._last, np.full(added, _NEVER)])
            self._number = np.concatenate([self._number, np.zeros(added, np.int32)])


def number_sessions(events: ir.Table, sessions: Sessions, workspace: Workspace) -> ir.Table:
    """Returns `_file`, `_row` and `_number`, the session of each event that has a user and no session of its own.

    A known user's events belong to one session until a gap of more than `gap_minutes`; sessions are numbered from the
    user's first event on, so that later events never change earlier numbers. Events come from the engine in the order
    of time, in parts; running sums by user within the engine take several times as long.

    Args:
        events: good events, of stored tables.
        sessions: how a visit ends.
        workspace: where the result is stored.
    """
    cut = uncut_events(events)
    users = cut.select("user_id").distinct()
    users = users.mutate(_user=ibis.row_number().cast("int64"))
    ordered = cut.join(users, "user_id").order_by("timestamp", FILE, ROW).select(FILE, ROW, "_user", "timestamp")
    counter = SessionCounter(sessions)
    path = workspace.scratch / "session_numbers.parquet"
    with open_numbers(path) as writer:
        for part in workspace.read_in_parts(ordered, rows=_PART):
            moments = part.column("timestamp").cast(pa.timestamp("us")).cast(pa.int64())
            number = counter.number(part.column("_user").to_numpy(), moments.to_numpy())
            columns = [part.column(FILE).cast(pa.int32()), part.column(ROW).cast(pa.int64()), pa.array(number)]
            writer.write_batch(pa.record_batch(columns, schema=SESSION_NUMBERS))
    return workspace.open_file("session_numbers", path)


def open_numbers(path: Path) -> pq.ParquetWriter:
    """Returns what writes a file of `SESSION_NUMBERS`, which is read once: nothing is done to make it small."""
    return pq.ParquetWriter(path, SESSION_NUMBERS, compression="none", use_dictionary=False, write_statistics=False)


def uncut_events(events: ir.Table) -> ir.Table:
    """Returns place, user and moment of the events that have a user and no session of their own."""
    cut = events.filter((events["session_id"] == "") & (events["user_id"] != ""))
    return cut.select(FILE, ROW, "user_id", "timestamp")


def cut_sessions(events: ir.Table, numbers: ir.Table) -> ir.Table:
    """Returns the events with `session_id` filled where it was empty.

    The id of a known user's session is `user/number`. A guest's events belong together only through their order;
    without one their session stays `""`.

    Args:
        events: good events.
        numbers: see `number_sessions`.
    """
    joined = events.left_join(numbers, [FILE, ROW])
    session = ibis.cases(
        (joined["session_id"] != "", joined["session_id"]),
        (joined["_number"].notnull(), joined["user_id"] + "/" + joined["_number"].cast("string")),
        (joined["order_id"] != "", "order/" + joined["order_id"]),
        else_="",
    )
    return joined.mutate(session_id=session).select(*events.columns)


def group_orders(events: ir.Table, orders: Orders, *, clock: ir.TimestampValue) -> ir.Table:
    """Returns the events with `order_id` on every purchase; run after `cut_sessions`.

    A guest's purchase that belongs to no session is an order of its own.

    Args:
        events: events with `session_id`.
        orders: how lines are grouped into orders.
        clock: `events.timestamp` on the shop's clock, for `user_day`.
    """
    if orders.by == "column":
        return events
    alone = "row/" + events[FILE].cast("string") + "/" + events[ROW].cast("string")
    together = (
        ibis.ifelse(events["user_id"] == "", events["session_id"], events["user_id"] + "/" + clock.strftime("%Y-%m-%d"))
        if orders.by == "user_day"
        else events["session_id"]
    )
    return events.mutate(
        order_id=ibis.ifelse(
            events["event_type"] == "purchase", ibis.ifelse(together == "", alone, together), events["order_id"]
        )
    )
