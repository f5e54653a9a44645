"""Writes the section on demand, its forecast, holidays and stock."""

import numpy as np
import pandas as pd

from tfrec.analysis.forecasts import Forecasts
from tfrec.report.blocks import Absent, Figure, Section, Table
from tfrec.report.charts import bar_chart, line_chart
from tfrec.report.findings import Findings
from tfrec.report.words import Language

_WEEKS_SHOWN = 16
_LEAD_DAYS = 7.0


def demand_section(findings: Findings, say: Language) -> Section:
    """Returns the forecast with intervals and its proof, effects of festivals, days of cover."""
    title, forecasts = say("Demand and stock"), findings.forecasts
    if isinstance(forecasts, Absent):
        return Section("demand", title, (say("No forecast: {reason}", reason=forecasts.reason),), is_absent=True)
    shop = forecasts.totals[forecasts.totals["level"] == "shop"].iloc[0]
    last_day = forecasts.first_day + pd.Timedelta(days=forecasts.horizon - 1)
    has_interval = bool(shop["is_interval_known"])
    sentences = [
        say(
            "From {first} to {last} {forecast:,.0f} pieces are expected (80 % interval {low} to {high}), after "
            "{before:,.0f} in the {days} days before: order and staff for that.",
            first=f"{forecasts.first_day:%Y-%m-%d}",
            last=f"{last_day:%Y-%m-%d}",
            forecast=shop["forecast"],
            low=f"{shop['low']:,.0f}" if has_interval else "?",
            high=f"{shop['high']:,.0f}" if has_interval else "?",
            before=shop["last"],
            days=forecasts.horizon,
        )
    ]
    clear = forecasts.festivals[forecasts.festivals["is_clear"].astype(bool)]
    if len(clear):
        best = clear.loc[clear["effect"].sub(1).abs().idxmax()]
        sentences.append(
            say(
                "The clearest feast day is {name} ({offset:+d} days): demand was {effect:.1f} times the usual (95 % "
                "interval {low:.1f} to {high:.1f}, seen {n} times).",
                name=say.name(best["festival"]),
                offset=int(best["offset"]),
                effect=best["effect"],
                low=best["low"],
                high=best["high"],
                n=int(best["num"]),
            )
        )
    else:
        sentences.append(say("No shopping festival stands out from ordinary days in this log."))
    figures = [_forecast_figure(findings, forecasts, say)]
    festivals = _festival_figure(forecasts, say)
    tables = [_proof(forecasts, say), *_categories(forecasts, say)]
    cover = forecasts.days_of_cover(findings.items, lead_days=_LEAD_DAYS)
    if len(cover):
        counts = cover["signal"].value_counts()
        sentences.append(
            say(
                "{now:,} of {all:,} items with known stock may run out within {days:g} days, {much:,} hold more than a "
                "year's demand: order the first, promote the second.",
                now=int(counts.get("order now", 0)),
                all=len(cover),
                much=int(counts.get("too much", 0)),
                days=_LEAD_DAYS,
            )
        )
        tables.append(_cover(cover, findings, say))
    else:
        sentences.append(say("Stock is not known here, so days of cover cannot be computed."))
    footnotes = (
        say(
            "Methods were chosen on earlier periods alone: {choice}. The rival is last week, repeated.",
            choice="; ".join(f"{say.name(level)}: {how}" for level, how in forecasts.choice.items()),
        ),
    )
    return Section("demand", title, tuple(sentences), (*figures, *festivals), tuple(tables), footnotes)


