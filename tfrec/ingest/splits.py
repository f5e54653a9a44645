"""Finds the times that separate training, validation and test; a log without times gets a clock first."""

import dataclasses
import math

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.errors import RecipeError
from tfrec.ingest.timestamps import moment_in_utc
from tfrec.schema.calendar import ShopCalendar
from tfrec.sources.engine import Workspace, md5
from tfrec.sources.notes import Note

_CLOCK_START = pd.Timestamp("2000-01-01")
_CLOCK_SECONDS = 365 * 86_400
ORDERS_SPLIT = "orders_split"
"""Code of the note on orders that were put into the test period whole."""

LONGEST_ORDER = 31
"""Days between the lines of one order; beyond, its number was given out again."""


@dataclasses.dataclass(frozen=True)
class Split:
    """Where the test period starts, and before it the validation period, which is a part of training.

    Each start is given as a date (midnight on the shop's clock), as a length in days, or else as a share of the
    events (of the orders where the log has no time).

    Attributes:
        test_from: first moment of the test period.
        test_days: length of the test period, which ends with the last event's day.
        test_share: share of the events that is test.
        validation_from: first moment of the validation period.
        validation_days: length of the validation period, which ends where test starts.
        validation_share: share of the events before test that is validation.
        seed: random seed of the clock that a log without time gets.
    """

    test_from: str = ""
    test_days: int = 0
    test_share: float = 0.1
    validation_from: str = ""
    validation_days: int = 0
    validation_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("test", "validation"):
            share, days = getattr(self, f"{name}_share"), getattr(self, f"{name}_days")
            if not 0 < share < 1:
                raise RecipeError(f"{name}_share must lie between 0 and 1; got {share}.")
            if days < 0:
                raise RecipeError(f"{name}_days must not be negative; got {days}.")
            if days and getattr(self, f"{name}_from"):
                raise RecipeError(f"Give {name}_from or {name}_days, not both.")
        moments = [moment_in_utc(text, time_zone="UTC") for text in (self.validation_from, self.test_from) if text]
        if len(moments) == 2 and not moments[0] < moments[1]:
            raise RecipeError(
                f"validation_from ({self.validation_from}) must come before test_from ({self.test_from})."
            )


@dataclasses.dataclass(frozen=True)
class Moments:
    """Two moments in UTC: training is all before `test_from`; validation its part from `validation_from` on."""

    validation_from: pd.Timestamp
    test_from: pd.Timestamp


def add_clock(events: ir.Table, split: Split) -> ir.Table:
    """Returns the events of a log without time with a `timestamp`: a moment of 2000 by the order's seeded hash.

    The moment depends on the order alone, so that the split is random, repeatable, and the same when orders are added;
    everything computed from time (recency, trend) is then noise without meaning.
    """
    digest = md5(ibis.literal(f"{split.seed}/") + events["order_id"])
    share = ("0x" + digest.substr(0, 12)).cast("uint64").cast("float64") / float(16**12)
    seconds = (share * _CLOCK_SECONDS).floor().cast("int64")
    return events.mutate(timestamp=ibis.literal(_CLOCK_START).cast("timestamp") + seconds.as_interval("s"))


def find_moments(
    events: ir.Table, split: Split, *, until: pd.Timestamp | None, time_zone: str, has_time: bool = True
) -> Moments:
    """Returns the moments of the split.

    With `until`, nothing from that moment on is looked at: it becomes `test_from`, and the validation period keeps the
    length that the recipe gives it.

    Args:
        events: good events with `timestamp`, UTC.
        split: the recipe's wish.
        until: end of training in UTC, or None.
        time_zone: time zone of the dates in `split`.
        has_time: False for a log on the clock of `add_clock`, where shares are of that clock's year.

    Raises:
        RecipeError: `until` for a log without time; no event lies before the test period, or none in
            training before the validation period.
    """
    if not has_time and until is not None:
        raise RecipeError("--until names a moment, but this log has no times: its split is by [split] test_share.")
    if not has_time:
        test_share, validation_share = 1 - split.test_share, 1 - split.validation_share
        return Moments(validation_from=_on_clock(test_share * validation_share), test_from=_on_clock(test_share))
    first, last = (
        pd.Timestamp(moment)
        for moment in events.aggregate(a=events["timestamp"].min(), b=events["timestamp"].max()).execute().iloc[0]
    )
    if until is not None:
        test_from = until
    elif split.test_from:
        test_from = moment_in_utc(split.test_from, time_zone=time_zone)
    elif split.test_days:
        test_from = _before(_end_of_day(last, time_zone), pd.Timedelta(days=split.test_days), time_zone)
    else:
        test_from = _at_share(events, 1 - split.test_share)
    shown = ShopCalendar(time_zone).moment_text
    if not first < test_from:
        raise RecipeError(
            f"No event lies before {shown(test_from)}, where the test period starts (the log runs from {shown(first)} "
            f"to {shown(last)}). Correct `[split] test_from` or --until."
        )
    validation_from = _validation_from(events, split, test_from, time_zone=time_zone)
    if not first < validation_from < test_from:
        raise RecipeError(
            f"The validation period would start at {shown(validation_from)}, but it must lie between the first event "
            f"({shown(first)}) and the test period ({shown(test_from)}). Correct `validation_from` or "
            "`validation_days` in [split]."
        )
    return Moments(validation_from=validation_from, test_from=test_from)


