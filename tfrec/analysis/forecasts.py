"""Turns daily demand into forecasts with intervals, reconciled over shop, categories and items, and back-tested."""

import dataclasses
import datetime
import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from tfrec.analysis.closures import WEEK
from tfrec.analysis.demand import (
    LEVELS,
    Demand,
    daily_demand,
    festival_effects,
    unusual_days,
)
from tfrec.analysis.festivals import shop_festivals
from tfrec.analysis.forecast_decisions import Decision, decide
from tfrec.analysis.smoothing import try_methods
from tfrec.errors import ConfigError
from tfrec.schema.tables import Tables

Measure = Literal["quantity", "value"]
"""What is forecast: pieces or money."""
Signal = Literal["order now", "watch", "enough", "too much"]
"""What the days of cover of an item ask for."""

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Forecasts:
    """Demand of the coming days.

    Attributes:
        daily: `level`, `name`, `day`, `forecast`, `low`, `high`.
        totals: the sum over the horizon, one row a series: `level`, `name`, `forecast`, `low`, `high`, `last` (what was
            sold in as many days before), `is_interval_known` (false where too few back-tests exist).
        backtest: one row a level: `num_series`, `num_origins`, `wape` and `naive_wape` of single days, `gain` =
            1 − wape/naive_wape with `gain_low`, `gain_high` (95 %, bootstrap of weeks), `total_wape`,
            `total_naive_wape`, `total_gain` of the sum over the horizon with `total_gain_low`, `total_gain_high`
            (95 %, bootstrap of origins: few, so wide), `nominal`, `coverage` of the daily intervals
            with `num_days` (series days on which the shop sells) and `total_coverage` with `num_totals`; `is_slow`
            where more than half of these days had no sale, so that sums and not days show a good forecast.
            NaN where the history is too short for a back-test.
        choice: level → methods whose mean is forecast, chosen on the back-tests; `reconciliation` → its method.
        festivals: effects, see `festival_effects`.
        unusual: days far from usual, see `unusual_days`.
        first_day: first day of the forecast.
        cut_day: day within which the log ends: it counts neither as past nor as coming day; None where the log ends
            with a whole day.
        horizon: days.
        num_history: days of log that the forecast rests on.
        measure: what is forecast: quantity (pieces) or value (currency).
    """

    JSON_KEYS: ClassVar = (
        "first_day", "cut_day", "horizon", "measure", "choice", ("daily", "upper"), "totals", "backtest", "festivals",
        "unusual",
    )  # fmt: skip

    daily: pd.DataFrame
    totals: pd.DataFrame
    backtest: pd.DataFrame
    choice: Mapping[str, str]
    festivals: pd.DataFrame
    unusual: pd.DataFrame
    first_day: pd.Timestamp
    horizon: int
    num_history: int
    measure: Measure
    cut_day: pd.Timestamp | None = None

    @property
    def upper(self) -> pd.DataFrame:
        """The days of the series above the items."""
        return self.daily[self.daily["level"] != "item"]

    def days_of_cover(self, items: pd.DataFrame, *, lead_days: float = 7.0) -> pd.DataFrame:
        """Returns how long the stock lasts, one row an item with known stock and a forecast, soonest first.

        Columns `item_id`, `stock`, `forecast` (over the horizon), `days` = stock / (forecast / horizon), `days_low`
        and `days_high` (from the interval's ends), `signal`: `order now` (may run out within `lead_days`),
        `watch` (within twice that), `enough`, or `too much` (over a year).

        Args:
            items: `item_id` and `stock`, as in `Tables.items`.
            lead_days: days between an order to the supplier and its arrival.

        Raises:
            ConfigError: `lead_days` is below 0 or no number.
        """
        if not 0 <= lead_days < np.inf:
            raise ConfigError(f"`lead_days` must be 0 or more; got {lead_days}. Try 7.")
        in_stock = items.loc[items["stock"].notna(), ["item_id", "stock"]]
        rows = in_stock.merge(self.totals[self.totals["level"] == "item"], left_on="item_id", right_on="name")
        stock = rows["stock"].to_numpy(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            days, low, high = (
                np.where(stock > 0, stock / (rows[name].to_numpy() / self.horizon), 0.0)
                for name in ("forecast", "high", "low")
            )
        marks = [low <= lead_days, low <= 2 * lead_days, days > 365]
        signal = np.select(marks, ["order now", "watch", "too much"], "enough")
        result = rows[["item_id", "stock", "forecast"]].assign(days=days, days_low=low, days_high=high, signal=signal)
        return result.sort_values(["days_low", "item_id"], ignore_index=True)


def forecast_demand(
    tables: Tables,
    *,
    horizon: int = 28,
    measure: Literal["quantity", "value"] = "quantity",
    until: pd.Timestamp | None = None,
    coverage: float = 0.8,
    max_items: int = 5000,
    num_backtests: int = 11,
    festivals: Mapping[str, Sequence[datetime.date]] | Sequence[str] | None = None,
    seed: int = 0,
) -> Forecasts:
    """Returns forecasts for the shop, its top categories and its items, from the whole days before `until`.

    Days are those of the shop's clock. Where the log ends within a day, the forecast begins with the next one.

    Days without sales are sales of zero, unless the shop was closed or the item out of stock (see `closures`). Days
    on which the shop was closed in each earlier year, as over Christmas, are forecast as closed.

    Every series is divided by its weekday profile (its own, drawn towards the shop's where it sells on few days) and
    by the factors of festivals that are clear from the past; single days are capped at the series' 99th percentile,
    and the level as a whole is made up for that. What remains is smoothed exponentially, or by the Theta method
    (smoothing with half the linear trend: Hyndman & Billah 2003), or continued at the mean of its last weeks or of all
    days, or last week is repeated, or the shop's change of a year before is applied. Methods and smoothing rates are
    chosen for each level on back-tests: forecasts from earlier origins, half a horizon apart,
    each of which knew nothing later. So is the reconciliation that makes the levels add up: bottom-up, top-down, or
    minimum trace with variance weights (Wickramasuriya, Athanasopoulos & Hyndman 2019).
    Intervals are split-conformal (Lei et al. 2018): the quantile of earlier errors over the series' own deviation, at
    a level that adapts to how much earlier intervals held (Gibbs & Candès 2021).

    The back-test that is reported does the same at each origin with the origins before it alone, so that no choice
    and no interval has seen the days it is judged on. Its rival is the seasonal naive forecast: last week, repeated.

    Args:
        tables: the shop.
        horizon: days to forecast, a multiple of 7.
        measure: pieces, or price · quantity.
        until: the forecast starts with this moment's day; default: with the day after the log.
        coverage: share of days that intervals shall hold.
        max_items: items with a series of their own.
        num_backtests: most earlier origins.
        festivals: name → dates, past and coming; or names, see `shop_festivals`; default: those of the shop.
        seed: random seed of the bootstrap.

    Raises:
        ConfigError: a setting is out of range, or the history is shorter than eight weeks or than twice the horizon.
        SchemaError: there are no purchases.
    """
    if horizon < WEEK or horizon % WEEK:
        raise ConfigError(f"`horizon` must be a multiple of 7 days; got {horizon}. Try 28.")
    if not 0.5 <= coverage < 1:
        raise ConfigError(f"`coverage` must be a share from 0.5 to below 1; got {coverage}. Try 0.8.")
    demand = daily_demand(tables, measure=measure, until=until, max_items=max_items)
    first_origin = max(8 * WEEK, horizon)
    needed = max(8 * WEEK, 2 * horizon)
    if demand.num_days < needed:
        longest = min(demand.num_days // (2 * WEEK) * WEEK, horizon) if demand.num_days >= 8 * WEEK else 0
        advice = f"Try a horizon of {longest} days." if longest else "Come back when the log is longer."
        raise ConfigError(
            f"A forecast of {horizon} days needs {needed} days of history; got {demand.num_days}. {advice}"
        )
    if not isinstance(festivals, Mapping):
        last_year = demand.day(demand.num_days + horizon).year
        festivals = shop_festivals(tables.calendar, demand.first_day.year, last_year, names=festivals)
    step = horizon // 2 if horizon % (2 * WEEK) == 0 else horizon
    steps = min(num_backtests * (horizon // step), (demand.num_days - first_origin) // step)
    origins = [demand.num_days - step * number for number in range(steps, -1, -1)]
    trials = [
        try_methods(demand, origin, horizon, festivals)
        for origin in tqdm(origins, desc="back-tests", unit="origin", delay=2, leave=False, disable=None)
    ]
    decisions: list[Decision] = []
    for trial in trials:
        earlier = [place for place, other in enumerate(trials) if other.origin + horizon <= trial.origin]
        decisions.append(
            decide(
                demand, [trials[place] for place in earlier], [decisions[place] for place in earlier], trial, coverage
            )
        )
    final = decisions[-1]
    judged = [
        decision
        for decision in decisions[:-1]
        if (demand.num_days - decision.trial.origin) % horizon == 0 and decision.num_earlier > 2
    ]
    effects = festival_effects(demand, festivals=festivals)
    logger.info("%d series forecast for %d days from %s", len(demand.names), horizon, demand.day(final.trial.start))
    return Forecasts(
        daily=_daily_frame(demand, final, horizon),
        totals=_totals_frame(demand, final, horizon),
        backtest=_backtest_frame(demand, judged, coverage, seed),
        choice=final.choice,
        festivals=effects,
        unusual=unusual_days(demand),
        first_day=demand.day(final.trial.start),
        cut_day=demand.day(demand.num_days) if demand.is_followed_by_cut_day else None,
        horizon=horizon,
        num_history=demand.num_days,
        measure=measure,
    )


def _daily_frame(demand: Demand, final: Decision, horizon: int) -> pd.DataFrame:
    days = demand.first_day + pd.to_timedelta(final.trial.start + np.arange(horizon), unit="D")
    return pd.DataFrame(
        {
            "level": np.repeat(demand.levels, horizon),
            "name": np.repeat(demand.names, horizon),
            "day": np.tile(days, len(demand.names)),
            "forecast": final.forecast.ravel(),
            "low": np.maximum(final.forecast - final.width, 0).ravel(),
            "high": (final.forecast + final.width).ravel(),
        }
    )


def _totals_frame(demand: Demand, final: Decision, horizon: int) -> pd.DataFrame:
    total = final.forecast.sum(axis=1)
    return pd.DataFrame(
        {
            "level": demand.levels,
            "name": demand.names,
            "forecast": total,
            "low": np.maximum(total - final.total_width, 0),
            "high": total + final.total_width,
            "last": demand.values[:, -horizon:].sum(axis=1),
            "is_interval_known": np.isfinite(final.total_width),
        }
    )


def _backtest_frame(demand: Demand, decisions: list[Decision], coverage: float, seed: int) -> pd.DataFrame:
    rows = []
    for level in LEVELS:
        is_level = demand.levels == level
        if is_level.any():
            row = {
                "level": level,
                "num_series": int(is_level.sum()),
                "num_origins": len(decisions),
                "nominal": coverage,
            }
            rows.append({**row, **_judge(is_level, decisions, seed)})
    return pd.DataFrame(rows)


def _judge(is_level: np.ndarray, decisions: list[Decision], seed: int) -> dict[str, float]:
    if not decisions:
        names = ("wape", "naive_wape", "gain", "gain_low", "gain_high", "total_wape", "total_naive_wape", "total_gain")
        ends = ("total_gain_low", "total_gain_high", "coverage", "total_coverage")
        return {**dict.fromkeys((*names, *ends), float("nan")), "num_days": 0, "num_totals": 0, "is_slow": False}
    weeks, sums, is_in, is_total_in, is_empty = [], [], [], [], []
    for decision in decisions:
        actual, forecast, naive = (
            part[is_level] for part in (decision.trial.outcome, decision.forecast, decision.trial.naive)
        )
        by_week = [
            part.reshape(len(actual), -1, WEEK).sum(axis=(0, 2))
            for part in (np.abs(actual - forecast), np.abs(actual - naive), actual)
        ]
        weeks.append(np.stack(by_week, axis=1))
        miss = (actual - forecast).sum(axis=1)
        sums.append([np.abs(miss).sum(), np.abs((actual - naive).sum(axis=1)).sum(), actual.sum()])
        width, total_width = decision.width[is_level], decision.total_width[is_level]
        is_empty.append((actual == 0)[decision.is_open[is_level]])
        use = decision.is_open[is_level] & np.isfinite(width)
        is_in.append((np.abs(actual - forecast) <= width)[use])
        is_total_in.append((np.abs(miss) <= total_width)[np.isfinite(total_width)])
    blocks = np.concatenate(weeks)
    wape, naive_wape = blocks[:, :2].sum(axis=0) / max(blocks[:, 2].sum(), 1e-9)
    rng = np.random.default_rng(seed)
    drawn = blocks[rng.integers(len(blocks), size=(2000, len(blocks)))].sum(axis=1)
    low, high = np.quantile(1 - drawn[:, 0] / np.maximum(drawn[:, 1], 1e-9), [0.025, 0.975])
    totals = np.sum(sums, axis=0)
    redrawn = np.array(sums)[rng.integers(len(sums), size=(2000, len(sums)))].sum(axis=1)
    total_low, total_high = np.quantile(1 - redrawn[:, 0] / np.maximum(redrawn[:, 1], 1e-9), [0.025, 0.975])
    inside, total_inside = np.concatenate(is_in), np.concatenate(is_total_in)
    return {
        "wape": float(wape),
        "naive_wape": float(naive_wape),
        "gain": float(1 - wape / max(naive_wape, 1e-9)),
        "gain_low": float(low),
        "gain_high": float(high),
        "total_wape": float(totals[0] / max(totals[2], 1e-9)),
        "total_naive_wape": float(totals[1] / max(totals[2], 1e-9)),
        "total_gain": float(1 - totals[0] / max(totals[1], 1e-9)),
        "total_gain_low": float(total_low),
        "total_gain_high": float(total_high),
        "coverage": float(inside.mean()) if len(inside) else float("nan"),
        "num_days": len(inside),
        "total_coverage": float(total_inside.mean()) if len(total_inside) else float("nan"),
        "num_totals": len(total_inside),
        "is_slow": bool(np.concatenate(is_empty).mean() > 0.5) if len(np.concatenate(is_empty)) else False,
    }
