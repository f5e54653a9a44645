"""`tfrec forecast`: forecasts the demand of the coming days, and how long the stock lasts."""

import argparse
from pathlib import Path

from tfrec.cli.analyses import add_log, print_json, read_log, wording
from tfrec.cli.outputs import add_force, check_table, save_table
from tfrec.schema.item_names import item_names

HELP = "forecast demand with intervals, and days of cover"
DESCRIPTION = """\
Forecasts the shop, its categories and its items, with intervals, and compares them on earlier periods with a
repetition of last week. Where stock is known, states how long it lasts.
"""
EXAMPLES = """\
examples:
  tfrec forecast prepared/online_retail
  tfrec forecast prepared/online_retail --horizon 14 --measure value
  tfrec forecast prepared/online_retail --out forecast.csv
"""
_KIND = "a forecast"
_COLUMNS = ("level", "name", "day", "forecast", "low", "high")
INTERRUPTED = "Nothing was written; an older file is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    add_log(parser)
    parser.add_argument("--horizon", type=int, default=28, metavar="DAYS", help="days to forecast, a multiple of 7")
    parser.add_argument(
        "--measure", choices=("quantity", "value"), default="quantity", help="unit of demand: pieces or money"
    )
    parser.add_argument(
        "--coverage", type=float, default=0.8, metavar="SHARE", help="share of days inside the intervals"
    )
    parser.add_argument("--lead-days", type=float, default=7.0, metavar="DAYS", help="days until ordered stock arrives")
    parser.add_argument("--top", type=int, default=15, metavar="N", help="number of series and items printed")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file of every series and day, .csv or .parquet")
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Forecasts and prints."""
    from tfrec.analysis.forecasts import forecast_demand
    from tfrec.cli.tables import cut, text_table

    check_table(options, options.out, _KIND, columns=_COLUMNS)
    tables = read_log(options)
    forecasts = forecast_demand(tables, horizon=options.horizon, measure=options.measure, coverage=options.coverage)
    cover = (
        forecasts.days_of_cover(tables.items, lead_days=options.lead_days) if options.measure == "quantity" else None
    )
    if options.out is not None:
        save_table(options, options.out, forecasts.daily, _KIND)
    if options.json:
        days_of_cover = [] if cover is None else cover.to_dict("records")
        print_json({**forecasts.to_dict(), "days_of_cover": days_of_cover})
        return
    say = wording(options)
    print(forecasts.summary(say) + "\n")
    titles = item_names(tables.items)
    best = forecasts.totals[forecasts.totals["level"] != "shop"].sort_values("forecast", ascending=False)
    best = best.sort_values("level", kind="stable").head(options.top)
    rows = [
        [
            say.name(row.level),
            cut(titles.get(row.name) or say.name(row.name)),
            f"{row.forecast:,.0f}",
            f"{row.low:,.0f}–{row.high:,.0f}" if row.is_interval_known else "–",
            f"{row.last:,.0f}",
        ]
        for row in best.itertuples()
    ]
    interval = say("{share:.0%} interval", share=options.coverage)
    print(text_table([say("level"), say("series"), say("forecast"), interval, say("last period")], rows))
    if cover is not None and len(cover):
        rows = [
            [
                cut(titles.get(row.item_id) or row.item_id),
                f"{row.stock:,.0f}",
                f"{row.days:,.0f}",
                f"{row.days_low:,.0f}–{row.days_high:,.0f}",
                say.name(row.signal),
            ]
            for row in cover.head(options.top).itertuples()
        ]
        print(
            "\n" + text_table([say("item"), say("stock"), say("days of cover"), say("interval"), say("signal")], rows)
        )
    if options.out is not None:
        print("\n" + say("Forecast: {path} ({n:,} rows)", path=options.out, n=len(forecasts.daily)))
