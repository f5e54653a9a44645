"""Turns purchases into daily demand: one series for the shop, each category and each item, and its holidays."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from tfrec.analysis.closures import closed_days
from tfrec.analysis.whole_days import whole_days
from tfrec.errors import ConfigError, SchemaError
from tfrec.schema.tables import CATEGORY_SEPARATOR, Tables

LEVELS = ("shop", "category", "item")
"""Levels of the hierarchy, top first."""

REMAINDER = "all other items"
"""The bottom series of everything that has no series of its own."""

_UNUSUAL = 3.5  # robust deviations beyond which a day is called unusual
_LEAST_OCCURRENCES = 2  # one occurrence does not distinguish a festival from any other cause on that day
_LEAST_ORDINARY = 28  # ordinary days below which their spread is unknown
_NUM_DRAWN = 100_000  # random means behind a p-value: enough for 0.02 over 45 rows
_FAMILY_LEVEL = 0.02  # probability that a shop without festivals gets any


@dataclasses.dataclass(frozen=True)
class Demand:
    """Daily demand of a hierarchy: the shop is the sum of its categories, a category that of its items.

    Attributes:
        values: `[n, T]` pieces (or currency) a day; the shop first, then categories, then items.
        names: `[n]` of the series; the shop is `""`.
        levels: `[n]` one of `LEVELS`.
        aggregation: `[u, b]` which of the b items each of the u upper series adds up.
        first_day: day of the first column.
        orders: `[T]` number of orders of the shop a day, by which closed days are known from days without sales.
        is_sold_out: `[n]` series whose stock in the catalogue is 0, so that their last days without sales are unknown.
        is_followed_by_cut_day: the log ends within the day after the last column.
    """

    values: np.ndarray  # [n, T]
    names: np.ndarray  # [n]
    levels: np.ndarray  # [n]
    aggregation: np.ndarray  # [u, b]
    first_day: pd.Timestamp
    orders: np.ndarray  # [T]
    is_sold_out: np.ndarray  # [n]
    is_followed_by_cut_day: bool = False

    def until(self, column: int) -> "Demand":
        """Returns the days before a column; what the catalogue states of today's stock holds for the last day only."""
        if column == self.num_days:
            return self
        return dataclasses.replace(
            self,
            values=self.values[:, :column],
            orders=self.orders[:column],
            is_sold_out=np.zeros_like(self.is_sold_out),
            is_followed_by_cut_day=False,
        )

    @property
    def num_upper(self) -> int:
        """Number of series above the items."""
        return len(self.aggregation)

    @property
    def num_days(self) -> int:
        """Number of days, T."""
        return self.values.shape[1]

    def day(self, column: int) -> pd.Timestamp:
        """Returns the day of a column, which may lie in the future."""
        return self.first_day + pd.Timedelta(days=int(column))


def daily_demand(
    tables: Tables,
    *,
    measure: Literal["quantity", "value"] = "quantity",
    until: pd.Timestamp | None = None,
    max_items: int = 5000,
    max_days: int = 1100,
) -> Demand:
    """Returns the daily demand of the whole days before `until`, on the shop's clock; see `whole_days`.

    Args:
        tables: the shop; purchases count as they were sold, before returns, as that much had to be in stock.
        measure: pieces, or price · quantity.
        until: the day of this moment (UTC) and all later ones are left out; default: the log's last day is left out
            where it is cut.
        max_items: the items of highest demand that get a series of their own; the others go into `REMAINDER`.
        max_days: older days are left out.

    Raises:
        ConfigError: `measure` is unknown.
        SchemaError: there are no purchases before `until`.
    """
    if measure not in ("quantity", "value"):
        raise ConfigError(f"`measure` must be 'quantity' or 'value'; got {measure!r}.")
    purchases = tables.purchases
    first, end, is_cut = _period(tables, until)
    days_of = tables.calendar.local(purchases["timestamp"]).dt.floor("D")
    is_inside = (days_of >= first) & (days_of < end)
    if not is_inside.any():
        raise SchemaError(f"Demand needs purchases before {end:%Y-%m-%d}; there is none. Name a later `until`.")
    first = max(days_of[is_inside].iloc[0], end - pd.Timedelta(days=max_days))
    is_inside &= days_of >= first
    purchases, days = purchases[is_inside], (days_of[is_inside] - first).dt.days.to_numpy()
    num_days = (end - first).days
    amounts = np.nan_to_num(purchases["quantity"].to_numpy(np.float64))
    if measure == "value":
        amounts = amounts * np.nan_to_num(purchases["price"].to_numpy(np.float64))
    items, names = pd.factorize(purchases["item_id"], sort=True)
    kept = np.sort(np.argsort(-np.bincount(items, weights=amounts), kind="stable")[:max_items])
    row = np.full(len(names), len(kept))
    row[kept] = np.arange(len(kept))
    has_rest = len(kept) < len(names)
    bottom = np.zeros((len(kept) + has_rest, num_days))
    np.add.at(bottom, (row[items], days), amounts)
    bottom_names = np.append(np.asarray(names, dtype=object)[kept], [REMAINDER] if has_rest else [])
    aggregation, upper_names = _hierarchy(tables, bottom_names)
    stock = tables.items.set_index("item_id")["stock"].reindex(bottom_names).to_numpy(np.float64)
    return Demand(
        values=np.concatenate([aggregation @ bottom, bottom]),
        names=np.concatenate([upper_names, bottom_names]),
        levels=np.repeat(LEVELS, [1, len(upper_names) - 1, len(bottom)]),
        aggregation=aggregation,
        first_day=first,
        orders=np.bincount(_orders_of(purchases, days), minlength=num_days),
        is_sold_out=np.concatenate([np.zeros(len(upper_names), dtype=bool), stock == 0]),
        is_followed_by_cut_day=is_cut,
    )


