"""Makes trial forecasts of a hierarchy of series: exponential smoothing and Theta under a weekday profile."""

import dataclasses
import datetime
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from tfrec.analysis.closures import WEEK, closed_days, closed_weekdays, expected_closures, lasting_closures, stock_outs
from tfrec.analysis.demand import Demand, festival_effects, festival_factors

RATES = (0.02, 0.05, 0.1, 0.2)
"""Smoothing rates α that are tried; the demand of a day is too noisy for more."""
WEEKS = (1, 2, 4, 8)
"""Last weeks whose mean is tried: what a shop in a rush does next is what it did last."""
METHODS = (
    *((kind, rate) for kind in ("smoothing", "theta") for rate in RATES),
    *(("mean of last weeks", weeks) for weeks in WEEKS),
    ("plain mean", "of all days"),
    ("last week", "repeated"),
    ("yearly pattern", "of the shop"),
)
"""What is tried: exponential smoothing, the same with half the linear trend (Theta), means of the last weeks and of all
days, the naive forecast, and the mean of eight weeks times the change that the shop saw a year before."""
YEARLY = len(METHODS) - 1
"""The method that needs a year of log; NaN without."""
CLOSED = 0.05
"""A weekday with less than this share of the mean day is one on which the shop does not sell."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """What every method says at one origin, knowing nothing from there on; `actual` is None at the last origin.

    The forecast begins at the column `start`: that of the origin, or the next one where the log ends within that day.
    """

    origin: int
    start: int
    methods: np.ndarray  # [m, n, H]
    naive: np.ndarray  # [n, H]
    weight: np.ndarray  # [n, H] factor of weekday and festival
    deviation: np.ndarray  # [n] typical miss of a day of factor 1
    actual: np.ndarray | None  # [n, H]

    @property
    def outcome(self) -> np.ndarray:
        """`[n, H]` what came to pass.

        Raises:
            ValueError: it has not yet.
        """
        if self.actual is None:
            raise ValueError(f"The trial at day {self.origin} has no outcome yet; use one a horizon earlier.")
        return self.actual

    @functools.cached_property
    def misses(self) -> np.ndarray:
        """`[m + 1, 2, n]` absolute error of each method, and of the naive forecast: sum over days, and of the sum."""
        return np.stack([misses(self.outcome, forecast) for forecast in (*self.methods, self.naive)])

    @functools.cached_property
    def has_year(self) -> bool:
        """Whether a year lies before the origin, so that the yearly pattern is known."""
        return bool(np.isfinite(self.methods[YEARLY]).all())

    @property
    def root_days(self) -> np.ndarray:
        """`[n]` root of the number of days on which the series sells: how sums of misses grow."""
        return np.sqrt(np.maximum((self.weight > CLOSED).sum(axis=1), 1))


def misses(outcome: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Returns `[2, n]` absolute errors of `[n, H]` forecasts: the sum over days, and that of the sum of all days."""
    error = outcome - forecast
    return np.stack([np.abs(error).sum(axis=1), np.abs(error.sum(axis=1))])


