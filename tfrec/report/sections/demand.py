"""Writes the section on demand, its forecast, holidays and stock."""

import numpy as np
import pandas as pd

from tfrec.analysis.forecasts import Forecasts
from tfrec.pages.blocks import Figure, Section, Table
from tfrec.pages.charts import bar_chart
from tfrec.report.absent import Absent
from tfrec.report.actions import LEAD_DAYS, stock_at_risk
from tfrec.report.findings import Findings
from tfrec.report.plots import forecast_figure
from tfrec.report.terminal.demand import cut_day_sentence, days_text, sum_sentence
from tfrec.report.words import Language


def demand_section(findings: Findings, say: Language) -> Section:
    """Returns the forecast with intervals and its proof, effects of festivals, days of cover."""
    title, forecasts = say("demand.demand_stock"), findings.forecasts
    if isinstance(forecasts, Absent):
        return Section("demand", title, (say("demand.no_forecast", reason=forecasts.reason),), is_absent=True)
    shop = forecasts.totals[forecasts.totals["level"] == "shop"].iloc[0]
    last_day = forecasts.first_day + pd.Timedelta(days=forecasts.horizon - 1)
    has_interval = bool(shop["is_interval_known"])
    sentences = [
        say(
            "demand.pieces_expected_80_interval_after",
            first=f"{forecasts.first_day:%Y-%m-%d}",
            last=f"{last_day:%Y-%m-%d}",
            forecast=shop["forecast"],
            low=f"{shop['low']:,.0f}" if has_interval else "?",
            high=f"{shop['high']:,.0f}" if has_interval else "?",
            before=shop["last"],
            days=forecasts.horizon,
        ),
        *cut_day_sentence(forecasts, say),
        sum_sentence(forecasts, say),
    ]
    clear = forecasts.festivals[forecasts.festivals["is_clear"].astype(bool)]
    if len(clear):
        best = clear.loc[clear["effect"].sub(1).abs().idxmax()]
        sentences.append(
            say(
                "demand.clearest_feast_day_days_demand",
                name=say.name(best["festival"]),
                offset=int(best["offset"]),
                effect=best["effect"],
                low=best["low"],
                high=best["high"],
                n=int(best["num"]),
            )
        )
    else:
        sentences.append(say("demand.no_shopping_festival_stands_out"))
    demand = None if isinstance(findings.demand, Absent) else findings.demand
    figures = [forecast_figure(forecasts, demand, say)]
    festivals = _festival_figure(forecasts, say)
    tables = [*_categories(forecasts, say)]
    cover = stock_at_risk(findings)
    if len(cover):
        counts = cover["signal"].value_counts()
        sentences.append(
            say(
                "demand.items_known_stock_may_run",
                now=int(counts.get("order now", 0)),
                all=len(cover),
                much=int(counts.get("too much", 0)),
                days=LEAD_DAYS,
            )
        )
        tables.append(_cover(cover, findings, say))
    else:
        sentences.append(say("demand.stock_known_here_so_days"))
    footnotes = (
        say(
            "demand.methods_chosen_earlier_periods_alone",
            choice="; ".join(f"{say.name(level)}: {how}" for level, how in forecasts.choice.items()),
        ),
        say("demand.counted_before_returns"),
    )
    return Section(
        "demand",
        title,
        tuple(sentences),
        (*figures, *festivals),
        tuple(tables),
        footnotes,
        proof_tables=(_proof(forecasts, say),),
    )


def _festival_figure(forecasts: Forecasts, say: Language) -> list[Figure]:
    at = forecasts.festivals[forecasts.festivals["offset"] == 0]
    if not len(at):
        return []
    svg = bar_chart(
        [f"{say.name(row.festival)} ({row.num})" for row in at.itertuples()],
        list(at["effect"]),
        lows=list(at["low"]),
        highs=list(at["high"]),
        label=say("demand.times_usual_demand"),
        form="{:.2f}",
        strong=[bool(clear) for clear in at["is_clear"]],
    )
    caption = say("demand.demand_day_over_usual_weekday")
    return [Figure(svg, caption, say("demand.festivals"))]


def _proof(forecasts: Forecasts, say: Language) -> Table:
    heads = (
        say("heads.level"),
        say("demand.num_series"),
        say("demand.earlier_periods"),
        say("demand.error_wape"),
        say("demand.error_last_week_repeated"),
        say("heads.gain"),
        say("demand.days_inside_80_interval"),
        say("demand.error_of_sums", days=forecasts.horizon),
        say("demand.sums_last_week_repeated"),
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
            _share(row.total_wape),
            _share(row.total_naive_wape),
        )
        for row in forecasts.backtest.itertuples()
    )
    return Table(heads, rows, say("demand.back_test_forecasts_made_earlier"))


def _categories(forecasts: Forecasts, say: Language) -> list[Table]:
    rows = forecasts.totals[forecasts.totals["level"] == "category"].nlargest(15, "forecast")
    if not len(rows):
        rows = forecasts.totals[forecasts.totals["level"] == "item"].nlargest(15, "forecast")
    heads = (say("heads.name"), say("demand.expected"), say("demand.sold_before"), say("heads.change"))
    cells = tuple(
        (
            say.name(row.name),
            (f"{row.forecast:,.0f}", f"{row.low:,.0f}–{row.high:,.0f}" if row.is_interval_known else "–"),
            f"{row.last:,.0f}",
            f"{row.forecast / row.last - 1:+.0%}" if row.last > 0 else "–",
        )
        for row in rows.rename(columns={"name": "series"}).rename(columns={"series": "name"}).itertuples()
    )
    return [Table(heads, cells, say("demand.pieces_days_80_interval", days=forecasts.horizon))]


def _cover(cover: pd.DataFrame, findings: Findings, say: Language) -> Table:
    heads = (
        say("heads.item"),
        say("demand.stock"),
        say("demand.expected"),
        say("demand.days_cover"),
        say("demand.at_risk", currency=findings.manifest.currency),
        say("demand.signal"),
    )
    rows = tuple(
        (
            findings.title_of(row.item_id),
            f"{row.stock:,.0f}",
            f"{row.forecast:,.1f}",
            (days_text(row.days), f"{days_text(row.days_low)}–{days_text(row.days_high)}"),
            f"{row.at_risk:,.0f}",
            say.name(row.signal),
        )
        for row in cover.head(15).itertuples()
    )
    return Table(
        heads,
        rows,
        say("demand.items_that_run_out_first", n=len(cover)),
    )


def _share(value: float) -> str:
    return f"{value:.0%}" if np.isfinite(value) else "–"
