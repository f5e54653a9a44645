"""Finds visitors that look at more pages than a human can."""

import dataclasses
import math

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.errors import RecipeError
from tfrec.ingest.set_aside import FOUND
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note

ROBOT = "robot"
"""Reason of an event of a robot."""

ROBOT_COLUMNS = {
    "user_id": "str",
    "session_id": "str",
    "events": "int64",
    "most_views_per_hour": "int64",
    "first": "datetime64[us]",
    "last": "datetime64[us]",
}
"""Of `robots.parquet`; a guest is named by its session."""


@dataclasses.dataclass(frozen=True)
class Robots:
    """Which visitors are robots.

    Attributes:
        max_views_per_hour: a visitor with more views within an hour of the clock, and who never bought, is a robot; 0 =
            no visitor is.
    """

    max_views_per_hour: float = 1000.0

    def __post_init__(self) -> None:
        if not 0 <= self.max_views_per_hour < math.inf:
            raise RecipeError(f"max_views_per_hour must not be below 0; got {self.max_views_per_hour}.")


@dataclasses.dataclass(frozen=True)
class FoundRobots:
    """The robots of a log.

    Attributes:
        rows: `_file`, `_row` and `_found` of their events; None where there are none.
        visitors: `ROBOT_COLUMNS`, most events first.
        notes: what the owner of the log should know.
    """

    rows: ir.Table | None
    visitors: pd.DataFrame
    notes: tuple[Note, ...] = ()


def find_robots(training: ir.Table, test: ir.Table, robots: Robots, workspace: Workspace) -> FoundRobots:
    """Returns the robots: what happens in the test period decides nothing about events of training.

    Events are counted by visitor and hour within the engine, so that memory does not depend on the number of events.
    Views of one moment alone are no rate: such a log has only dates. Visitors who bought up to the end of the period
    that is looked at are customers whatever they look at; they are named in a note.

    Args:
        training: good events before the test period.
        test: good events of it.
        robots: the limit.
        workspace: where tables in between are stored.
    """
    both = training.select(*_NEEDED).union(test.select(*_NEEDED))
    busy = _busy_visitors(both, robots, workspace)
    if busy is None:
        return FoundRobots(None, _frame([]))
    frames, parts, buyers = [], [], 0
    for name, known, judged in (("training", training, training), ("test", both, test)):
        fast = _fast_visitors(known.select(*_NEEDED), busy, robots)
        suspects = workspace.store(f"robots_{name}", fast)
        if not suspects.count().execute():
            continue
        buying = known.filter(known["event_type"] == "purchase")
        buying = buying.select(_visitor=_visitor(buying)).distinct()
        found = suspects.anti_join(buying, "_visitor")
        buyers = int(suspects.semi_join(buying, "_visitor").count().execute())
        events = judged.mutate(_visitor=_visitor(judged)).inner_join(found, "_visitor")
        parts.append(events.select(FILE, ROW, **{FOUND: ibis.literal(ROBOT)}))
        per_visitor = events.group_by("_visitor").aggregate(
            user_id=events["user_id"].max(),
            session_id=ibis.ifelse(events["user_id"].max() == "", events["session_id"].max(), ""),
            events=events.count(),
            most_views_per_hour=events["_most"].max(),
            first=events["timestamp"].min(),
            last=events["timestamp"].max(),
        )
        frames.append(per_visitor.drop("_visitor").execute())
    notes = [Note("fast_buyers", buyers, _BUYERS.format(number=buyers, limit=robots.max_views_per_hour))]
    notes = notes if buyers else []
    if not frames or not sum(map(len, frames)):
        return FoundRobots(None, _frame([]), tuple(notes))
    visitors = _frame(frames)
    number = int(visitors["events"].sum())
    text = (
        f"{len(visitors):,} visitors with {number:,} events looked at more than {robots.max_views_per_hour:,.0f} pages "
        "within an hour and never bought: robots, which robots.parquet lists. [clean.robots] max_views_per_hour sets "
        "the limit."
    )
    rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
    return FoundRobots(rows, visitors, (Note("robots", number, text), *notes))


_NEEDED = ("user_id", "session_id", "event_type", "timestamp")
_BUYERS = (
    "{number:,} customers looked at more than {limit:,.0f} pages within an hour. They bought, so their events were "
    "kept; are they shared accounts, or programs that also order? [clean.staff] ids leaves an account out."
)


def _busy_visitors(events: ir.Table, robots: Robots, workspace: Workspace) -> ir.Table | None:
    """Returns `user_id` and `_guest` of those with so many views in all, without which none has them in an hour."""
    counted = _views(events).group_by("user_id", "_guest").aggregate(views=lambda table: table.count())
    known = (counted["user_id"] != "") | (counted["_guest"] != "")
    busy = counted.filter((counted["views"] > robots.max_views_per_hour) & known).drop("views")
    stored = workspace.store("busy_visitors", busy)
    return stored if stored.count().execute() else None


def _views(events: ir.Table) -> ir.Table:
    """Returns the views, with the session of guests as `_guest`."""
    views = events.filter(events["event_type"] == "view")
    return views.mutate(_guest=ibis.ifelse(views["user_id"] == "", views["session_id"], ""))


def _fast_visitors(events: ir.Table, busy: ir.Table, robots: Robots) -> ir.Table:
    """Returns `_visitor` and `_most`, the most views within an hour, of those of the busy ones above the limit."""
    views = _views(events).semi_join(busy, ["user_id", "_guest"])
    views = views.mutate(_visitor=_visitor(views), _hour=views["timestamp"].truncate("h"))
    hours = (
        views.filter(views["_visitor"] != "")
        .group_by("_visitor", "_hour")
        .aggregate(
            views=lambda table: table.count(),
            first=lambda table: table["timestamp"].min(),
            last=lambda table: table["timestamp"].max(),
        )
    )
    fast = hours.filter((hours["views"] > robots.max_views_per_hour) & (hours["first"] != hours["last"]))
    return fast.group_by("_visitor").aggregate(_most=fast["views"].max())


def _visitor(events: ir.Table) -> ir.StringValue:
    """Returns who an event is of: the user, or a guest's session; `""` where neither is known."""
    session = ibis.ifelse(events["session_id"] == "", "", "session/" + events["session_id"])
    return ibis.ifelse(events["user_id"] == "", session, "user/" + events["user_id"])


def _frame(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Returns each visitor once."""
    if not frames:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in ROBOT_COLUMNS.items()})
    grouped = (
        pd.concat(frames)
        .groupby(["user_id", "session_id"], as_index=False)
        .agg({"events": "sum", "most_views_per_hour": "max", "first": "min", "last": "max"})
    )
    ordered = grouped.sort_values(["events", "user_id", "session_id"], ascending=[False, True, True])
    return ordered.reset_index(drop=True).astype(ROBOT_COLUMNS)[[*ROBOT_COLUMNS]]