def keep_orders_whole(
    events: ir.Table, *, test_from: pd.Timestamp, workspace: Workspace, time_zone: str = "UTC"
) -> tuple[ir.Table, list[Note]]:
    """Returns the events with no order on both sides of `test_from`, and a note of the orders that were.

    The earlier lines of such an order (a line added later, another parcel) move to `test_from`: the whole order belongs
    to the test period, as nothing of that may enter training.

    Args:
        events: good events.
        test_from: first moment of the test period, UTC.
        workspace: where these orders are stored.
        time_zone: the shop's clock, on which the note gives the time.
    """
    boundary = ibis.literal(test_from.to_pydatetime()).cast("timestamp")
    lines = events.filter((events["event_type"] == "purchase") & (events["order_id"] != ""))
    orders = lines.group_by("order_id", "user_id").aggregate(
        first=lines["timestamp"].min(), last=lines["timestamp"].max()
    )
    split = orders.filter(
        (orders["first"] < boundary)
        & (orders["last"] >= boundary)
        & (orders["last"] <= orders["first"] + ibis.interval(days=LONGEST_ORDER))
    )
    split_orders = split.select("order_id", "user_id").order_by("order_id", "user_id").execute()
    if split_orders.empty:
        return events, []
    moved = workspace.store("orders_split", ibis.memtable(split_orders.assign(_moved=True)))
    joined = events.left_join(moved, ["order_id", "user_id"])
    is_moved = joined["_moved"].fill_null(False) & (joined["event_type"] == "purchase")
    timestamp = ibis.ifelse(is_moved & (joined["timestamp"] < boundary), boundary, joined["timestamp"])
    text = (
        f"{len(split_orders):,} orders have lines before and after {ShopCalendar(time_zone).moment_text(test_from)}, "
        f"where the test period starts, e.g. {split_orders['order_id'].iloc[0]!r}; each was put into the test "
        "period whole, its earlier lines at that moment."
    )
    return joined.mutate(timestamp=timestamp).select(*events.columns), [Note(ORDERS_SPLIT, len(split_orders), text)]


def _validation_from(events: ir.Table, split: Split, test_from: pd.Timestamp, *, time_zone: str) -> pd.Timestamp:
    if split.validation_days:
        return _before(test_from, pd.Timedelta(days=split.validation_days), time_zone)
    if split.validation_from:
        validation_from = moment_in_utc(split.validation_from, time_zone=time_zone)
        planned = moment_in_utc(split.test_from, time_zone=time_zone) if split.test_from else test_from
        if planned != test_from:  # `until` moved the end of training: the period moves with it
            return _before(test_from, pd.Timestamp(split.test_from) - pd.Timestamp(split.validation_from), time_zone)
        if validation_from < test_from:
            return validation_from
    boundary = ibis.literal(test_from.to_pydatetime()).cast("timestamp")
    return _at_share(events.filter(events["timestamp"] < boundary), 1 - split.validation_share)


def _at_share(events: ir.Table, share: float) -> pd.Timestamp:
    seconds = events["timestamp"].epoch_seconds().quantile(share).execute()
    return pd.Timestamp(math.ceil(seconds), unit="s").as_unit("us")


def _before(moment: pd.Timestamp, length: pd.Timedelta, time_zone: str) -> pd.Timestamp:
    """Returns the time so much earlier on the shop's clock, whose days may have 23 or 25 hours."""
    local = moment.tz_localize("UTC").tz_convert(time_zone).tz_localize(None)
    return moment_in_utc((local - length).isoformat(), time_zone=time_zone)


def _end_of_day(moment: pd.Timestamp, time_zone: str) -> pd.Timestamp:
    local = moment.tz_localize("UTC").tz_convert(time_zone).tz_localize(None)
    return moment_in_utc((local.normalize() + pd.Timedelta(days=1)).isoformat(), time_zone=time_zone)


def _on_clock(share: float) -> pd.Timestamp:
    return (_CLOCK_START + pd.Timedelta(seconds=int(share * _CLOCK_SECONDS))).as_unit("us")
