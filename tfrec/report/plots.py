"""Draws the pictures that both the report and single verbs show."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from tfrec.analysis.demand import Demand
from tfrec.analysis.dropout import RISKS
from tfrec.analysis.forecasts import Forecasts
from tfrec.analysis.lifetime_value import LifetimeValue
from tfrec.analysis.repurchase import Churn
from tfrec.analysis.segments import Segments
from tfrec.pages.blocks import Figure
from tfrec.pages.charts import bar_chart, line_chart
from tfrec.report.terminal.customers import segment_name
from tfrec.report.terminal.lifetime import tenth_names, tenths
from tfrec.report.words import Language
from tfrec.schema.item_names import shorten

_WEEKS_SHOWN = 16
_LEAST_WEEKS = 8
_SAW = 0.15  # deviation of the weekdays' means over the mean of all
_NUM_RULES = 10
_SIDE = 26  # letters of each name of a pair beside its bar


def segments_figure(segments: Segments, title: str, say: Language) -> Figure:
    """Returns each segment's share of the value."""
    rows = segments.profiles[segments.profiles["value_share"] > 0]
    svg = bar_chart(
        [f"{segment_name(row, say)} ({row.num_users:,})" for row in rows.itertuples()],
        list(rows["value_share"]),
        label=say("customers.share_value"),
        form="{:.0%}",
    )
    caption = say("customers.brackets_number_users_shares_whole", n=len(segments.assignments))
    return Figure(svg, caption, title)


def rules_figure(rules: pd.DataFrame, title_of: Callable[[str], str], say: Language) -> list[Figure]:
    """Returns the lift of the strongest pairs, each pair once; none without pairs.

    Args:
        rules: rules, strongest first, as `Rules.rules` has them.
        title_of: names an item.
        say: language.
    """
    pairs = rules[rules["size"] == 2]
    both = [frozenset((*row.antecedent, row.consequent)) for row in pairs.itertuples()]
    top = pairs[~pd.Series(both, index=pairs.index, dtype=object).duplicated()].head(_NUM_RULES)
    if not len(top):
        return []
    svg = bar_chart(
        [
            f"{shorten(title_of(row.antecedent[0]), _SIDE)} → {shorten(title_of(row.consequent), _SIDE)}"
            for row in top.itertuples()
        ],
        list(top["lift"]),
        lows=list(top["lift_low"]),
        highs=list(top["lift_high"]),
        label=say("rules.lift_times_often_all_orders"),
        form="{:.1f}",
    )
    caption = say("rules.strongest_pairs_rules_whiskers_95", n=len(rules))
    return [Figure(svg, caption, say("rules.strongest_pairs"))]


def forecast_figure(forecasts: Forecasts, demand: Demand | None, say: Language) -> Figure:
    """Returns what the shop sold in its last weeks and the forecast: by week where weekdays differ much."""
    if demand is not None and _is_saw(demand.values[0][-7 * _WEEKS_SHOWN :]):
        return _weekly_figure(forecasts, demand, say)
    return _daily_figure(forecasts, demand, say)


def _is_saw(past: np.ndarray) -> bool:
    """Returns whether the day of the week moves daily figures much, so that a line of days is a saw."""
    weeks = past[len(past) % 7 :].reshape(-1, 7)
    means = np.nanmean(weeks, axis=0)
    return len(weeks) >= _LEAST_WEEKS and bool(means.std() >= _SAW * means.mean() > 0)


def _weekly_figure(forecasts: Forecasts, demand: Demand, say: Language) -> Figure:
    """Returns sums of seven days: back from the last whole day, and on from the first day of the forecast."""
    past = demand.values[0][-7 * _WEEKS_SHOWN :]
    ahead = forecasts.daily.loc[forecasts.daily["level"] == "shop", "forecast"].to_numpy(np.float64)
    sold, expected = (days[len(days) % 7 :].reshape(-1, 7) for days in (past, ahead))
    sold, expected = np.nansum(sold, axis=1), expected.sum(axis=1)
    before = np.datetime64(demand.day(demand.num_days - 7 * len(sold)), "D") + 7 * np.arange(len(sold))
    after = np.datetime64(forecasts.first_day, "D") + 7 * np.arange(len(expected))
    weeks = np.concatenate([before, after])
    svg = line_chart(
        weeks.astype("datetime64[s]"),
        [
            (say("demand.forecast"), np.concatenate([np.full(len(sold), np.nan), expected])),
            (say("demand.sold"), np.concatenate([sold, np.full(len(expected), np.nan)])),
        ],
        label=say("demand.per_week", measure=say.name(forecasts.measure)),
    )
    shop = forecasts.totals[forecasts.totals["level"] == "shop"].iloc[0]
    caption = say("demand.weeks_begin")
    if shop["is_interval_known"]:
        caption = say("demand.weeks_begin_interval", days=forecasts.horizon, low=shop["low"], high=shop["high"])
    return Figure(svg, caption, say("demand.forecast_shop"))


def _daily_figure(forecasts: Forecasts, demand: Demand | None, say: Language) -> Figure:
    daily = forecasts.daily[forecasts.daily["level"] == "shop"]
    days, past = daily["day"].to_numpy(), np.zeros(0)
    if demand is not None:
        past = demand.values[0][-7 * _WEEKS_SHOWN :]
        first = np.datetime64(demand.day(demand.num_days - len(past)), "D")
        days = np.concatenate([first + np.arange(len(past)), days.astype("datetime64[D]")])
    gap = np.full(len(past), np.nan)
    unknown = np.full(len(daily), np.nan)
    svg = line_chart(
        days.astype("datetime64[s]"),
        [
            (say("demand.forecast"), np.concatenate([gap, daily["forecast"]])),
            (say("demand.sold"), np.concatenate([past, unknown])),
        ],
        bands=[(np.concatenate([gap, daily["low"]]), np.concatenate([gap, daily["high"]])), None],
        label=say("demand.per_day", measure=say.name(forecasts.measure)),
    )
    row = forecasts.backtest[forecasts.backtest["level"] == "shop"].iloc[0]
    caption = say("demand.band_80_interval_day")
    if np.isfinite(row["coverage"]):
        caption = say("demand.band_80_interval_day_back", coverage=row["coverage"], n=int(row["num_days"]))
    return Figure(svg, caption, say("demand.forecast_shop"))


def churn_figure(churn: Churn, say: Language) -> Figure:
    """Returns the number of buyers of each churn risk."""
    counts = churn.users["risk"].value_counts()
    order = [risk for _, risk in RISKS if risk in counts.index]
    svg = bar_chart([say.name(risk) for risk in order], list(counts[order]), label=say("loyalty.buyers_churn_risk"))
    caption = say("loyalty.n_buyers_risk_1_chance", n=len(churn.users), days=churn.horizon_days)
    return Figure(svg, caption, say("loyalty.churn_risk"))


def value_figure(values: LifetimeValue, say: Language, *, currency: str) -> Figure:
    """Returns the expected value of each tenth of the buyers."""
    sums: Sequence[float] = [float(values.users["expected_value"].iloc[part].sum()) for part in tenths(values)]
    svg = bar_chart(tenth_names(values, say), sums, label=say("lifetime.expected_sum_in", currency=currency))
    caption = say("lifetime.tenths", days=values.horizon_days, n=values.num_users, currency=currency)
    return Figure(svg, caption, say("lifetime.expected_value"))