def _period(tables: Tables, until: pd.Timestamp | None) -> tuple[pd.Timestamp, pd.Timestamp, bool]:
    """Returns the log's first whole day, the day behind its last whole one, and whether the log ends within that."""
    log = tables.events.loc[(tables.events["event_type"] != "impression").to_numpy(), "timestamp"]
    end = tables.calendar.local(pd.Timestamp(until)).floor("D") if until is not None else None
    moments = tables.calendar.local(log)
    moments = moments if end is None else moments[moments < end]
    if not len(moments):
        raise SchemaError(
            f"Demand needs purchases before {end or 'now'}; there is none. Name a later `until`, or map purchases."
        )
    first, end_of_log = whole_days(moments)
    return (first, end_of_log, bool(moments.max() >= end_of_log)) if end is None else (first, end, False)


def _orders_of(purchases: pd.DataFrame, days: np.ndarray) -> np.ndarray:
    """Returns the day of each order; lines without an order number are one order a user and moment."""
    keys = purchases[["order_id", "user_id", "timestamp"]].assign(day=days)
    has_number = keys["order_id"] != ""
    numbered = keys[has_number].drop_duplicates(["order_id", "day"])
    others = keys[~has_number].drop_duplicates(["user_id", "timestamp"])
    return np.concatenate([numbered["day"].to_numpy(), others["day"].to_numpy()])


