"""Distinguishes days on which a shop was closed, and stock-outs of its items, from days without sales."""

import datetime

import numpy as np
import pandas as pd

WEEK = 7
_WINDOW = 8 * WEEK  # days on each side from which the usual rate of sales is taken
_SURPRISE = 0.01  # a run of empty days is a closure where chance gives one such run in a log with less probability
_STOCK_OUT_SURPRISE = 0.001  # stricter, since thousands of items are tested
_LONGEST_STOCK_OUT = 8 * WEEK  # a longer run is a season or a delisted item
_LEAST_YEARLY_RUN = 3  # days; a shorter closure is expected again only where it fell on the same date twice


def closed_days(orders: np.ndarray) -> np.ndarray:
    """Returns `[T]` which days the shop was closed: empty days that its rate of orders does not explain.

    The probability of a day without orders is that of a negative binomial with the mean and the variance of the eight
    weeks on each side. Empty days of one weekday in a row, and then empty days in a row, are a closure where the
    product of their probabilities times the number of days is below 0.01. So a shop of 0.3 orders a day has no closed
    days, and a shop of 50 orders is closed on each empty day.

    Args:
        orders: `[T]` number of orders a day.
    """
    first = _improbable(orders, _log_probability_of_none(orders, np.zeros(len(orders), dtype=bool)))
    # Closed days raise the variance, which hides single ones; so the rate is taken once more without them.
    return first | _improbable(orders, _log_probability_of_none(orders, first))


def lasting_closures(closed: np.ndarray) -> np.ndarray:
    """Returns `[T]` the closed days that are weekly, or within three or more in a row.

    Other closed days, as movable bank holidays, will come again on days that no calendar here states, and so belong to
    the mean of the days.
    """
    result = _weekly_share(closed)
    for run in _runs(closed):
        result[run] |= len(run) >= _LEAST_YEARLY_RUN
    return result


def closed_weekdays(closed: np.ndarray) -> np.ndarray:
    """Returns `[7]` which weekdays were closed on each of the last four weeks; element 0 = that of the first day."""
    last = np.arange(max(len(closed) - 4 * WEEK, 0), len(closed))
    return np.array([closed[last[last % WEEK == weekday]].all() for weekday in range(WEEK)]) & (len(closed) >= 4 * WEEK)


def expected_closures(closed: np.ndarray, first_day: pd.Timestamp, horizon: int) -> np.ndarray:
    """Returns `[horizon]` which coming days are closed by the calendar of earlier years, as over Christmas.

    A date is expected to be closed where it was in each year of the log, within a run of three days or more that is
    not made of weekly closing days alone, or where it was closed in two years.

    Args:
        closed: `[T]` closed days of the log.
        first_day: day of the first column.
        horizon: days after the log.
    """
    dates = [(first_day + pd.Timedelta(days=day)).date() for day in range(len(closed) + horizon)]
    column = {date: place for place, date in enumerate(dates[: len(closed)])}
    in_run = np.zeros(len(closed), dtype=bool)
    weekly = _weekly_share(closed)
    for run in _runs(closed):
        in_run[run] = len(run) >= _LEAST_YEARLY_RUN and not weekly[run].all()
    result = np.zeros(horizon, dtype=bool)
    for ahead, date in enumerate(dates[len(closed) :]):
        past = [column[day] for day in _earlier_years(date) if day in column]
        if past and closed[past].all():
            # A weekly closing day of last year falls on another weekday this year, so it must be part of a run.
            result[ahead] = in_run[past].all() or (len(past) >= 2 and not weekly[past].any())
    return result


def stock_outs(values: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """Returns `[n, T]` days on which an item was probably out of stock, so that its demand is unknown.

    It sold steadily before and after, and its rate of days with sales does not explain the empty days between: the
    product of their probabilities times T is below 0.001. Runs of more than eight weeks of open days are a season.

    Args:
        values: `[n, T]` demand of items a day.
        closed: `[T]` closed days, which count on neither side.
    """
    result = np.zeros(values.shape, dtype=bool)
    open_days = np.flatnonzero(~closed)
    sold = values[:, open_days] > 0
    if sold.shape[1] < _WINDOW:
        return result
    edges = np.diff(np.pad(~sold, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    item, start = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)  # exclusive; of the same runs, in the same order
    counts = np.pad(np.cumsum(sold, axis=1, dtype=np.int32), ((0, 0), (1, 0)))
    before, after = np.maximum(start - _WINDOW, 0), np.minimum(end + _WINDOW, sold.shape[1])
    rate = np.minimum(
        (counts[item, start] - counts[item, before]) / np.maximum(start - before, 1),
        (counts[item, after] - counts[item, end]) / np.maximum(after - end, 1),
    )
    length = end - start
    log_chance = length * np.log1p(-np.minimum(rate, 0.99))
    is_out = (
        (start - before >= _WINDOW // 2)
        & (after - end >= _WINDOW // 4)
        & (length <= _LONGEST_STOCK_OUT)
        & (log_chance < np.log(_STOCK_OUT_SURPRISE / sold.shape[1]))
    )
    for row, first, last in zip(item[is_out], start[is_out], end[is_out], strict=True):
        result[row, open_days[first:last]] = True
    return result


def _improbable(orders: np.ndarray, log_empty: np.ndarray) -> np.ndarray:
    closed = np.zeros(len(orders), dtype=bool)
    is_empty = orders == 0
    limit = np.log(_SURPRISE) - np.log(max(len(orders), 1))
    for weekday in range(min(WEEK, len(orders))):
        for run in _runs(is_empty[weekday::WEEK]):
            columns = weekday + WEEK * run
            closed[columns] = len(run) >= 3 and log_empty[columns].sum() < limit
    rest = np.flatnonzero(~closed)
    for run in _runs(is_empty[rest]):
        closed[rest[run]] = log_empty[rest[run]].sum() < limit
    return closed


def _log_probability_of_none(orders: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """Returns `[T]` log probability of no order, by mean m and variance v of the days around but those left out.

    Negative binomial: `(r / (r + m))^r` with `r = m² / (v − m)`; Poisson, `exp(−m)`, where v is not above m.
    """
    days, kept = len(orders), ~left_out
    sums = np.pad(np.cumsum([kept, kept * orders, kept * orders**2.0], axis=1), ((0, 0), (1, 0)))
    low, high = np.maximum(np.arange(days) - _WINDOW, 0), np.minimum(np.arange(days) + _WINDOW + 1, days)
    num, total, squares = sums[:, high] - sums[:, low]
    mean, square = total / np.maximum(num, 1), squares / np.maximum(num, 1)
    excess = square - mean**2 - mean
    size = np.where(excess > 1e-9, mean**2 / np.maximum(excess, 1e-9), np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        negative_binomial = size * np.log(size / (size + mean))
    return np.where(np.isfinite(size) & (size > 0), negative_binomial, -mean)


def _runs(marks: np.ndarray) -> list[np.ndarray]:
    """Returns the places of each run of marked days."""
    places = np.flatnonzero(marks)
    return np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if len(places) else []


def _weekly_share(closed: np.ndarray) -> np.ndarray:
    """Returns `[T]` which closed days are a weekly closing: closed a week before and a week after too."""
    padded = np.pad(closed, WEEK, constant_values=True)
    return closed & padded[: len(closed)] & padded[2 * WEEK :]


def _earlier_years(date: datetime.date) -> list[datetime.date]:
    """Returns the date in up to three earlier years; 29 February has none."""
    if (date.month, date.day) == (2, 29):
        return []
    return [date.replace(year=date.year - years) for years in range(1, 4)]
