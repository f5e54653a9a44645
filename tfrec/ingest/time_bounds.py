"""Finds the first and last day of the log's bulk; times far outside are errors such as 2099 or 1970."""

import dataclasses

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from tfrec.sources.notes import Note

_NO_DATES = ("0001-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1970-01-01", "9999-12-31")
"""What programs write where no date is known."""

_SHARE, _COUNT, _MOST = 0.01, 10, 0.1  # outliers on one side: at most so many events; never more than a tenth
_GAP, _WIDE_GAP = 60, 365  # days
_GAP_SHARE, _WIDE_SHARE = 0.25, 1.0  # of the bulk's length
_DAY = np.timedelta64(1, "D")


@dataclasses.dataclass(frozen=True)
class TimeBounds:
    """Where the bulk of a log lies.

    Attributes:
        low: first moment of the bulk's first day, None where nothing is set aside before it.
        high: first moment behind the bulk's last day, None where nothing is set aside behind it.
        no_dates: days that stand for no date.
        notes: what is set aside and why.
    """

    low: pd.Timestamp | None = None
    high: pd.Timestamp | None = None
    no_dates: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


def find_bounds(timestamps: ir.TimestampColumn) -> TimeBounds:
    """Returns where the bulk of the events lies, by gaps without any event; the present day does not matter.

    Few events (at most 1 % or ten, and never over a tenth) behind a gap of more than 60 days and of more than a quarter
    of the bulk's length are outside; behind a gap of more than a year and than the bulk's length up to a tenth of all.
    So are those before such a gap. The usual words for "no date" (1970-01-01) are outside, however many, where no other
    event is near.

    Args:
        timestamps: times of readable events, on the shop's clock; nulls are left out.
    """
    table = timestamps.name("moment").as_table()
    table = table.filter(table["moment"].notnull()).select(day=table["moment"].date())
    counted = table.group_by("day").aggregate(n=lambda days: days.count())
    counted = counted.mutate(day=counted["day"].cast("string")).order_by("day").execute()
    day = counted["day"].to_numpy("datetime64[D]")
    count = counted["n"].to_numpy(np.int64)
    is_no_date = _no_dates(day, count)
    notes = [
        Note("no_date", int(number), f"{number:,} events of {no_date} have no date.")
        for no_date, number in zip(day[is_no_date], count[is_no_date], strict=True)
    ]
    days_out = tuple(map(str, day[is_no_date]))
    day, count = day[~is_no_date], count[~is_no_date]
    if not len(day):
        return TimeBounds(no_dates=days_out, notes=tuple(notes))
    first, last = _bulk(day, count)
    for where, inside in (("behind", day <= last), ("before", day >= first)):
        if number := int(count[~inside].sum()):
            text = (
                f"{number:,} events lie far {where} the others, which run from {first} to {last}, e.g. on "
                f"{day[~inside][0]}; they were set aside. Correct their dates in the file."
            )
            notes.append(Note(f"times_far_{where}", number, text))
    return TimeBounds(
        low=pd.Timestamp(first).as_unit("us") if first > day[0] else None,
        high=pd.Timestamp(last + _DAY).as_unit("us") if last < day[-1] else None,
        no_dates=days_out,
        notes=tuple(notes),
    )


def outlier_reason(timestamp: ir.TimestampValue, bounds: TimeBounds) -> ir.StringValue:
    """Returns why an event is set aside, such as `no date (1970-01-01)` or `timestamp far behind the others (2099)`."""
    day = timestamp.date().cast("string")
    reasons = [(day == no_date, ibis.literal(f"no date ({_nearest_no_date(no_date)})")) for no_date in bounds.no_dates]
    year = timestamp.year().cast("string")
    for where, bound in (("before", bounds.low), ("behind", bounds.high)):
        if bound is not None:
            edge = ibis.literal(bound.to_pydatetime()).cast("timestamp")
            is_out = timestamp < edge if where == "before" else timestamp >= edge
            reasons.append((is_out, ibis.literal(f"timestamp far {where} the others (") + year + ")"))
    return ibis.cases(*reasons, else_=ibis.null("string")) if reasons else ibis.null("string")


def _no_dates(day: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Returns `[n]` bool: days that stand for no date, a day earlier or later in other zones, far from all others."""
    no_dates = np.array(_NO_DATES, "datetime64[D]")
    near = (np.abs(day - no_dates[:, None]) <= _DAY).any(0)
    others = day[~near]
    if not len(others):
        return np.zeros(len(day), bool)
    is_far = np.array([np.abs(others - moment).min() > _GAP * _DAY for moment in day])
    return near & is_far


def _nearest_no_date(day: str) -> str:
    return min(_NO_DATES, key=lambda no_date: abs(np.datetime64(no_date) - np.datetime64(day)))


def _bulk(day: np.ndarray, count: np.ndarray) -> tuple[np.datetime64, np.datetime64]:
    """Returns first and last day of the bulk; gaps are first compared with the length of the middle 80 %."""
    number, total = day.astype(np.int64), count.sum()
    first = number[np.searchsorted(np.cumsum(count), _MOST * total)]
    for _ in range(2):
        last = _last(number, count, first)
        first = -_last(-number[::-1], count[::-1], -last)
    return np.datetime64(int(first), "D"), np.datetime64(int(last), "D")


def _last(day: np.ndarray, count: np.ndarray, first: int) -> int:
    """Returns the last day before the first gap that is too long for the number of events behind it."""
    total = count.sum()
    behind = total - np.cumsum(count)  # [n] events later than the day
    gap, length = np.diff(day, append=day[-1]), day - first
    is_few = behind <= min(max(_SHARE * total, _COUNT), _MOST * total)
    is_end = is_few & (gap > np.maximum(_GAP, _GAP_SHARE * length))
    is_end |= (behind <= _MOST * total) & (gap > np.maximum(_WIDE_GAP, _WIDE_SHARE * length))
    return int(day[np.argmax(is_end)]) if is_end.any() else int(day[-1])