def _hierarchy(tables: Tables, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the aggregation matrix and the names of the upper series; categories only where there are two or more."""
    category = tables.items.set_index("item_id")["category"].str.split(CATEGORY_SEPARATOR).str[0]
    codes, categories = pd.factorize(category.reindex(names).fillna("").replace("", "without category"), sort=True)
    if len(categories) < 2:
        return np.ones((1, len(names))), np.array([""], dtype=object)
    membership = (codes[None, :] == np.arange(len(categories))[:, None]).astype(np.float64)
    whole = np.concatenate([np.ones((1, len(names))), membership])
    return whole, np.array(["", *categories], dtype=object)


def festival_effects(
    demand: Demand, *, festivals: Mapping[str, Sequence[datetime.date]], days_before: int = 3, days_after: int = 1
) -> pd.DataFrame:
    """Returns how demand departs from the usual around each festival, one row a festival and day of its window.

    Usual is the median of the same weekday within four weeks on each side, festival windows and closed days left out.
    The effect is the geometric mean of demand over usual, drawn towards 1 (empirical Bayes: the variance of all
    effects against that of chance); its interval (95 %) rests on the spread of that ratio on ordinary days, over the
    root of the number of occurrences.

    An effect is clear where the festival occurred twice or more and chance would give so large a mean, in any of the
    rows tried, to one log in fifty: its p-value, the share of means of as many random ordinary days that are as far
    from usual, stays below 0.02 by Holm's method.

    Returns columns `festival`, `offset` (days from the festival), `effect`, `low`, `high`, `num` (occurrences),
    `is_clear`; festivals outside the period have no row.
    """
    columns = ["festival", "offset", "effect", "low", "high", "num", "is_clear"]
    windows = _windows(demand, festivals, days_before, days_after)
    over_usual, num_around = _over_usual(demand, windows)
    # A usual that is the median of few days is less certain; the ratio is brought to the spread of one of eight.
    ratio = np.log(over_usual) * np.sqrt((1 + np.pi / 16) / (1 + np.pi / 2 / np.maximum(num_around, 1)))
    ordinary = np.delete(ratio, windows)
    ordinary = ordinary[np.isfinite(ordinary)]
    rows = []
    for name, dates in festivals.items():
        for offset in range(-days_before, days_after + 1):
            places = [_column(demand, date) + offset for date in dates]
            ratios = [ratio[place] for place in places if 0 <= place < demand.num_days and np.isfinite(ratio[place])]
            if ratios:
                rows.append((name, offset, float(np.mean(ratios)), len(ratios)))
    if not rows or len(ordinary) < _LEAST_ORDINARY:
        return pd.DataFrame({name: [] for name in columns}).astype({"is_clear": bool})
    effects = pd.DataFrame(rows, columns=["festival", "offset", "mean", "num"])
    mean, num = effects["mean"].to_numpy() - np.median(ordinary), effects["num"].to_numpy()
    chance = max(float(ordinary.std()), 1e-9) ** 2 / num
    between = max(float((mean**2 - chance).mean()), 0.0)
    kept = between / (between + chance)
    width = 1.96 * np.sqrt(kept * chance)
    return effects.assign(
        effect=np.exp(kept * mean),
        low=np.exp(kept * mean - width),
        high=np.exp(kept * mean + width),
        is_clear=_holm(_chance_of(mean, num, ordinary), num >= _LEAST_OCCURRENCES),
    )[columns]


def unusual_days(demand: Demand) -> pd.DataFrame:
    """Returns the days on which the shop sold much more or less than usual: `day`, `demand`, `ratio` to the usual.

    Much is 3.5 robust deviations of the log ratio. Closed days are left out.
    """
    ratio = np.log(_over_usual(demand, np.zeros(0, dtype=np.int64))[0])
    deviation = np.abs(ratio - np.nanmedian(ratio)) if np.isfinite(ratio).any() else ratio
    columns = np.flatnonzero(deviation > _UNUSUAL * _robust_spread(ratio))
    return pd.DataFrame(
        {
            "day": [demand.day(int(column)) for column in columns],
            "demand": demand.values[0, columns],
            "ratio": np.exp(ratio[columns]),
        }
    )


def festival_factors(
    demand: Demand, effects: pd.DataFrame, festivals: Mapping[str, Sequence[datetime.date]], num_days: int
) -> np.ndarray:
    """Returns `[num_days]` the factor of each day from the first on; 1 where no clear effect is known."""
    factors = np.ones(num_days)
    clear = effects[effects["is_clear"].astype(bool)]
    for name, offset, effect in zip(clear["festival"], clear["offset"], clear["effect"], strict=True):
        for date in festivals[name]:
            column = _column(demand, date) + offset
            if 0 <= column < num_days:
                factors[column] = effect
    return factors


def _chance_of(mean: np.ndarray, num: np.ndarray, ordinary: np.ndarray) -> np.ndarray:
    """Returns `[r]` the share of means of as many ordinary days at least as far from the median; 1 for one day."""
    rng = np.random.default_rng(0)
    centred = ordinary - np.median(ordinary)
    result = np.ones(len(mean))
    for size in np.unique(num[num >= _LEAST_OCCURRENCES]):
        drawn = np.abs(centred[rng.integers(len(centred), size=(_NUM_DRAWN, size))].mean(axis=1))
        drawn.sort()
        rows = num == size
        farther = _NUM_DRAWN - np.searchsorted(drawn, np.abs(mean[rows]), side="left")
        result[rows] = (farther + 1) / (_NUM_DRAWN + 1)
    return result


def _holm(chances: np.ndarray, is_tested: np.ndarray) -> np.ndarray:
    """Returns which of the tested are significant, all of them together at `_FAMILY_LEVEL` (Holm 1979)."""
    clear = np.zeros(len(chances), dtype=bool)
    tested = np.flatnonzero(is_tested)
    for left, place in enumerate(tested[np.argsort(chances[tested], kind="stable")]):
        if chances[place] > _FAMILY_LEVEL / (len(tested) - left):
            break
        clear[place] = True
    return clear


def _column(demand: Demand, date: datetime.date) -> int:
    return (pd.Timestamp(date) - demand.first_day).days


def _windows(
    demand: Demand, festivals: Mapping[str, Sequence[datetime.date]], days_before: int, days_after: int
) -> np.ndarray:
    columns = {
        _column(demand, date) + offset
        for dates in festivals.values()
        for date in dates
        for offset in range(-days_before, days_after + 1)
    }
    return np.array(sorted(column for column in columns if 0 <= column < demand.num_days), dtype=np.int64)


def _over_usual(demand: Demand, left_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[T]` the shop's demand over the median of the same weekday up to four weeks away, and of how many days.

    Closed days, and those with fewer than three days around, are NaN. Where open days without sales exist, the same
    amount is added above and below, so that the ratio is finite: the mean day times half the share of such days.
    """
    closed = closed_days(demand.orders)
    series = np.where(closed, np.nan, demand.values[0].astype(np.float64))
    open_days = series[~closed]
    added = 0.5 * float((open_days <= 0).mean() * open_days.mean()) if len(open_days) else 0.0
    reference = series.copy()
    reference[left_out] = np.nan
    padded = np.pad(reference, 28, constant_values=np.nan)
    steps = [step for step in range(-28, 29, 7) if step]
    around = np.stack([padded[28 + step : 28 + step + len(series)] for step in steps])
    num_around = np.isfinite(around).sum(axis=0)
    has_any = num_around >= 3
    usual = np.full(len(series), np.nan)
    usual[has_any] = np.nanmedian(around[:, has_any], axis=0)
    above, below = series + added, usual + added
    is_known = (above > 0) & (below > 0)
    return np.where(is_known, above, np.nan) / np.where(is_known, below, np.nan), num_around


def _robust_spread(values: np.ndarray) -> float:
    """Returns the standard deviation that the median absolute deviation stands for; NaN without values."""
    values = values[np.isfinite(values)]
    return float(1.4826 * np.median(np.abs(values - np.median(values)))) if len(values) else float("nan")
