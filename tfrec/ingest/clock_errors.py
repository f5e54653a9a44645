"""Sets events aside whose time cannot be right: before the shop opened, in the future, by a clock that is ahead."""

import dataclasses
import math
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.errors import RecipeError
from tfrec.ingest.set_aside import FOUND, set_aside
from tfrec.ingest.timestamps import moment_in_utc
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note

TOO_EARLY, IN_FUTURE, AHEAD = "before the shop opened", "timestamp in the future", "device clock ahead"
"""Reasons of events that are set aside."""

RECEIVED = "_received"
"""Column of the checked events: when the shop received the event, where the recipe maps it."""

_SLACK = pd.Timedelta(days=1)  # a wrong time zone moves an event by less
_SHIFTED = 0.1  # of the events: where more lie in the future, the log was moved in time as a whole
_FUTURE_WAYS = ("reject", "keep")


@dataclasses.dataclass(frozen=True)
class Clock:
    """Which times are possible.

    Attributes:
        opened: the shop's first day; earlier events are errors.
        future: what to do with events of more than a day after the moment of preparation: `reject` (unless they are
            more than a tenth of all) or `keep`.
        max_minutes_ahead: an event that was received (`received_at`) so much before its own time, and all that its
            visit sent afterwards, have the time of a clock that is wrong.
    """

    opened: str = ""
    future: str = "reject"
    max_minutes_ahead: float = 10.0

    def __post_init__(self) -> None:
        if self.future not in _FUTURE_WAYS:
            raise RecipeError(f"future must be one of {', '.join(_FUTURE_WAYS)}; got {self.future!r}.")
        if not 0 < self.max_minutes_ahead < math.inf:
            raise RecipeError(f"max_minutes_ahead must be above 0; got {self.max_minutes_ahead}.")
        if self.opened:
            moment_in_utc(self.opened, time_zone="UTC")


def set_aside_clock_errors(
    workspace: Workspace, rows: ir.Table, *, clock: Clock, time_zone: str, now: pd.Timestamp
) -> tuple[ir.Table, Sequence[Note]]:
    """Returns the rows with reasons of those whose time cannot be right, and notes.

    Args:
        workspace: where the rows are stored when any is set aside.
        rows: checked events.
        clock: which times are possible.
        time_zone: of the shop's clock.
        now: moment of the preparation, UTC.
    """
    good = rows.filter(rows["reason"].isnull())
    opening = moment_in_utc(clock.opened, time_zone=time_zone) if clock.opened else pd.Timestamp(0)
    is_early = good["timestamp"] < _literal(opening)
    is_late = good["timestamp"] > _literal(now + _SLACK)
    counts = good.aggregate(all=good.count(), early=is_early.sum(), late=is_late.sum()).execute().fillna(0).iloc[0]
    causes: list[tuple[ir.BooleanValue, str]] = []
    notes: list[Note] = []
    if clock.opened and counts["early"]:
        causes.append((is_early, TOO_EARLY))
    if clock.future == "reject" and counts["late"] > _SHIFTED * counts["all"]:
        text = (
            f"{int(counts['late']):,} of {int(counts['all']):,} events lie in the future: the log was moved in time as "
            "a whole, or its year is wrong. They were kept."
        )
        notes.append(Note("times_in_future", int(counts["late"]), text))
    elif clock.future == "reject" and counts["late"]:
        causes.append((is_late, IN_FUTURE))
    found = [good.filter(condition).mutate(**{FOUND: ibis.literal(reason)}) for condition, reason in causes]
    parts = [part.select(FILE, ROW, FOUND) for part in found]
    if RECEIVED in rows.columns:
        wrong = ibis.or_(*(condition for condition, _ in causes)) if causes else ibis.literal(False)
        parts.append(_find_ahead(good.filter(~wrong), clock))
    if not parts:
        return rows, notes
    every = ibis.union(*parts) if len(parts) > 1 else parts[0]
    return set_aside(workspace, rows, every, name="events_in_time")[0], notes


def _find_ahead(good: ir.Table, clock: Clock) -> ir.Table:
    """Returns the events that were received before their own time, and what the same visit sent afterwards.

    A visit is judged in the order of receipt, so that what is received later changes no earlier event.
    """
    seconds = good["timestamp"].epoch_seconds() - good[RECEIVED].epoch_seconds()
    is_ahead = (seconds > round(clock.max_minutes_ahead * 60)).fill_null(False)
    alone = good[FILE].cast("string") + "/" + good[ROW].cast("string")
    visit = ibis.cases(
        (good["session_id"] != "", "session/" + good["session_id"]),
        (good["user_id"] != "", "user/" + good["user_id"] + "/" + good[RECEIVED].date().cast("string")),
        else_=alone,
    )
    marked = good.select(FILE, ROW, RECEIVED, _visit=visit, _is_ahead=is_ahead)
    visits = marked.filter(marked["_is_ahead"]).select("_visit").distinct()
    suspect = marked.semi_join(visits, "_visit")
    window = ibis.window(group_by="_visit", order_by=[RECEIVED, FILE, ROW], preceding=None, following=0)
    judged = suspect.mutate(_since=suspect["_is_ahead"].cast("int8").max().over(window))
    return judged.filter(judged["_since"] == 1).select(FILE, ROW, **{FOUND: ibis.literal(AHEAD)})


def _literal(moment: pd.Timestamp) -> ir.TimestampScalar:
    return ibis.literal(moment.to_pydatetime()).cast("timestamp")