def try_methods(demand: Demand, origin: int, horizon: int, festivals: Mapping[str, Sequence[datetime.date]]) -> Trial:
    """Returns the forecasts of all methods for the `horizon` days from column `origin` on, from the days before it.

    Where the log ends within the day of the last origin, the forecast begins with the day after that.
    """
    past = demand.until(origin)
    gap = int(past.is_followed_by_cut_day)
    start = origin + gap
    all_closed = closed_days(past.orders)
    closed = lasting_closures(all_closed)
    effects = festival_effects(past, festivals=festivals)
    factors = festival_factors(past, effects, festivals, start + horizon)
    profile = _weekday_profile(past.values, closed)
    weights = profile[:, np.arange(start + horizon) % WEEK] * factors
    weights[:, origin:] *= ~expected_closures(all_closed, past.first_day, gap + horizon)
    is_known = (weights[:, :origin] > CLOSED) & ~closed
    is_known[demand.num_upper :] &= ~stock_outs(past.values[demand.num_upper :], closed)
    is_known &= ~_after_sell_out(past)
    even = np.where(is_known, past.values / np.maximum(weights[:, :origin], CLOSED), np.nan)
    capped = np.minimum(even, _caps(even)[:, None])
    levels, deviation = _smooth(capped)
    cut_off = _cut_off(even, capped, demand.levels)
    recent = np.stack([_recent(capped, weights[:, :origin], WEEK * weeks) for weeks in WEEKS]) * cut_off
    mean = _recent(capped, weights[:, :origin], origin) * cut_off
    levels = levels * cut_off
    slope = _slope(capped)
    ahead = gap + np.arange(1, horizon + 1)
    plain = np.repeat(levels[:, :, None], horizon, axis=2)
    theta = plain + 0.5 * slope[None, :, None] * ahead
    future = weights[:, start:]
    yearly = recent[-1][:, None] * _yearly_index(past, closed, horizon)
    steady = np.repeat(np.concatenate([recent, mean[None]])[:, :, None], horizon, axis=2)
    naive = np.tile(np.roll(past.values[:, -WEEK:], -gap, axis=1), (1, horizon // WEEK))
    weighted = np.maximum(np.concatenate([plain, theta, steady]), 0) * future
    has_actual = demand.num_days >= start + horizon
    return Trial(
        origin=origin,
        start=start,
        methods=np.concatenate([weighted, naive[None], (yearly * future)[None]]),
        naive=naive,
        weight=future,
        deviation=deviation,
        actual=demand.values[:, start : start + horizon] if has_actual else None,
    )


def _weekday_profile(
    values: np.ndarray, closed: np.ndarray, *, num_weeks: int = 12, prior_days: float = 60.0
) -> np.ndarray:
    """Returns `[n, 7]` demand of a weekday over the mean day, from the last weeks; column 0 = that of the first day.

    A series that sells on few days is drawn towards the shop's profile, as if it had been seen `prior_days` days more;
    the shop's own is drawn towards equal days where weekdays differ by no more than chance explains. Closed days have
    no part in it.
    """
    weeks = min(num_weeks, values.shape[1] // WEEK)
    start = values.shape[1] - weeks * WEEK
    is_open = ~closed[start:].reshape(weeks, WEEK)
    recent = values[:, start:].reshape(len(values), weeks, WEEK)
    shop = np.roll(_shop_profile(recent[0], is_open), start % WEEK)
    shop[closed_weekdays(closed)] = 0
    shop = shop / shop.mean() if shop.sum() > 0 else np.ones(WEEK)
    means = np.roll((recent * is_open).sum(axis=1) / np.maximum(is_open.sum(axis=0), 1), start % WEEK, axis=1)
    weekday_profile = means / np.maximum(means.mean(axis=1, keepdims=True), 1e-12)
    num_days = (recent > 0).sum(axis=(1, 2))[:, None]
    return (weekday_profile * num_days + shop * prior_days) / (num_days + prior_days)


def _shop_profile(recent: np.ndarray, is_open: np.ndarray) -> np.ndarray:
    """Returns `[7]` means of the weekdays, `recent` `[weeks, 7]`, drawn towards their mean by their standard error.

    Each day is capped at three times the median of its weekday, so that one enormous order does not stand out; weekdays
    with a median of 0 keep their mean. A weekday that was never open has 0.
    """
    days = np.where(is_open, recent, np.nan)
    has_open = is_open.any(axis=0)
    days[:, ~has_open] = 0
    median = np.nanmedian(days, axis=0)
    capped = np.where(median > 0, np.minimum(days, 3 * median), days)
    mean = np.nanmean(capped, axis=0)
    if has_open.sum() < 2:
        return mean
    noise = (np.nanvar(capped, axis=0) / np.maximum(is_open.sum(axis=0) - 1, 1))[has_open].mean()
    between = mean[has_open].var(ddof=1)
    kept = max(1 - noise / between, 0.0) if between > 0 else 0.0
    return np.where(has_open, mean[has_open].mean() * (1 - kept) + kept * mean, 0.0)


def _after_sell_out(past: Demand) -> np.ndarray:
    """Returns `[n, T]` the days after the last sale of a series whose stock is 0: nothing could be sold."""
    last = past.num_days - np.argmax(past.values[:, ::-1] > 0, axis=1)
    return past.is_sold_out[:, None] & (np.arange(past.num_days) >= last[:, None])


def _yearly_index(past: Demand, closed: np.ndarray, horizon: int) -> np.ndarray:
    """Returns `[H]` the shop's mean open day over that of the eight weeks before, both 52 weeks ago; NaN unknown.

    One factor for every four weeks; of the weeks before, one at least must be in the log. Each factor is drawn towards
    1 by what the spread of single weeks explains (positive-part James–Stein on the log), so that a shop without a
    yearly pattern gets none.
    """
    index = np.full(horizon, np.nan)
    year_ago = past.num_days - 52 * WEEK
    if year_ago < WEEK or horizon > 52 * WEEK:
        return index
    days = np.where(closed, np.nan, np.minimum(past.values[0], np.quantile(past.values[0], 0.99)))
    weeks = days[past.num_days % WEEK :].reshape(-1, WEEK)
    totals = np.nanmean(weeks[np.isfinite(weeks).any(axis=1)], axis=1)
    change = np.diff(totals)
    spread = np.sqrt((change**2).mean() / 2) / max(totals.mean(), 1e-12)
    before = max(year_ago - 8 * WEEK, 0)
    usual = _mean_or_nan(days[before:year_ago])
    for start in range(0, horizon, 4 * WEEK):
        end = min(start + 4 * WEEK, horizon)
        then = _mean_or_nan(days[year_ago + start : year_ago + end])
        if usual > 0 and then > 0:
            change_of_log = np.log(then / usual)
            noise = spread**2 * (WEEK / (end - start) + WEEK / (year_ago - before))
            index[start:end] = np.exp(change_of_log * max(1 - 2 * noise / max(change_of_log**2, 1e-12), 0))
        else:
            index[start:end] = 1.0  # closed then, or nothing sold: the calendar of closures has it
    return index


def _mean_or_nan(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _caps(even: np.ndarray) -> np.ndarray:
    """Returns `[n]` the 99th percentile of each series, at least the mean of its days with demand."""
    filled = np.nan_to_num(even)
    sold = (filled > 0).sum(axis=1)
    return np.maximum(np.quantile(filled, 0.99, axis=1), filled.sum(axis=1) / np.maximum(sold, 1))


def _cut_off(even: np.ndarray, capped: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Returns `[n]` what the caps take from a level as a whole, as a factor: the median over weeks of true over capped.

    Caps make each series steadier, but all of them together too low, so that items would not add up to the shop. One
    enormous order spoils one week, and so not the median.
    """
    factors = np.ones(len(even))
    weeks = even.shape[1] // WEEK
    for level in np.unique(levels):
        is_level = levels == level
        true, cut = (
            np.nansum(part[is_level, -weeks * WEEK :].reshape(is_level.sum(), weeks, WEEK), axis=(0, 2))
            for part in (even, capped)
        )
        if (cut > 0).any():
            factors[is_level] = np.median(true[cut > 0] / cut[cut > 0])
    return factors


def _smooth(even: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[rates, n]` last levels and `[n]` mean miss over the last 12 weeks; closed days (NaN) change nothing."""
    rates = np.array(RATES)[:, None]
    start = np.nan_to_num(np.nanmean(_or_zero(even[:, : 4 * WEEK]), axis=1))
    level = np.repeat(start[None], len(RATES), axis=0)
    missed, seen = np.zeros(len(even)), np.zeros(len(even))
    for day in range(even.shape[1]):
        today = even[:, day]
        is_known = np.isfinite(today)
        miss = np.where(is_known, today - level, 0.0)
        if day >= even.shape[1] - 12 * WEEK:
            missed += np.abs(miss[1])
            seen += is_known
        level = level + rates * miss
    deviation = missed / np.maximum(seen, 1)
    positive = deviation[deviation > 0]
    floor = 0.1 * float(np.median(positive)) if len(positive) else 1.0
    return level, np.maximum(deviation, floor)


def _recent(even: np.ndarray, weights: np.ndarray, num_days: int) -> np.ndarray:
    """Returns `[n]` demand of the last days over their weights: a mean in which a strong weekday counts more."""
    last, weight = even[:, -num_days:], weights[:, -num_days:]
    has_value = np.isfinite(last)
    return (np.nan_to_num(last) * weight).sum(axis=1) / np.maximum((weight * has_value).sum(axis=1), 1e-9)


def _or_zero(values: np.ndarray) -> np.ndarray:
    """Returns the values `[series, days]`, 0 where a whole row is unknown, so that its mean is 0."""
    return np.where(np.isfinite(values).any(axis=1, keepdims=True), values, 0.0)


def _slope(even: np.ndarray) -> np.ndarray:
    """Returns `[n]` the slope of the least-squares line a day, over open days."""
    has_value = np.isfinite(even)
    days = np.arange(even.shape[1], dtype=np.float64)
    num = np.maximum(has_value.sum(axis=1), 1)
    centred = np.where(has_value, days - (has_value * days).sum(axis=1, keepdims=True) / num[:, None], 0.0)
    return (centred * np.nan_to_num(even)).sum(axis=1) / np.maximum((centred**2).sum(axis=1), 1.0)
