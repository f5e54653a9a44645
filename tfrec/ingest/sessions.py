"""Cuts events into sessions by gaps of silence, and purchases into orders where the log has no order number."""

import dataclasses

import ibis
import ibis.expr.types as ir

from tfrec.errors import RecipeError, nearest_hint
from tfrec.sources.file_format import FILE, ROW

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


def cut_sessions(events: ir.Table, sessions: Sessions) -> ir.Table:
    """Returns the events with `session_id` filled where it was empty.

    A known user's events belong to one session until a gap of more than `gap_minutes`; the id is `user/number`,
    numbered from the user's first event on, so that later events never change earlier ids. A guest's events belong
    together only through their order; without one they stay `""`.
    """
    gap = ibis.interval(seconds=round(sessions.gap_minutes * 60))
    # The engine sorts few columns faster: the numbers are found apart from the events, and joined.
    cut = events.filter((events["session_id"] == "") & (events["user_id"] != ""))
    in_time = ibis.window(group_by="user_id", order_by=["timestamp", FILE, ROW])
    timed = cut.select(FILE, ROW, "user_id", "timestamp", before=cut["timestamp"].lag().over(in_time))
    starts = timed["before"].isnull() | (timed["timestamp"] > timed["before"] + gap)
    timed = timed.mutate(starts=starts.cast("int64"))
    so_far = ibis.window(group_by="user_id", order_by=["timestamp", FILE, ROW], preceding=None, following=0)
    joined = events.left_join(timed.select(FILE, ROW, _number=timed["starts"].sum().over(so_far)), [FILE, ROW])
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
