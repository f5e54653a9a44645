"""`tfrec forecast`: forecasts the demand of the coming days, and how long the stock lasts."""

import argparse
from pathlib import Path

from tfrec.cli.analyses import add_log, print_json, read_log, wording
from tfrec.cli.outputs import add_force, check_table, save_table
from tfrec.cli.plots import add_plot, check_plot, save_plot
from tfrec.cli.settings import count, names

HELP = "forecast demand with intervals, and days of cover"
DESCRIPTION = """\
Forecasts the shop, its categories and its items, with intervals, and compares them on earlier periods with a
repetition of last week. Where stock is known, states how long it lasts. Days are those of the recipe's time zone;
festivals are those of its country, time zone or currency, and its own [sale_days].
"""
EXAMPLES = """\
examples:
  tfrec forecast prepared/online_retail
  tfrec forecast prepared/online_retail --horizon 14 --measure value
  tfrec forecast prepared/online_retail --festivals "Black Friday,Christmas"
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
    parser.add_argument(
        "--festivals",
        type=names,
        metavar="NAME,...",
        help="festivals whose effect is estimated: names, western, chinese or none (default: those of the shop's "
        "country, time zone or currency, and its own sale days)",
    )
    parser.add_argument("--lead-days", type=float, default=7.0, metavar="DAYS", help="days until ordered stock arrives")
    parser.add_argument("--top", type=count, default=15, metavar="N", help="number of series and items printed")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file of every series and day, .csv or .parquet")
    add_plot(parser)
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Forecasts and prints."""
    from tfrec.analysis.demand import daily_demand
    from tfrec.analysis.forecasts import forecast_demand
    from tfrec.report.plots import forecast_figure
    from tfrec.report.terminal.demand import forecasts_text
    from tfrec.schema.json_values import to_json

    check_table(options, options.out, _KIND, columns=_COLUMNS)
    check_plot(options)
    tables = read_log(options)
    forecasts = forecast_demand(
        tables,
        horizon=options.horizon,
        measure=options.measure,
        coverage=options.coverage,
        festivals=options.festivals,
    )
    cover = (
        forecasts.days_of_cover(tables.items, lead_days=options.lead_days) if options.measure == "quantity" else None
    )
    if options.out is not None:
        save_table(options, options.out, forecasts.daily, _KIND)
    if options.plot is not None:
        past = daily_demand(tables, measure=options.measure, max_items=1)
        save_plot(options, forecast_figure(forecasts, past, wording(options)))
    if options.json:
        print_json({**to_json(forecasts), "days_of_cover": [] if cover is None else cover})
        return
    print(
        forecasts_text(
            forecasts,
            cover,
            tables.items,
            wording(options),
            coverage=options.coverage,
            top=options.top,
            out=options.out,
        )
    )
