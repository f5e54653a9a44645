"""Writes what `tfrec forecast` prints."""

from typing import Any

import pandas as pd

from tfrec.analysis.forecasts import Forecasts
from tfrec.report.words import Language
from tfrec.schema.item_names import item_names
from tfrec.schema.text_columns import cut, text_table

_MOST_DAYS = 999  # of cover that are distinguished


def forecasts_text(
    forecasts: Forecasts,
    cover: pd.DataFrame | None,
    items: pd.DataFrame,
    say: Language,
    *,
    coverage: float,
    top: int,
    out: Any = None,
) -> str:
    """Returns the forecast of the shop and its proof, the largest series, and how long the stock lasts.

    Args:
        forecasts: the forecast.
        cover: as `Forecasts.days_of_cover` gives it; None where demand is money.
        items: the items, for their titles.
        say: language.
        coverage: share of days inside the intervals.
        top: number of series and items in the tables.
        out: path of the table of days, where there is one.
    """
    titles = item_names(items)
    best = forecasts.totals[forecasts.totals["level"] != "shop"].sort_values("forecast", ascending=False)
    rows = [
        [
            say.name(row.level),
            cut(titles.get(row.name) or say.name(row.name)),
            f"{row.forecast:,.0f}",
            f"{row.low:,.0f}–{row.high:,.0f}" if row.is_interval_known else "–",
            f"{row.last:,.0f}",
        ]
        for row in best.sort_values("level", kind="stable").head(top).itertuples()
    ]
    interval = say("heads.interval", share=coverage)
    heads = [say("heads.level"), say("demand.series"), say("demand.forecast"), interval, say("demand.last_period")]
    lines = [*_sentences(forecasts, say), "", text_table(heads, rows)]
    if cover is not None and len(cover):
        rows = [
            [
                cut(titles.get(row.item_id) or row.item_id),
                f"{row.stock:,.0f}",
                days_text(row.days),
                f"{days_text(row.days_low)}–{days_text(row.days_high)}",
                say.name(row.signal),
            ]
            for row in cover.head(top).itertuples()
        ]
        heads = [
            say("heads.item"),
            say("demand.stock"),
            say("demand.days_cover"),
            say("demand.interval"),
            say("demand.signal"),
        ]
        lines += ["", text_table(heads, rows)]
    if out is not None:
        lines += ["", say("demand.forecast_rows", path=out, n=len(forecasts.daily))]
    return "\n".join(lines)


def _sentences(forecasts: Forecasts, say: Language) -> list[str]:
    shop = forecasts.totals[forecasts.totals["level"] == "shop"].iloc[0]
    last_day = forecasts.first_day + pd.Timedelta(days=forecasts.horizon - 1)
    expected = {
        "first": f"{forecasts.first_day:%Y-%m-%d}",
        "last": f"{last_day:%Y-%m-%d}",
        "forecast": shop["forecast"],
        "measure": say.name(forecasts.measure),
        "before": shop["last"],
    }
    if shop["is_interval_known"]:
        line = say(
            "demand.after_many_days_before_interval",
            low=shop["low"],
            high=shop["high"],
            **expected,
        )
    else:
        line = say(
            "demand.after_many_days_before",
            **expected,
        )
    lines = [line, *cut_day_sentence(forecasts, say), sum_sentence(forecasts, say)]
    for row in forecasts.backtest.dropna(subset=["gain"]).itertuples():
        words = {"level": say.name(row.level), "times": row.num_origins}
        if row.is_slow:
            ends = {"low": 1 - row.total_gain_high, "high": 1 - row.total_gain_low}
            words |= {"horizon": forecasts.horizon, "ratio": 1 - row.total_gain, **ends}
            lines.append(say("demand.level_sums_error_over_naive", **words))
        else:
            words |= {"ratio": 1 - row.gain, "low": 1 - row.gain_high, "high": 1 - row.gain_low}
            words |= {"coverage": row.coverage, "days": row.num_days, "nominal": row.nominal}
            lines.append(say("demand.level_days_error_over_naive", **words))
    clear = forecasts.festivals[forecasts.festivals["is_clear"].astype(bool)]
    lines += [
        say(
            "demand.day_times_usual_seen",
            festival=say.name(row.festival),
            offset=row.offset,
            effect=row.effect,
            n=row.num,
        )
        for row in clear.nlargest(3, "effect").itertuples()
    ]
    lines.append(say("demand.counted_before_returns"))
    return lines


def cut_day_sentence(forecasts: Forecasts, say: Language) -> list[str]:
    """Returns a sentence on the day within which the log ends, where there is one."""
    if forecasts.cut_day is None:
        return []
    return [say("demand.log_ends_within_day", day=f"{forecasts.cut_day:%Y-%m-%d}")]


def sum_sentence(forecasts: Forecasts, say: Language) -> str:
    """Returns how wrong the shop's sum was on earlier periods, and how often its interval held it."""
    row = forecasts.backtest[forecasts.backtest["level"] == "shop"].iloc[0]
    if pd.isna(row["total_wape"]):
        return say("demand.sum_not_tested", days=forecasts.num_history)
    words = {"times": int(row["num_origins"]), "error": row["total_wape"], "naive": row["total_naive_wape"]}
    num = int(row["num_totals"])
    if not num:
        return say("demand.sum_error_without_intervals", **words)
    inside = round(row["total_coverage"] * num)
    return say("demand.sum_error_on_earlier_periods", nominal=row["nominal"], inside=inside, n=num, **words)


def days_text(days: float) -> str:
    """Returns days of cover; more than three years, or no end, are one."""
    return f"{days:,.0f}" if days <= _MOST_DAYS else f">{_MOST_DAYS:,}"
