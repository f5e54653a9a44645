"""Finds the whole days of a log, whose first and last day may be cut."""

import pandas as pd

_NEAR = pd.Timedelta(days=56)  # days on each side whose clock times are compared with
_LEAST_SAME_WEEKDAY = 4
_LEAST_DAYS = 14  # fewer days do not show when events usually begin and end
_TAIL = 0.1  # share of whole days that begin later, or end earlier, than what counts as whole


def whole_days(moments: pd.Series) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Returns the first whole day of a log, and the day behind its last whole one.

    The last day is whole where its last event is as late as on such weekdays before: no earlier than on one tenth of
    them. The first day likewise, by its first event. So a log that ends at 10:13 ends the day before, unless the shop's
    days end at ten, and a log of dates without times is whole. In a log of less than two weeks the first day counts as
    whole, and the last one as cut.

    Args:
        moments: times of all events on the shop's clock, at least one.
    """
    day = moments.dt.floor("D")
    clock = (moments - day).groupby(day)
    begins, ends = clock.min(), clock.max()
    first, last = begins.index[0], begins.index[-1]
    usual_begin, usual_end = _near(begins, first), _near(ends, last)
    is_first_cut = len(usual_begin) > 0 and begins[first] > usual_begin.quantile(1 - _TAIL)
    is_last_whole = len(usual_end) > 0 and ends[last] >= usual_end.quantile(_TAIL)
    day_long = pd.Timedelta(days=1)
    return first + day_long * int(is_first_cut), last + day_long * int(is_last_whole)


def _near(clock: pd.Series, day: pd.Timestamp) -> pd.Series:
    """Returns the clock times of the same weekday near a day, else of all days near it; none where these are few."""
    near = clock[(clock.index >= day - _NEAR) & (clock.index <= day + _NEAR) & (clock.index != day)]
    same = near[near.index.weekday == day.weekday()]
    if len(same) >= _LEAST_SAME_WEEKDAY:
        return same
    return near if len(near) >= _LEAST_DAYS else near.head(0)