def _forecast_figure(findings: Findings, found: Forecasts, say: Language) -> Figure:
    daily = found.daily[found.daily["level"] == "shop"]
    days, past = daily["day"].to_numpy(), np.zeros(0)
    demand = findings.demand
    if not isinstance(demand, Absent):
        past = demand.values[0][-7 * _WEEKS_SHOWN :]
        first = np.datetime64(demand.day(demand.num_days - len(past)), "D")
        days = np.concatenate([first + np.arange(len(past)), days.astype("datetime64[D]")])
    gap = np.full(len(past), np.nan)
    unknown = np.full(len(daily), np.nan)
    svg = line_chart(
        days.astype("datetime64[s]"),
        [
            (say("forecast"), np.concatenate([gap, daily["forecast"]])),
            (say("sold"), np.concatenate([past, unknown])),
        ],
        bands=[(np.concatenate([gap, daily["low"]]), np.concatenate([gap, daily["high"]])), None],
        label=say("Pieces a day"),
    )
    row = found.backtest[found.backtest["level"] == "shop"].iloc[0]
    caption = say("Band: 80 % interval of a day.")
    if np.isfinite(row["coverage"]):
        caption = say(
            "Band: 80 % interval of a day; in back-tests {coverage:.0%} of n = {n:,} days fell inside.",
            coverage=row["coverage"],
            n=int(row["num_days"]),
        )
    return Figure(svg, caption, say("Forecast of the shop"))


def _festival_figure(found: Forecasts, say: Language) -> list[Figure]:
    at = found.festivals[found.festivals["offset"] == 0]
    if not len(at):
        return []
    svg = bar_chart(
        [f"{say.name(row.festival)} ({row.num})" for row in at.itertuples()],
        list(at["effect"]),
        lows=list(at["low"]),
        highs=list(at["high"]),
        label=say("times the usual demand"),
        form="{:.2f}",
        strong=[bool(clear) for clear in at["is_clear"]],
    )
    caption = say(
        "Demand on the day over the usual of its weekday; whiskers 95 %, in brackets how often it was seen; strong: "
        "clear of chance."
    )
    return [Figure(svg, caption, say("Festivals"))]


def _proof(found: Forecasts, say: Language) -> Table:
    heads = (
        say("Level"),
        say("Series"),
        say("Earlier periods"),
        say("Error (WAPE)"),
        say("Error of last week repeated"),
        say("Gain"),
        say("Days inside the 80 % interval"),
    )
    rows = tuple(
        (
            say.name(row.level),
            f"{row.num_series:,}",
            f"{row.num_origins:,}",
            _share(row.wape),
            _share(row.naive_wape),
            (_share(row.gain), f"{row.gain_low:.0%}–{row.gain_high:.0%}") if np.isfinite(row.gain) else "–",
            (_share(row.coverage), f"n = {row.num_days:,}"),
        )
        for row in found.backtest.itertuples()
    )
    return Table(
        heads, rows, say("Back-test: forecasts made at earlier moments, compared with actual demand. Intervals 95 %.")
    )


def _categories(found: Forecasts, say: Language) -> list[Table]:
    rows = found.totals[found.totals["level"] == "category"].nlargest(15, "forecast")
    if not len(rows):
        rows = found.totals[found.totals["level"] == "item"].nlargest(15, "forecast")
    heads = (say("Name"), say("Expected"), say("Sold before"), say("Change"))
    cells = tuple(
        (
            say.name(row.name),
            (f"{row.forecast:,.0f}", f"{row.low:,.0f}–{row.high:,.0f}" if row.is_interval_known else "–"),
            f"{row.last:,.0f}",
            f"{row.forecast / row.last - 1:+.0%}" if row.last > 0 else "–",
        )
        for row in rows.rename(columns={"name": "series"}).rename(columns={"series": "name"}).itertuples()
    )
    return [Table(heads, cells, say("Pieces in {days} days, with 80 % interval.", days=found.horizon))]


def _cover(cover: pd.DataFrame, findings: Findings, say: Language) -> Table:
    heads = (say("Item"), say("Stock"), say("Expected"), say("Days of cover"), say("Signal"))
    rows = tuple(
        (
            findings.title_of(row.item_id),
            f"{row.stock:,.0f}",
            f"{row.forecast:,.1f}",
            (_days(row.days), f"{_days(row.days_low)}–{_days(row.days_high)}"),
            say.name(row.signal),
        )
        for row in cover.sort_values(["days_low", "forecast"], ascending=[True, False]).head(15).itertuples()
    )
    return Table(
        heads,
        rows,
        say("The 15 items that run out first, of {n:,}; intervals of days 80 %.", n=len(cover)),
    )


def _share(value: float) -> str:
    return f"{value:.0%}" if np.isfinite(value) else "–"


def _days(value: float) -> str:
    return f"{value:,.0f}" if np.isfinite(value) else "∞"
